"""Several recordings as one memory-mapped dataset, for offline training, labels and tests.

In Python:

    dataset = Dataset.open([Path("runs/a"), Path("runs/b")])
    batch = dataset.sample(128, rng)  # s, a, s' of 128 random valid steps
    transitions = Transitions(dataset, FutureGoals())
    loader = DataLoader(transitions, batch_size=128, shuffle=True, collate_fn=as_it_is)
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset as TorchDataset
from torch.utils.data import get_worker_info
from wayfarer_bags.run_directory import refuse_repeats
from wayfarer_core.errors import DataError

from wayfarer_data.cache.buffer import Progress, RunBuffer, recording
from wayfarer_data.cache.frames import FrameCache
from wayfarer_data.cache.resident import hold
from wayfarer_data.cache.rows import Rows
from wayfarer_data.cache.sampling import Batch, FrameStore

B = TypeVar("B")

Indices = Tensor | NDArray[np.int64]
# Small: 137 bytes a row
_IN_MEMORY = (
    *(
        "actions",
        "ee_positions",
        "ee_orientations",
        "joint_positions",
        "joint_velocities",
        "gripper_widths",
        "object_poses",
        "stamps",
    ),
    "sources",
)


class Place(NamedTuple):
    """Run, episode and step of an observation."""

    run: int  # index into Dataset.runs
    episode: int  # number of the episode in that run
    step: int  # 0 .. T


@dataclass(frozen=True)
class _Frames:
    """The images of several caches, with one row number over all."""

    parts: tuple[NDArray[np.uint8], ...]  # (rows, C, H, W) each, memory-mapped
    offsets: NDArray[np.int64]  # (runs + 1,) first row of each

    def take(self, rows: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return the images of these rows (B, C, H, W)."""
        if len(self.parts) == 1:
            return np.take(self.parts[0], rows, axis=0)

        images = np.empty((len(rows), *self.parts[0].shape[1:]), np.uint8)
        parts = np.searchsorted(self.offsets, rows, side="right") - 1  # (B,)
        for k, (part, row) in enumerate(
            zip(parts.tolist(), (rows - self.offsets[parts]).tolist(), strict=True)
        ):
            images[k] = self.parts[part][row]

        return images


