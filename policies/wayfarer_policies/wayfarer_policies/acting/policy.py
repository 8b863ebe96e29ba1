"""The protocol of a policy, and its inputs.

The actor node runs any policy without knowing which.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.joints import ARM_JOINTS

Image = NDArray[np.uint8]  # (84, 84, 3) RGB
Action = NDArray[np.float32]  # (3,) or with a gripper (4,), in [-1, 1]


@dataclass(frozen=True)
class RobotState:
    """Proprioception at an observation; NaN where unknown."""

    ee_position: NDArray[np.float64]  # (3,) [m], base frame
    # (4,) quaternion xyzw, base frame
    ee_orientation: NDArray[np.float64] = field(default_factory=lambda: np.full(4, np.nan))
    # (7,) [rad]
    joint_positions: NDArray[np.float64] = field(
        default_factory=lambda: np.full(ARM_JOINTS, np.nan)
    )
    # (7,) [rad/s]
    joint_velocities: NDArray[np.float64] = field(
        default_factory=lambda: np.full(ARM_JOINTS, np.nan)
    )
    # (1,) [m] between the gripper's fingers
    gripper_width: NDArray[np.float64] = field(default_factory=lambda: np.full(1, np.nan))


@dataclass(frozen=True)
class PolicyGoal:
    """The goal of a policy."""

    image: Image
    # (3,) [m], base frame: the end effector's position in the goal image; NaN if unknown
    ee_position: NDArray[np.float64]


@dataclass(frozen=True)
class Start:
    """What a policy gets when an episode begins."""

    rng: np.random.Generator  # source of all randomness of the episode
    goal: PolicyGoal | None = None
    explore: bool = True  # true: act to gather data; false: act as well as it can
    # number of steps collected before; the exploration noise depends on it
    first_step: int = 0
    steps: int = 200  # length of the episode


class Policy(Protocol):
    """One instance serves many episodes."""

    @property
    def version(self) -> int:
        """Version of the weights; 0 without weights."""

    @property
    def needs_pose(self) -> bool:
        """Whether it needs the end effector's position at the image's time, not a moment
        before.
        """

    @property
    def needs_joints(self) -> bool:
        """Whether it needs the joints at the image's time, too, if the robot reports them."""

    def begin_episode(self, start: Start) -> None:
        """Start a new episode; forget the last one."""

    def act(self, image: Image, robot: RobotState) -> Action:
        """Return the action for one observation."""
