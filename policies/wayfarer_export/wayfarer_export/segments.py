"""Segments, which every export writes: unbroken stretches of valid steps.

A lost step ends a segment; the gap is never bridged.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.labels import Label, read_labels
from wayfarer_core.errors import DataError
from wayfarer_data.cache.dataset import Dataset, Place
from wayfarer_data.cache.layout import channels_last

from wayfarer_export.wrist import WristImages

FELT = ("ee_orientations", "joint_positions", "joint_velocities", "gripper_widths")
_FINEST = 1_000_000  # largest denominator of a rate: stamps in ns are not more exact
_DRIFT = 0.02  # share of an episode's length by which its steps may drift from the common rate


@dataclass(frozen=True)
class Segment:
    """T successive valid steps of one episode, with their T + 1 observations."""

    source: str  # run/episode/step of its first observation
    images: NDArray[np.uint8]  # (T + 1, H, W, 3)
    ee_positions: NDArray[np.float32]  # (T + 1, 3) [m], base frame
    # (T + 1, 4) quaternion xyzw, base frame; None: unknown for some observation
    ee_orientations: NDArray[np.float32] | None
    joint_positions: NDArray[np.float32] | None  # (T + 1, 7) [rad]; None: as above
    joint_velocities: NDArray[np.float32] | None  # (T + 1, 7) [rad/s]; None: as above
    gripper_widths: NDArray[np.float32] | None  # (T + 1, 1) [m]; None: not known of all
    # (T + 1, 7) position [m] and quaternion xyzw; NaN where unknown
    object_poses: NDArray[np.float32]
    actions: NDArray[np.float32]  # (T, A) as executed, in [-1, 1]; A is 3, or 4 with a gripper
    sources: NDArray[np.uint8]  # (T,) who chose the action: 0 the policy, 1 a person
    rewards: NDArray[np.float32]  # (T,) of the state that each step leads to
    terminated: NDArray[np.bool_]  # (T,) the task ended with this step
    truncated: NDArray[np.bool_]  # (T,) the record ends with this step, but not the task
    label: int  # of its episode: 1 success, 0 failure, -1 unlabelled
    note: str  # a person's note about it
    # (T + 1, H, W, 3) of the camera in the hand; None: not every episode has them
    wrist_images: NDArray[np.uint8] | None

    @property
    def steps(self) -> int:
        """Number of steps, T."""
        return len(self.actions)


@dataclass(frozen=True)
class Material:
    """A dataset to export."""

    dataset: Dataset
    rows: NDArray[np.int64]  # (N,) the steps to export
    rewards: NDArray[np.float32]  # (R,) of each state
    task: str  # of the rewards; empty: reward only an end by success
    rate: float  # [Hz] of the steps, mean
    bounds: NDArray[np.int64]  # (segments + 1,) index in `rows` at which each segment begins
    # columns of hand and joints to export beside the position, if known
    wanted: tuple[str, ...] = FELT
    wrist_wanted: bool = True  # images of the camera in the hand, if every episode has them

    @classmethod
    def of(
        cls,
        dataset: Dataset,
        rows: NDArray[np.int64],
        rewards: NDArray[np.float32] | None = None,
        task: str = "",
    ) -> Self:
        """Cut the steps `rows` into segments. DataError if there are none."""
        if not len(rows):
            raise DataError(
                f"{', '.join(map(str, dataset.runs))}: there is no valid step to export"
            )

        episodes = dataset.index.place[rows]
        cuts = np.flatnonzero((np.diff(rows) != 1) | (np.diff(episodes) != 0)) + 1
        paid = success_rewards(dataset) if rewards is None else rewards

        return cls(
            dataset,
            rows,
            paid,
            task,
            rate_of(dataset, rows),
            np.concatenate([[0], cuts, [len(rows)]]),
        )

    def __len__(self) -> int:
        """Return the number of segments."""
        return len(self.bounds) - 1

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, 3)."""
        _, channels, height, width = self.dataset.frames(self.rows[:1]).shape
        return height, width, channels

    @cached_property
    def wrist_shape(self) -> tuple[int, ...] | None:
        """(H, W, 3) of the wrist's images, if wanted and every episode has them."""
        if not self.wrist_wanted or self._without_wrist:
            return None

        first = self.dataset.place(int(self.rows[0]))
        return self._wrist.of(first.run, first.episode).shape[1:]

    @cached_property
    def _episodes(self) -> set[tuple[int, int]]:
        """Number of the run and of the episode of every segment."""
        places = (self.dataset.place(int(row)) for row in self.rows[self.bounds[:-1]])
        return {(place.run, place.episode) for place in places}

    @cached_property
    def _without_wrist(self) -> int:
        """How many of these episodes have no images of the wrist; it looks into every file."""
        return sum(not self._wrist.holds(*episode) for episode in self._episodes)

    @cached_property
    def _wrist(self) -> WristImages:
        return WristImages(self.dataset.runs)

    def _wrist_images(self, place: Place, steps: int) -> NDArray[np.uint8] | None:
        """Return the wrist images of a segment that begins at `place`."""
        if self.wrist_shape is None:
            return None

        images = self._wrist.of(place.run, place.episode)
        if images.shape[1:] != self.wrist_shape:
            raise DataError(
                f"{self.dataset.runs[place.run]}: episode {place.episode} has images of the wrist "
                f"{images.shape[1:]}, others {self.wrist_shape}: export them apart"
            )

        return images[place.step : place.step + steps + 1]

    @property
    def action_names(self) -> tuple[str, ...]:
        """What each number of an action is."""
        return ("x", "y", "z", "gripper")[: self.dataset.column("actions").shape[1]]

    def segments(self) -> Iterator[Segment]:
        """Yield the segments in order."""
        said, labels = _said(self.dataset), labels_of(self.dataset)
        for start, behind in zip(self.bounds[:-1], self.bounds[1:], strict=True):
            steps = self.rows[start:behind]
            states = np.append(steps, steps[-1] + 1)
            place = self.dataset.place(int(steps[0]))
            terminated = self.dataset.terminated(steps).numpy()
            truncated = np.zeros(len(steps), dtype=bool)
            truncated[-1] = not terminated[-1]
            yield Segment(
                source=f"{self.dataset.runs[place.run].name}/{place.episode}/{place.step}",
                images=channels_last(self.dataset.frames(states).numpy()),
                ee_positions=self.dataset.ee_positions(states).numpy(),
                **self._felt(states),
                object_poses=self.dataset.object_poses(states).numpy(),
                actions=self.dataset.actions(steps).numpy(),
                sources=self.dataset.sources(steps).numpy(),
                rewards=self.rewards[steps + 1],
                terminated=terminated,
                truncated=truncated,
                label=int(labels[self.dataset.index.place[steps[0]]]),
                note=said[place.run].get(place.episode, Label()).note,
                wrist_images=self._wrist_images(place, len(steps)),
            )

    def _felt(self, rows: NDArray[np.int64]) -> dict[str, NDArray[np.float32] | None]:
        return {
            name: self.dataset.column(name)[rows] if name in self.felt else None for name in FELT
        }

    @cached_property
    def felt(self) -> tuple[str, ...]:
        """The wanted columns of hand and joints that every exported observation has.

        Names of FELT.
        """
        return tuple(name for name in self.wanted if not self._unknown(name))

    def _unknown(self, name: str) -> int:
        """Count the exported observations without this column."""
        observations = np.unique(np.concatenate([self.rows, self.rows + 1]))
        return int((~np.isfinite(self.dataset.column(name)[observations]).all(axis=1)).sum())

    def left_out(self) -> list[str]:
        """Say which columns of hand, joints and wrist camera are left out, because an observation
        every observation; nothing of a gripper that was never part of the action.
        """
        felt = [
            f"without {name.replace('_', ' ')}: {self._unknown(name)} of the observations have none"
            for name in self.wanted
            if name not in self.felt
            and (name != "gripper_widths" or "gripper" in self.action_names)
        ]
        if self.wrist_wanted and 0 < self._without_wrist < len(self._episodes):
            felt.append(
                f"without images of the wrist: {self._without_wrist} of the episodes have none"
            )

        return felt

    def provenance(self) -> dict[str, Any]:
        """Describe the export, for the formats' own metadata."""
        runs = [str(run) for run in self.dataset.runs]
        note = self.rewards_in_words

        return {
            "recorded_by": "wayfarer",
            "runs": runs,
            "rewards": note,
            "left_out": self.left_out(),
        }

    @property
    def rewards_in_words(self) -> str:
        """What the rewards are for."""
        if self.task:
            return f"rewards of task {self.task}"
        if self.rewards.any():
            return "without a task: 1 where an episode ended in success, else 0"
        return "without a task: all rewards are 0"


