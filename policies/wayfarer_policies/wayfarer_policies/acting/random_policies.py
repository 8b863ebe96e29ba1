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

    def begin_episode(self, start: Start) -> None:
        """Take the episode's random generator; this policy ignores goals."""
        self._rng = start.rng

    def act(self, image: Image, robot: RobotState) -> Action:
        """Return three independent uniform numbers."""
        del image, robot
        return self._rng.uniform(-1.0, 1.0, 3).astype(np.float32)


class CorrelatedPolicy:
    """A first-order autoregressive walk.

    Each action keeps a share of the last one, so that the arm travels further.
    """

    version = 0
    needs_pose = False
    needs_joints = False
    _KEPT = 0.8  # correlation of successive actions; half-life of about three steps
    _SPREAD = 0.7  # stationary standard deviation, in action units

    def begin_episode(self, start: Start) -> None:
        """Take the random generator and draw the start from the walk's stationary distribution."""
        self._rng = start.rng
        self._walk = self._SPREAD * start.rng.standard_normal(3)  # (3,)

    def act(self, image: Image, robot: RobotState) -> Action:
        """Return the next point of the walk, clipped to the action space."""
        del image, robot
        fresh = self._SPREAD * np.sqrt(1.0 - self._KEPT**2) * self._rng.standard_normal(3)
        self._walk = self._KEPT * self._walk + fresh
        return np.clip(self._walk, -1.0, 1.0).astype(np.float32)


class StillPolicy:
    """Asks for no motion: a baseline."""

    version = 0
    needs_pose = False
    needs_joints = False

    def begin_episode(self, start: Start) -> None:
        """Do nothing."""
        del start

    def act(self, image: Image, robot: RobotState) -> Action:
        """Return zeros."""
        del image, robot
        return np.zeros(3, dtype=np.float32)
