"""What a report holds of a run once it has been read: types without any reading."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.episode import EpisodeInfo
from wayfarer_offline.pose_labels import TRACKER

MOVED = 1e-3  # [m] a step that shifts the cube by more has touched it
# [m] the same where a tracker looked, which errs by some millimetres (docs/cameras.md)
MOVED_TRACKED = 1e-2


@dataclass(frozen=True)
class EpisodeRecord:
    """One episode without its images."""

    info: EpisodeInfo
    stamps: NDArray[np.int64]  # (T + 1,) [ns] on the robot's clock; 0 where not known
    requested: NDArray[np.float32]  # (T, 3)
    executed: NDArray[np.float32]  # (T, 3)
    reasons: NDArray[np.uint16]  # (T,)
    sources: NDArray[np.uint8]  # (T,) who chose the action: ActionSource
    valid: NDArray[np.bool_]  # (T,)
    ee_positions: NDArray[np.float64]  # (T + 1, 3) [m]
    object_poses: NDArray[np.float64]  # (T + 1, 7) of the cube; NaN where nobody knows it
    # (A,) from recording an observation to recording its action [ms of wall clock]
    answer_ms: NDArray[np.float64]
    # between recording the first and the last observation or action [s of wall clock]
    wall_s: float


@dataclass(frozen=True)
class Frame:
    """An observation and where it comes from."""

    episode: int
    step: int
    pixels: NDArray[np.uint8]  # (H, W, 3)


@dataclass(frozen=True)
class GoalPictures:
    """A goal, as it was stored, and what the camera saw when the episode that set out for it
    ended.
    """

    episode: int  # that set out
    name: str  # "episode/step" of the goal
    novelty: float  # when it was chosen
    goal: NDArray[np.uint8]  # (H, W, 3)
    final: NDArray[np.uint8] | None  # None where the last observation is missing


@dataclass(frozen=True)
class RunRecord:
    """One run, ready to be summed up and drawn."""

    path: Path
    description: dict[str, Any]  # run.yaml; nothing for another recorder's bag
    episodes: list[EpisodeRecord]
    frames: list[Frame]  # evenly spread over the run, in the order of time
    goals: list[GoalPictures]  # evenly spread over the episodes that had one
    size_bytes: int
    torn: list[tuple[str, int]]  # file and steps readable of episodes whose recorder was killed
    poses_from: str  # who said where the cube was, where it is known: TRUTH or TRACKER

    blind: str  # why no tracker looked where nobody recorded the cube

    @property
    def knows_cube(self) -> bool:
        """Whether any cube pose is known."""
        return any(np.isfinite(episode.object_poses).all(axis=1).any() for episode in self.episodes)

    @property
    def moved(self) -> float:
        """How far [m] a step must shift the cube to count as one that moved it."""
        return MOVED_TRACKED if self.poses_from == TRACKER else MOVED