def success_rewards(dataset: Dataset) -> NDArray[np.float32]:
    """Return 1 for each state (R,) in which a person ended an episode as a success, and 0 for all
    others.
    """
    rewards = np.zeros(dataset.rows, np.float32)
    rewards[dataset.lasts[labels_of(dataset) == 1]] = 1.0
    return rewards


def labels_of(dataset: Dataset) -> NDArray[np.int64]:
    """Return for each episode (E,) 1 for success, 0 for failure, -1 if unlabelled.

    Labels of `wayfarer label` count first, then an end by success. DataError if the labels
    cannot be read.
    """
    said, labels = _said(dataset), np.where(dataset.index.terminal, 1, -1)
    for k, (run, number) in enumerate(
        zip(dataset.episode_runs.tolist(), dataset.index.numbers.tolist(), strict=True)
    ):
        label = said[run].get(number, Label())
        if label.success is not None:
            labels[k] = int(label.success)

    return labels


def _said(dataset: Dataset) -> list[dict[int, Label]]:
    return [read_labels(run) for run in dataset.runs]


def rate_of(dataset: Dataset, rows: NDArray[np.int64] | None = None) -> float:
    """Return the mean rate of steps [Hz], of all valid ones or of those at `rows`.

    DataError if the stamps do not tell.
    """
    gaps = _gaps(dataset, dataset.transitions if rows is None else rows)
    if not len(gaps) or (gaps <= 0).any():
        raise DataError(
            f"{', '.join(map(str, dataset.runs))}: the stamps of its steps do not tell their rate"
        )

    return float(1e9 / gaps.mean())


