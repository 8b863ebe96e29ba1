"""What a report holds of a run once it has been read: types without any reading."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wayfarer_policies.replay.episode import EpisodeInfo


@dataclass(frozen=True)
class EpisodeRecord:
    """One episode without its images."""

    info: EpisodeInfo
    stamps: NDArray[np.int64]  # (T + 1,) [ns] on the robot's clock; 0 where not known
    requested: NDArray[np.float32]  # (T, 3)
    executed: NDArray[np.float32]  # (T, 3)
    reasons: NDArray[np.uint16]  # (T,)
    valid: NDArray[np.bool_]  # (T,)
    ee_positions: NDArray[np.float64]  # (T + 1, 3) [m]
    object_poses: NDArray[np.float64]  # (N, 7) those that are known; none without a truth topic
    answer_ms: NDArray[np.float64]  # (A,) from recording an observation to recording its action [ms of wall clock]
    wall_s: float  # between the first and the last message [s of wall clock]


@dataclass(frozen=True)
class Frame:
    """An observation and where it comes from."""

    episode: int
    step: int
    pixels: NDArray[np.uint8]  # (H, W, 3)


@dataclass(frozen=True)
class GoalPictures:
    """A goal, as it was stored, and what the camera saw when the episode that set out for it ended."""

    episode: int  # that set out
    name: str  # "episode/step" of the goal
    novelty: float  # when it was chosen
    goal: NDArray[np.uint8]  # (H, W, 3)
    final: NDArray[np.uint8] | None  # None where the last observation is missing


@dataclass(frozen=True)
class RunRecord:
    """One run, ready to be summed up and drawn."""

    path: Path
    description: dict[str, Any]  # run.yaml
    episodes: list[EpisodeRecord]
    frames: list[Frame]  # evenly spread over the run, in the order of time
    goals: list[GoalPictures]  # evenly spread over the episodes that had one
    size_bytes: int
    torn: list[tuple[str, int]]  # file and steps readable of episodes whose recorder was killed

    @property
    def has_truth(self) -> bool:
        """Whether any cube pose is known."""
        return any(len(episode.object_poses) for episode in self.episodes)
