"""The way from target to target: a critically damped approach, as the simulated arm makes it. Pure.

A target that jumps would make the torques jump, and a torque that may rise by 1 N m a millisecond only, as Franka's
may, then lags behind and swings. So the spring's end travels, and the hand follows it; told of its velocity and
acceleration, the hand does so without the lag of its own inertia.
"""

from dataclasses import dataclass, field

import numpy as np

from wayfarer_franka_bridge.driver import Vector

_STEP = 0.0025  # s of the integration
_LONGEST = 5  # steps that one may stand for, where calls come late
_NEAR, _SLOW = 1e-4, 1e-3  # m and m/s, within which it has arrived


@dataclass(frozen=True)
class Manner:
    """How to travel."""

    quickness: float  # rad/s, natural frequency: after 4 of its inverses nine tenths of a short way are behind it
    top_speed: float  # m/s, on a long way
    top_acceleration: float  # m/s^2; an FR3 takes 9, a Panda 13 (libfranka, rate_limiting.h)


@dataclass(frozen=True)
class Approach:
    """Where the spring's end is and how it travels; advanced by making a new one."""

    position: Vector  # (3,) m
    velocity: Vector  # (3,) m/s
    acceleration: Vector = field(default_factory=lambda: np.zeros(3))  # (3,) m/s^2

    def arrived(self, goal: Vector) -> bool:
        """Say whether it rests at the goal."""
        near = float(np.linalg.norm(goal - self.position)) < _NEAR
        return near and float(np.linalg.norm(self.velocity)) < _SLOW

    def advance(self, goal: Vector, seconds: float, manner: Manner) -> "Approach":
        """Return it some time later on its way to a goal (3,) [m]."""
        position, velocity, acceleration = self.position, self.velocity, self.acceleration
        w = manner.quickness
        pull = 2.0 * manner.top_speed / w  # m; a pull of this length balances the damping at top speed
        steps = max(1, round(seconds / _STEP))
        dt = seconds / steps
        for _ in range(steps):
            wanted = w * w * _no_longer(goal - position, pull) - 2.0 * w * velocity
            acceleration = _no_longer(wanted, manner.top_acceleration)
            velocity = velocity + dt * acceleration
            position = position + dt * velocity
        return Approach(position, velocity, acceleration)

    def coast(self, seconds: float) -> "Approach":
        """Return it a very short time later, if its acceleration stays."""
        velocity = self.velocity + seconds * self.acceleration
        return Approach(self.position + seconds * self.velocity, velocity, self.acceleration)


class Traveller:
    """Makes the way step by step, each told where it leads in the middle of the time it is for."""

    def __init__(self, manner: Manner, step: float) -> None:
        """Expect a step [s] between two calls of `go`."""
        self._manner, self._step = manner, step
        self._approach: Approach | None = None
        self._advanced = 0.0  # s, when

    def rest(self) -> None:
        """Begin anew, at rest, the next time."""
        self._approach = None

    def go(self, here: Vector, goal: Vector, now: float) -> tuple[Approach, bool]:
        """Return what to tell the arm now [s], and whether that is the end; it begins `here` (3,), where it rested."""
        if self._approach is None:
            self._approach, self._advanced = Approach(here, np.zeros(3)), now
        elapsed = min(now - self._advanced, _LONGEST * self._step)
        self._approach, self._advanced = self._approach.advance(goal, elapsed, self._manner), now
        if not self._approach.arrived(goal):
            return self._approach.coast(self._step / 2), False
        self._approach = None
        return Approach(goal, np.zeros(3)), True


def _no_longer(vector: Vector, length: float) -> Vector:
    """Return a vector in the same direction, of this length at most."""
    return vector * min(1.0, length / max(float(np.sqrt(vector @ vector)), 1e-12))