class Dataset(FrameStore):
    """Every step of some recordings by a global row: r and r + 1 are s and s' of one episode.

    Read-only.
    """

    def __init__(self, runs: Sequence[Path], caches: Sequence[FrameCache]) -> None:
        """Make it by `Dataset.open`.

        `caches` are those of `runs`. Each has at least one row, and all have the same layout.
        """
        self.runs = tuple(runs)
        self.index = Rows.joined(
            [Rows.of(c.entries, c.column("valid"), c.column("known")) for c in caches]
        )
        self._offsets = np.cumsum([0, *(cache.rows for cache in caches)])  # (runs + 1,)
        self._columns = {
            name: np.concatenate([c.column(name) for c in caches]) for name in _IN_MEMORY
        }
        self._frames = _Frames(
            tuple(np.asarray(cache.column("frames")) for cache in caches), self._offsets
        )
        self._held: Callable[[Tensor], Tensor] | None = None  # gathers on a device

        # changes when a cache is made anew
        self.digest = _digest(caches)

        # (runs + 1,) first episode of each run
        self._first = np.searchsorted(self.index.starts, self._offsets)

    @classmethod
    def open(cls, runs: Sequence[Path], progress: Progress = lambda _done, _all: None) -> Self:
        """Open recordings: runs, and bags of the contract's topics from another recorder.

        The first call unpacks their frames into a cache (inside the run if it is writable);
        `progress` gets the number of files done and of all. Raises DataError for
        no run, an empty one, one given twice, a damaged bag, or runs whose images or actions have
        different shapes.
        """
        runs = [Path(run) for run in runs]
        if not runs:
            raise DataError("no run was given: name at least one")

        refuse_repeats(runs)
        counts = [len(recording(run).sources()) for run in runs]
        caches: list[FrameCache] = []

        for k, run in enumerate(runs):
            cache = RunBuffer(run).cache(_counting_on(progress, sum(counts[:k]), sum(counts)))
            if not cache.rows:
                raise DataError(f"{run} holds no episode with a step in it: nothing to learn from")

            caches.append(cache)
            if cache.layout != caches[0].layout:
                raise DataError(
                    f"{run} has images and actions {cache.layout}, {runs[0]} has "
                    f"{caches[0].layout}: open them apart"
                )

        return cls(runs, caches)

    def hold(self, device: str) -> None:
        """Copy all images into a device's memory if they fit; batches then gather them there.

        They stay there as long as the dataset lives.
        """
        if self._held is None:
            self._held = hold(self._frames.parts, torch.device(device))

    def gatherer(self) -> Callable[[Tensor], Tensor]:
        """Return how batches get their images: from the device's memory if it holds them."""
        return self._held or self.frames

    def __len__(self) -> int:
        """Return the number of valid transitions, N."""
        return len(self.index.transitions)

    @property
    def transitions(self) -> NDArray[np.int64]:
        """Rows of trainable steps (N,)."""
        return self.index.transitions

    @property
    def known(self) -> NDArray[np.int64]:
        """Rows of images that were seen (K,)."""
        return self.index.known

    @property
    def rows(self) -> int:
        """Number of observations, R."""
        return len(self.index.place)

    @property
    def lost_steps(self) -> int:
        """Number of steps that are not valid because a part is missing."""
        return int((self.index.lasts - self.index.starts).sum()) - len(self)

    # --- by row ---

    def column(self, name: str) -> NDArray[Any]:
        """Return one of actions, sources, stamps, hand, joints, cube at all rows (R, ...). NaN:
        unknown.
        """
        return self._columns[name]

    def frames(self, rows: Indices) -> Tensor:
        """Return the images of these rows (B, C, H, W) uint8; zeros where an image is missing."""
        return torch.from_numpy(self._frames.take(_array(rows)))

    def actions(self, rows: Indices) -> Tensor:
        """Return the actions executed at these rows (B, A) float32; A is 3, or 4 with a gripper.

        Zeros where unknown, and at an episode's last row.
        """
        return torch.from_numpy(self._columns["actions"][_array(rows)])

    def ee_positions(self, rows: Indices) -> Tensor:
        """Return the end effector's positions [m], base frame (B, 3) float32."""
        return torch.from_numpy(self._columns["ee_positions"][_array(rows)])

    def object_poses(self, rows: Indices) -> Tensor:
        """Return the cube's true pose, position [m] and quaternion xyzw, (B, 7) float32.

        NaN where unknown.
        """
        return torch.from_numpy(self._columns["object_poses"][_array(rows)])

    def sources(self, rows: Indices) -> Tensor:
        """Return who chose the action of each step, as ActionSource (B,) uint8."""
        return torch.from_numpy(self._columns["sources"][_array(rows)])

    def terminated(self, rows: Indices) -> Tensor:
        """Say for each step whether the task ended with it (B,) bool."""
        return torch.from_numpy(self.index.ends(_array(rows))[0])

    def truncated(self, rows: Indices) -> Tensor:
        """Say for each step whether the time limit ended its episode, not the task (B,) bool."""
        return torch.from_numpy(self.index.ends(_array(rows))[1])

    # --- by place ---

    @property
    def starts(self) -> NDArray[np.int64]:
        """First row of each episode (E,)."""
        return self.index.starts

    @property
    def lasts(self) -> NDArray[np.int64]:
        """Last row of each episode, the observation after its last action (E,)."""
        return self.index.lasts

    @property
    def episode_runs(self) -> NDArray[np.int64]:
        """Run of each episode, as an index into `runs` (E,)."""
        return self.run_of(self.index.starts)

    def run_of(self, rows: Indices) -> NDArray[np.int64]:
        """Return the run of each row, as an index into `runs` (B,)."""
        return np.searchsorted(self._offsets, _array(rows), side="right") - 1

    def place(self, row: int) -> Place:
        """Return run, episode and step of a row. DataError for a row that does not exist."""
        if not 0 <= row < self.rows:
            raise DataError(f"row {row}: the dataset has rows 0 to {self.rows - 1}")

        one = np.array([row])

        return Place(
            int(self.run_of(one)[0]),
            int(self.index.episodes(one)[0]),
            int(self.index.steps(one)[0]),
        )

    def row(self, run: int, episode: int, step: int) -> int:
        """Return the row of an observation.

        DataError for a run, an episode or a step that does not exist.
        """
        if not 0 <= run < len(self.runs):
            raise DataError(f"run {run}: the dataset has runs 0 to {len(self.runs) - 1}")

        first, behind = self._first[run], self._first[run + 1]
        found = np.flatnonzero(self.index.numbers[first:behind] == episode)
        if not len(found):
            raise DataError(f"{self.runs[run]} has no episode {episode} with a step in it")

        start, last = (int(of[first + found[0]]) for of in (self.index.starts, self.index.lasts))
        if not 0 <= step <= last - start:
            raise DataError(
                f"episode {episode} of {self.runs[run]} has observations 0 to {last - start}, not "
                f"{step}"
            )

        return start + step


class Labels(Protocol):
    """Gives a batch goals and rewards, as FutureGoals of wayfarer_policies does."""

    def label(self, batch: Batch, store: FrameStore, rng: np.random.Generator) -> Any:
        """Return the labelled batch for an algorithm."""


class Transitions(TorchDataset[Any]):
    """The valid transitions for torch's DataLoader, a whole batch at a time.

    Index k is step `dataset.transitions[k]`.

    Without labels each batch is a Batch. With labels each batch gets new goals. They are drawn from
    the seed and differ between a loader's workers.
    """

    def __init__(self, dataset: Dataset, labels: Labels | None = None, seed: int = 0) -> None:
        self.dataset, self.labels = dataset, labels
        self._seed, self._rng = seed, np.random.default_rng(seed)
        self._worker = False

    def __len__(self) -> int:
        """Return the number of valid transitions."""
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        """Return one transition, as a batch of one."""
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> Any:
        """Return a batch of transitions; the DataLoader asks for it."""
        batch = self.dataset.batch(self.dataset.transitions[np.asarray(indices, dtype=np.int64)])
        return (
            batch if self.labels is None else self.labels.label(batch, self.dataset, self._draws())
        )

    def _draws(self) -> np.random.Generator:
        worker = get_worker_info()
        if worker is not None and not self._worker:  # this is a copy in a worker process
            self._rng, self._worker = np.random.default_rng([self._seed, worker.seed]), True
        return self._rng


def as_it_is(batch: B) -> B:
    """Return the DataLoader's batch unchanged: its collate_fn."""
    return batch


def _digest(caches: Sequence[FrameCache]) -> str:
    sources = [
        [(source.name, source.size, source.mtime_ns) for source in cache.sources]
        for cache in caches
    ]

    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def _counting_on(progress: Progress, before: int, total: int) -> Progress:
    return lambda done, _: progress(before + done, total)


def _array(rows: Indices) -> NDArray[np.int64]:
    return rows.numpy() if isinstance(rows, Tensor) else np.asarray(rows, dtype=np.int64)
