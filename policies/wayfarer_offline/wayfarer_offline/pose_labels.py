"""The cube's pose in every image of a dataset, and its source.

Rewards and predictors take their labels from here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.episode import Episode
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.calibration import load_optional
from wayfarer_core.cube import TRACKER, TRUTH
from wayfarer_core.errors import DataError
from wayfarer_data.cache.dataset import Dataset
from wayfarer_data.cache.layout import channels_last
from wayfarer_vision.camera import observation_camera
from wayfarer_vision.cube_tracker import CubeTracker

from wayfarer_offline.tasks import Task


class Tracker(Protocol):
    """Finds the cube in the pictures of one episode, in their order."""

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Return its poses (T + 1, 7), base frame, of images (T + 1, H, W, 3).

        NaN where the cube is not found.
        """


TrackerOf = Callable[[Path], Tracker | None]


def calibrated_tracker(run: Path) -> Tracker | None:
    """Return the tracker for the camera of a run.

    None if run.yaml names no calibration.

    Raises ConfigError if that calibration is missing, or lacks the pose of the camera or the
    table.
    """
    if not (run / "run.yaml").is_file():  # a bag of another recorder
        return None
    camera = (RunDirectory(run).description().get("configuration") or {}).get("camera", {})
    calibration = load_optional(str(camera.get("calibration", "")))

    return None if calibration is None else CubeTracker(observation_camera(calibration, camera))


def tracked(episode: Episode, tracker: Tracker) -> NDArray[np.float64]:
    """Return the cube's poses (T + 1, 7) that a tracker finds in an episode's images.

    NaN where it finds none.
    """
    return np.where(episode.seen[:, None], tracker(episode.images), np.nan)


class TaskDataError(DataError):
    """The data never shows the task's reward: nothing can be learned from it."""


@dataclass(frozen=True)
class PoseLabels:
    """The cube's pose at each row of a dataset."""

    # (R, 7) position [m] and quaternion xyzw, base frame; NaN where unknown
    poses: NDArray[np.float64]
    sources: dict[str, str]  # run -> TRUTH or TRACKER

    @classmethod
    def of(cls, dataset: Dataset, tracker_of: TrackerOf = calibrated_tracker) -> Self:
        """Take each run's recorded truth, or without it the poses that its tracker finds, image by
        image.

        Raises DataError for a run with neither.
        """
        poses = np.array(dataset.column("object_poses"), dtype=np.float64)  # (R, 7)
        run_of = dataset.run_of(np.arange(dataset.rows))  # (R,)
        sources = {}

        for k, run in enumerate(dataset.runs):
            if np.isfinite(poses[run_of == k]).all(axis=1).any():
                sources[str(run)] = TRUTH
            elif (tracker := tracker_of(run)) is not None:
                sources[str(run)] = TRACKER
                _track(dataset, k, tracker, poses)
            else:
                raise DataError(
                    f"{run} does not tell where the cube was: record sim/object_pose with it, or "
                    "its camera's calibration (camera node, parameter calibration) so that the "
                    "cube tracker can say"
                )

        return cls(poses, sources)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Whether the pose is known (R,)."""
        return np.asarray(np.isfinite(self.poses).all(axis=1))

    def images(self, dataset: Dataset) -> NDArray[np.int64]:
        """Return the rows of images that were seen and have a label.

        DataError if there are fewer than 2.
        """
        rows = dataset.known[self.known[dataset.known]]
        if len(rows) < 2:
            raise DataError(
                f"{', '.join(self.sources)}: {len(rows)} images with a known cube pose, at least 2 "
                "are needed"
            )

        return rows

    def transitions(self, dataset: Dataset) -> NDArray[np.int64]:
        """Return the rows of trainable steps whose next state has a label.

        DataError if there are none.
        """
        rows = dataset.transitions[self.known[dataset.transitions + 1]]
        if not len(rows):
            raise DataError(
                f"{', '.join(self.sources)}: no step is complete and knows where the cube was "
                "after it"
            )

        return rows

    def rewards(self, dataset: Dataset, task: Task) -> NDArray[np.float32]:
        """Return the reward of each row's state (R,), NaN where unknown.

        TaskDataError if all steps have the same reward.
        """
        rewards = task.reward(self.poses)  # (R,)
        paid = rewards[self.transitions(dataset) + 1]
        if paid.max() - paid.min() < 1e-3:
            raise TaskDataError(
                f"task {task.name} pays {paid[0]:.3g} after every one of the {len(paid)} steps of "
                f"{', '.join(self.sources)}: nothing can be learned from them; collect more, or "
                "choose another task"
            )

        return rewards.astype(np.float32)


def _track(dataset: Dataset, run: int, tracker: Tracker, poses: NDArray[np.float64]) -> None:
    """Write a tracker's poses of one run's images into `poses`."""
    seen = np.zeros(dataset.rows, dtype=bool)
    seen[dataset.known] = True
    for place in np.flatnonzero(dataset.episode_runs == run):
        rows = np.arange(dataset.starts[place], dataset.lasts[place] + 1)
        found = tracker(channels_last(dataset.frames(rows).numpy()))  # (T + 1, 7)
        poses[rows] = np.where(seen[rows, None], found, np.nan)
