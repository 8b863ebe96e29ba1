"""The way from target to target: a critically damped approach, as the simulated arm makes it. Pure.

A target that jumps would make the torques jump, and a torque that may rise by 1 N m a millisecond only, as Franka's
may, then lags behind and swings. So the spring's end travels, and the hand follows it.
"""

from dataclasses import dataclass

import numpy as np

from wayfarer_franka_bridge.driver import Vector

_STEP = 0.0025  # s of the integration
_NEAR, _SLOW = 1e-4, 1e-3  # m and m/s, within which it has arrived


@dataclass(frozen=True)
class Approach:
    """Where the spring's end is and how fast it travels; advanced by making a new one."""

    position: Vector  # (3,) m
    velocity: Vector  # (3,) m/s

    def arrived(self, goal: Vector) -> bool:
        """Say whether it rests at the goal."""
        near = float(np.linalg.norm(goal - self.position)) < _NEAR
        return near and float(np.linalg.norm(self.velocity)) < _SLOW

    def advance(self, goal: Vector, seconds: float, quickness: float, top_speed: float) -> "Approach":
        """Return it some time later on its way to a goal.

        Args:
            goal: (3,) [m].
            seconds: how much later.
            quickness: natural frequency [rad/s]: after 4 of its inverses nine tenths of a short way are behind it.
            top_speed: [m/s], on a long way.

        """
        position, velocity = self.position, self.velocity
        pull = 2.0 * top_speed / quickness  # m; a pull of this length balances the damping at top speed
        steps = max(1, round(seconds / _STEP))
        dt = seconds / steps
        for _ in range(steps):
            way = goal - position
            length = float(np.linalg.norm(way))
            if length > pull:
                way = way * (pull / length)
            velocity = velocity + dt * (quickness * quickness * way - 2.0 * quickness * velocity)
            position = position + dt * velocity
        return Approach(position, velocity)
