"""What acts: answers observations with actions.

The actor node runs any of these without knowing which.
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
    """What the arm feels at an observation; NaN where nobody knows."""

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
    """What a policy is sent to."""

    image: Image
    # (3,) [m], base frame: where the end effector was; NaN where nobody knows
    ee_position: NDArray[np.float64]


@dataclass(frozen=True)
class Start:
    """What a policy is told when an episode begins."""

    rng: np.random.Generator  # all randomness of the episode comes from here
    goal: PolicyGoal | None = None
    explore: bool = True  # whether it acts to gather data, or as well as it can
    # number of steps collected before: it tells where the exploration noise stands
    first_step: int = 0
    steps: int = 200  # of the episode


class Policy(Protocol):
    """One instance lives through many episodes."""

    @property
    def version(self) -> int:
        """Version of the weights that act; 0 where there are none."""

    @property
    def needs_pose(self) -> bool:
        """Whether the end effector's position must be that of the image, and not one of a moment
        before.
        """

    @property
    def needs_joints(self) -> bool:
        """Whether the joints must be those of the image, too, where the robot tells of them."""

    def begin_episode(self, start: Start) -> None:
        """Forget the last episode."""

    def act(self, image: Image, robot: RobotState) -> Action:
        """Return the action for one observation."""