def even_rate(material: Material) -> Fraction:
    """Return the rate of the steps [Hz].

    A rate within a thousandth of a whole number is that number; other rates stay as measured.

    Raises DataError if one rate does not describe all steps: an episode has another rate, or a
    step's time is nearer to that of its neighbour.
    """
    period = 1e9 / material.rate
    for start, behind in zip(material.bounds[:-1], material.bounds[1:], strict=True):
        rows = material.rows[start:behind]
        gaps = _gaps(material.dataset, rows)
        off = abs(float(gaps.sum()) - len(gaps) * period)

        if (
            off > max(_DRIFT * len(gaps), 0.5) * period
            or np.abs(gaps - period).max() > 0.5 * period
        ):
            place = material.dataset.place(int(rows[np.abs(gaps - period).argmax()]))
            raise DataError(
                f"{material.dataset.runs[place.run]}: episode {place.episode} has steps of "
                f"{gaps.min() * 1e-9:.3g} to {gaps.max() * 1e-9:.3g} s, all together they come at "
                f"{material.rate:.3g} Hz: LeRobot has one rate for all; export what was recorded "
                "at another rate apart"
            )

    whole, measured = round(material.rate), Fraction(material.rate).limit_denominator(_FINEST)

    return Fraction(whole) if abs(material.rate - whole) < 1e-3 * material.rate else measured


def _gaps(dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the duration of each step [ns]."""
    stamps = dataset.column("stamps")
    return np.asarray(stamps[rows + 1] - stamps[rows], dtype=np.int64)
