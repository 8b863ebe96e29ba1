"""Types of a recorded episode, without reading or writing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from wayfarer_core.fault import FaultKind


class End(IntEnum):
    """How an episode ended; the constants of wayfarer_msgs/Episode."""

    UNFINISHED = 0
    TERMINATED = 1
    TRUNCATED = 2
    ABORTED = 3


class ActionSource(IntEnum):
    """Who chose an action; the constants of wayfarer_msgs/Action."""

    POLICY = 0
    HUMAN = 1


@dataclass(frozen=True)
class EpisodeInfo:
    """The begin and end records of one episode, merged."""

    number: int
    method: str
    seed: int
    max_steps: int
    goal: str  # "" or "episode/step" of the stored image that is the goal
    goal_novelty: float  # NaN without a goal
    end: End
    reason: str
    steps: int
    lost_steps: int = 0  # as the recorder counted them
    fault: FaultKind = FaultKind.NONE  # the fault that aborted it


@dataclass(frozen=True)
class Episode:
    """T steps and their T + 1 observations, put together by stamps.

    A step is not valid if its executed record is missing, or, before or after it, the image, the
    end effector's pose or, with such a camera, the wrist's image. Its gaps hold zeros (images) or
    NaN (numbers); never train on them. Positions are in the robot's base frame, in metres.
    """

    info: EpisodeInfo
    stamps: NDArray[np.int64]  # (T + 1,) nanoseconds; 0 where the observation is not known
    images: NDArray[np.uint8]  # (T + 1, H, W, 3) RGB, upright
    # (T, A) actions as the policy sent them; A is 3, or 4 where the gripper is part of them
    requested: NDArray[np.float32]
    actions: NDArray[np.float32]  # (T, A) actions as executed, normalised to [-1, 1]
    reasons: NDArray[np.uint16]  # (T,) bits of wayfarer_msgs/ExecutedAction
    # (T,) who chose the action: ActionSource; the policy, if the bag does not say
    sources: NDArray[np.uint8]
    seen: NDArray[np.bool_]  # (T + 1,) observations whose image was recorded
    valid: NDArray[np.bool_]  # (T,)
    ee_positions: NDArray[np.float64]  # (T + 1, 3)
    # (T + 1, 7) position and quaternion xyzw; None without a truth topic
    object_poses: NDArray[np.float64] | None
    # (T + 1,) [ns] when an image was recorded, on the wall clock; 0: not recorded
    observed_at: NDArray[np.int64]
    answered_at: NDArray[np.int64]  # (T,) [ns] when an action was recorded; the same clock
    # description of a loss -> observations or steps that have it
    oddities: Mapping[str, Sequence[int]] = field(default_factory=dict)
    # Proprioception; a step is valid without it. NaN where unknown, None if not read.
    ee_orientations: NDArray[np.float64] | None = None  # (T + 1, 4) quaternion xyzw, base frame
    joint_positions: NDArray[np.float64] | None = None  # (T + 1, 7) [rad]
    joint_velocities: NDArray[np.float64] | None = None  # (T + 1, 7) [rad/s]
    # of the camera in the hand, the newest at each observation; None without such a camera
    wrist_images: NDArray[np.uint8] | None = None  # (T + 1, H, W, 3) RGB, upright
    wrist_seen: NDArray[np.bool_] | None = None  # (T + 1,) observations with such an image
    gripper_widths: NDArray[np.float64] | None = None  # (T + 1, 1) [m] between the fingers

    @property
    def steps(self) -> int:
        """Number of actions taken, T."""
        return len(self.actions)

    @property
    def lost_steps(self) -> int:
        """Number of steps that are not valid."""
        return int((~self.valid).sum())


def place_of(goal: str) -> tuple[int, int] | None:
    """Parse a goal's "episode/step"; None for anything else."""
    episode, _, step = goal.partition("/")
    return (int(episode), int(step)) if episode.isdecimal() and step.isdecimal() else None
