"""What every export writes: unbroken stretches of valid steps. A lost step ends one; the gap is never bridged."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from wayfarer_common.errors import DataError

from wayfarer_policies.replay.buffer import recording
from wayfarer_policies.replay.dataset import Dataset


@dataclass(frozen=True)
class Segment:
    """T valid steps of one episode, one behind the other, with the T + 1 observations around them."""

    source: str  # run/episode/step it begins at
    images: NDArray[np.uint8]  # (T + 1, H, W, 3)
    ee_positions: NDArray[np.float32]  # (T + 1, 3) [m], base frame
    object_poses: NDArray[np.float32]  # (T + 1, 7) position [m] and quaternion xyzw; NaN where nobody knows
    actions: NDArray[np.float32]  # (T, 3) as executed, in [-1, 1]
    rewards: NDArray[np.float32]  # (T,) of the state each step leads to
    terminated: NDArray[np.bool_]  # (T,) the task ended with this step
    truncated: NDArray[np.bool_]  # (T,) the record ends with this step, and not the task

    @property
    def steps(self) -> int:
        """Number of steps, T."""
        return len(self.actions)


@dataclass(frozen=True)
class Material:
    """A dataset as it is exported."""

    dataset: Dataset
    rows: NDArray[np.int64]  # (N,) the steps to export
    rewards: NDArray[np.float32]  # (R,) of each state
    task: str  # what the rewards pay for; empty: they are all 0
    rate: float  # [Hz] of the steps
    bounds: NDArray[np.int64]  # (segments + 1,) where in `rows` each segment begins

    @classmethod
    def of(
        cls, dataset: Dataset, rows: NDArray[np.int64], rewards: NDArray[np.float32] | None = None, task: str = ""
    ) -> Self:
        """Cut the steps `rows` into segments. DataError without any."""
        if not len(rows):
            raise DataError(f"{', '.join(map(str, dataset.runs))}: there is no valid step to export")
        episodes = dataset.index.place[rows]
        cuts = np.flatnonzero((np.diff(rows) != 1) | (np.diff(episodes) != 0)) + 1
        paid = np.zeros(dataset.rows, np.float32) if rewards is None else rewards
        return cls(dataset, rows, paid, task, rate_of(dataset), np.concatenate([[0], cuts, [len(rows)]]))

    def __len__(self) -> int:
        """Return the number of segments."""
        return len(self.bounds) - 1

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, 3)."""
        _, channels, height, width = self.dataset.frames(self.rows[:1]).shape
        return height, width, channels

    def segments(self) -> Iterator[Segment]:
        """Yield the segments in order."""
        for start, behind in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            steps = self.rows[start:behind]
            states = np.append(steps, steps[-1] + 1)
            place = self.dataset.place(int(steps[0]))
            terminated = self.dataset.terminated(steps).numpy()
            truncated = np.zeros(len(steps), dtype=bool)
            truncated[-1] = not terminated[-1]
            yield Segment(
                source=f"{self.dataset.runs[place.run].name}/{place.episode}/{place.step}",
                images=self.dataset.frames(states).numpy().transpose(0, 2, 3, 1),
                ee_positions=self.dataset.ee_positions(states).numpy(),
                object_poses=self.dataset.object_poses(states).numpy(),
                actions=self.dataset.actions(steps).numpy(),
                rewards=self.rewards[steps + 1],
                terminated=terminated,
                truncated=truncated,
            )

    def provenance(self) -> dict[str, Any]:
        """Say what was exported, for the formats' own notes."""
        note = f"rewards of task {self.task}" if self.task else "without a task: all rewards are 0"
        return {"recorded_by": "wayfarer", "runs": [str(run) for run in self.dataset.runs], "rewards": note}


def rate_of(dataset: Dataset) -> float:
    """Return the rate of the steps [Hz], from the stamps of the first run's first episode with two observations."""
    bags = recording(dataset.runs[0])
    for source in bags.sources():
        for episode in bags.load(source):
            known = episode.stamps[episode.stamps > 0]
            if len(known) > 1:
                return float(1e9 / np.median(np.diff(known)))
    raise DataError(f"{dataset.runs[0]} holds no two observations one after the other: its rate is not known")
