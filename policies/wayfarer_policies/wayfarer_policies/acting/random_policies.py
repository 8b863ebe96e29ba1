"""Policies that do not learn.

The paper's baseline, a random policy with correlated actions, and one that stands still.
"""

import numpy as np

from wayfarer_policies.acting.policy import Action, Image, RobotState, Start


class UniformPolicy:
    """Uniform over the action space: the paper's `random`."""

    version = 0
    needs_pose = False
    needs_joints = False

    def __init__(self, size: int = 3) -> None:
        """`size` is how many numbers an action has, as below."""
        self._size = size

    def begin_episode(self, start: Start) -> None:
        """Take the episode's random generator; this policy ignores goals."""
        self._rng = start.rng

    def act(self, image: Image, robot: RobotState) -> Action:
        """Return independent uniform numbers."""
        del image, robot
        return self._rng.uniform(-1.0, 1.0, self._size).astype(np.float32)


class CorrelatedPolicy:
    """A first-order autoregressive walk.

    Each action keeps a share of the last one, so that the arm travels further.
    """

    version = 0
    needs_pose = False
    needs_joints = False
    _KEPT = 0.8  # correlation of successive actions; half-life of about three steps
    _SPREAD = 0.7  # stationary standard deviation, in action units

    def __init__(self, size: int = 3) -> None:
        self._size = size

    def begin_episode(self, start: Start) -> None:
        """Take the random generator and draw the start from the walk's stationary distribution."""
        self._rng = start.rng
        self._walk = self._SPREAD * start.rng.standard_normal(self._size)  # (A,)

    def act(self, image: Image, robot: RobotState) -> Action:
        """Return the next point of the walk, clipped to the action space."""
        del image, robot
        spread = self._SPREAD * np.sqrt(1.0 - self._KEPT**2)
        fresh = spread * self._rng.standard_normal(self._size)
        self._walk = self._KEPT * self._walk + fresh
        return np.clip(self._walk, -1.0, 1.0).astype(np.float32)


class StillPolicy:
    """Asks for no motion: a baseline."""

    version = 0
    needs_pose = False
    needs_joints = False

    def __init__(self, size: int = 3) -> None:
        self._size = size

    def begin_episode(self, start: Start) -> None:
        """Do nothing."""
        del start

    def act(self, image: Image, robot: RobotState) -> Action:
        """Return zeros."""
        del image, robot
        return np.zeros(self._size, dtype=np.float32)
