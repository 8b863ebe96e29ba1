"""What acts: answers observations with actions. The actor node runs any of these without knowing which."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]  # (84, 84, 3) RGB
Action = NDArray[np.float32]  # (3,) in [-1, 1]


@dataclass(frozen=True)
class PolicyGoal:
    """What a policy is sent to."""

    image: Image
    ee_position: NDArray[np.float64]  # (3,) [m], base frame: where the end effector was; NaN where nobody knows


@dataclass(frozen=True)
class Start:
    """What a policy is told when an episode begins."""

    rng: np.random.Generator  # all randomness of the episode comes from here
    goal: PolicyGoal | None = None
    explore: bool = True  # whether it acts to gather data, or as well as it can
    first_step: int = 0  # number of steps collected before: it tells where the exploration noise stands
    steps: int = 200  # of the episode


class Policy(Protocol):
    """One instance lives through many episodes."""

    @property
    def version(self) -> int:
        """Version of the weights that act; 0 where there are none."""

    @property
    def needs_pose(self) -> bool:
        """Whether the end effector's position must be that of the image, and not one of a moment before."""

    def begin_episode(self, start: Start) -> None:
        """Forget the last episode."""

    def act(self, image: Image, ee_position: NDArray[np.float64]) -> Action:
        """Return the action for one observation; the end effector's position is in metres, base frame (3,)."""
