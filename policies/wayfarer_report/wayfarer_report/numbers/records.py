"""A run in memory, for a report: types without reading."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.episode import EpisodeInfo
from wayfarer_core.cube import TRACKER

MOVED = 1e-3  # [m] a step that shifts the cube by more counts as a move
# [m] the same for a tracker's poses, which err by some millimetres (docs/cameras.md)
MOVED_TRACKED = 1e-2


@dataclass(frozen=True)
class EpisodeRecord:
    """One episode without its images."""

    info: EpisodeInfo
    stamps: NDArray[np.int64]  # (T + 1,) [ns] on the robot's clock; 0 where not known
    requested: NDArray[np.float32]  # (T, 3), or with a gripper (T, 4)
    executed: NDArray[np.float32]  # the same
    reasons: NDArray[np.uint16]  # (T,)
    sources: NDArray[np.uint8]  # (T,) who chose the action: ActionSource
    valid: NDArray[np.bool_]  # (T,)
    ee_positions: NDArray[np.float64]  # (T + 1, 3) [m]
    object_poses: NDArray[np.float64]  # (T + 1, 7) of the cube; NaN where unknown
    # (A,) from recording an observation to recording its action [ms of wall clock]
    answer_ms: NDArray[np.float64]
    # between recording the first and the last observation or action [s of wall clock]
    wall_s: float

    @property
    def displacements(self) -> NDArray[np.float32]:
        """Executed actions of the arm alone (T, 3)."""
        return self.executed[:, :3]


@dataclass(frozen=True)
class Frame:
    """An observation and where it comes from."""

    episode: int
    step: int
    pixels: NDArray[np.uint8]  # (H, W, 3)


@dataclass(frozen=True)
class GoalPictures:
    """A goal's image, and the last image of the episode with that goal."""

    episode: int  # with that goal
    name: str  # "episode/step" of the goal
    novelty: float  # when it was chosen
    goal: NDArray[np.uint8]  # (H, W, 3)
    final: NDArray[np.uint8] | None  # None if the last observation is missing


@dataclass(frozen=True)
class RunRecord:
    """One run, ready for statistics and drawings."""

    path: Path
    description: dict[str, Any]  # run.yaml; empty for another recorder's bag
    episodes: list[EpisodeRecord]
    frames: list[Frame]  # evenly spread over the run, in the order of time
    goals: list[GoalPictures]  # evenly spread over the episodes with a goal
    size_bytes: int
    torn: list[tuple[str, int]]  # file and readable steps of episodes whose recorder was killed
    poses_from: str  # source of the cube's poses, if known: TRUTH or TRACKER

    blind: str  # reason why there are neither recorded nor tracked poses

    @property
    def knows_cube(self) -> bool:
        """Whether any cube pose is known."""
        return any(np.isfinite(episode.object_poses).all(axis=1).any() for episode in self.episodes)

    @property
    def moved(self) -> float:
        """Distance [m] by which a step must shift the cube to count as a move."""
        return MOVED_TRACKED if self.poses_from == TRACKER else MOVED
