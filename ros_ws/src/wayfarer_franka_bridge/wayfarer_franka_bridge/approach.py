"""The path from target to target: a critically damped approach, like the simulated arm's. Pure.

A target that jumps would make the torques jump. Franka's torques may rise by only 1 N m per
millisecond, so the hand would lag and then swing. Instead the set point (the end of the impedance
controller's spring) moves, and the hand follows it. The controller also gets the set point's
velocity and acceleration, so the hand does not lag by its own inertia.

It brakes in time. Along each axis its speed is at most sqrt(2 a d), where d is the distance to
the bounds and a is the acceleration that each axis always has. So it can stop
inside the bounds, whatever goals come next: such states are the viability kernel of a double
integrator (J.-P. Aubin, "Viability Theory", 1991).
"""

from dataclasses import dataclass, field, replace

import numpy as np
from wayfarer_core.errors import ConfigError

from wayfarer_franka_bridge.drivers.driver import Vector

_STEP = 0.0025  # s, integration step
LONGEST = 5  # steps that one call may advance, if calls come late
_NEAR, _SLOW = 1e-4, 1e-3  # m and m/s, within which it counts as arrived


@dataclass(frozen=True)
class Manner:
    """How to move."""

    # rad/s, natural frequency: after a time of 4 / quickness nine tenths of a short way are done
    quickness: float
    top_speed: float  # m/s, on a long way
    top_acceleration: float  # m/s^2; an FR3 takes 9, a Panda 13 (libfranka, rate_limiting.h)

    def __post_init__(self) -> None:
        """Raise ConfigError for invalid values."""
        for name, value in vars(self).items():
            if not np.isfinite(value) or value <= 0.0:
                raise ConfigError(f"{name} = {value} must be finite and positive")

    @property
    def braking(self) -> float:
        """The share of the acceleration [m/s^2] that each axis always has."""
        return float(self.top_acceleration / np.sqrt(3.0))


@dataclass(frozen=True)
class Bounds:
    """A box with sides along the axes."""

    low: Vector  # (3,) m
    high: Vector  # (3,) m

    def around(self, point: Vector) -> "Bounds":
        """Return the smallest box that holds this one and a point (3,) [m]."""
        return Bounds(np.minimum(self.low, point), np.maximum(self.high, point))

    def inside(self, point: Vector) -> Vector:
        """Return the point (3,) [m] of the box that is nearest to `point`."""
        return np.minimum(np.maximum(point, self.low), self.high)


@dataclass(frozen=True)
class Approach:
    """Position and motion of the set point; `advance` returns a new one."""

    position: Vector  # (3,) m
    velocity: Vector  # (3,) m/s
    acceleration: Vector = field(default_factory=lambda: np.zeros(3))  # (3,) m/s^2

    def arrived(self, goal: Vector) -> bool:
        """Say whether it rests at the goal."""
        near = float(np.linalg.norm(goal - self.position)) < _NEAR
        return near and float(np.linalg.norm(self.velocity)) < _SLOW

    def advance(
        self, goal: Vector | None, seconds: float, manner: Manner, bounds: Bounds
    ) -> "Approach":
        """Return the set point some time later, on its way to a goal (3,) [m]; without one it
        brakes.

        It never leaves the bounds; they contain the set point and the goal.
        """
        position, velocity, acceleration = self.position, self.velocity, self.acceleration
        steps = max(1, round(seconds / _STEP))
        dt = seconds / steps

        for _ in range(steps if dt > 0.0 else 0):
            if goal is None:
                wanted = _no_longer(-velocity / dt, manner.top_acceleration)
            else:
                wanted = _drawn(goal - position, velocity, manner)

            acceleration = _braking_in_time(wanted, position, velocity, bounds, manner, dt)
            after = _no_longer(velocity + dt * acceleration, manner.top_speed)
            acceleration, velocity = (after - velocity) / dt, after
            position = position + dt * velocity

        return Approach(position, velocity, acceleration)

    def coast(self, seconds: float) -> "Approach":
        """Return it a very short time later, with constant acceleration."""
        velocity = self.velocity + seconds * self.acceleration
        return Approach(self.position + seconds * self.velocity, velocity, self.acceleration)


class Traveller:
    """Moves the set point step by step; each command is its state in the middle of its time.

    It stays inside the smallest box around its start and all goals since, so it never leaves a box
    that contains these. At a goal it waits for the next one: the hand may be pushed away,
    and the set point must not jump.
    """

    def __init__(self, manner: Manner, step: float) -> None:
        """Expect a time of `step` [s] between two calls of `go`."""
        self._manner, self._step = manner, step
        self._approach: Approach | None = None
        self._bounds = Bounds(np.zeros(3), np.zeros(3))
        self._waits = True  # at rest, until the next goal
        self._advanced = 0.0  # s, time of the last step

    def rest(self) -> None:
        """Start again, at rest and at the arm's position, in the next call of `go`."""
        self._approach = None

    def go(self, here: Vector, goal: Vector, now: float) -> tuple[Approach, bool]:
        """Return the command for now [s], and whether it is the last.

        It starts at `here` (3,), the arm's position.
        """
        if self._approach is None:
            self._approach, self._bounds = Approach(here, np.zeros(3)), Bounds(here, here)
            self._waits = True

        if self._waits:
            self._advanced, self._waits = now, False

        self._bounds = self._bounds.around(goal)
        moved = self._advance(self._approach, goal, now)
        if moved.arrived(goal):
            self._approach, self._waits = Approach(goal, np.zeros(3)), True
            return self._approach, True

        return self._led(moved), False

    def brake(self, now: float) -> tuple[Approach, bool] | None:
        """Return the next command of braking; None if it has not started."""
        if self._approach is None:
            return None
        if not self._waits:
            self._waits = not self._advance(self._approach, None, now).velocity.any()
        return self._led(self._approach), self._waits

    def _advance(self, approach: Approach, goal: Vector | None, now: float) -> Approach:
        elapsed = min(now - self._advanced, LONGEST * self._step)
        moved = approach.advance(goal, elapsed, self._manner, self._bounds)
        self._approach, self._advanced = moved, now
        return moved

    def _led(self, approach: Approach) -> Approach:
        """Return its state in the middle of the next step."""
        told = approach.coast(self._step / 2) if approach.velocity.any() else approach
        return replace(told, position=self._bounds.inside(told.position))


def _drawn(way: Vector, velocity: Vector, manner: Manner) -> Vector:
    """Return the acceleration (3,) of a critically damped spring that can still stop at the goal.

    A pull of length p balances the damping at a speed of p w / 2. The pull is limited so that
    neither the top speed is exceeded nor the speed from which it can still stop.
    """
    w = manner.quickness
    stoppable = float(np.sqrt(2.0 * manner.braking * np.sqrt(way @ way)))  # m/s
    pull = 2.0 * min(manner.top_speed, stoppable) / w
    return _no_longer(w * w * _no_longer(way, pull) - 2.0 * w * velocity, manner.top_acceleration)


def _braking_in_time(
    wanted: Vector, position: Vector, velocity: Vector, bounds: Bounds, manner: Manner, dt: float
) -> Vector:
    """Return an acceleration (3,), near the wanted one, with which it can stop inside the bounds.

    With a velocity v' after the step, v'^2 <= 2 a (room - v' dt) must hold along each axis.
    """
    slack = manner.braking * dt
    up, down = (
        np.sqrt(slack * slack + 2.0 * manner.braking * np.maximum(room, 0.0)) - slack
        for room in (bounds.high - position, position - bounds.low)
    )
    highest = np.maximum((up - velocity) / dt, -manner.braking)
    lowest = np.minimum((-down - velocity) / dt, manner.braking)
    acceleration = np.minimum(np.maximum(wanted, lowest), highest)
    if acceleration @ acceleration <= manner.top_acceleration**2:
        return acceleration

    least = np.minimum(
        np.maximum(0.0, lowest), highest
    )  # at most the top acceleration, in any case
    rest = acceleration - least
    a, b, c = rest @ rest, least @ rest, least @ least - manner.top_acceleration**2

    return np.asarray(least + rest * (np.sqrt(max(b * b - a * c, 0.0)) - b) / a)


def _no_longer(vector: Vector, length: float) -> Vector:
    """Return a vector in the same direction, at most of this length."""
    return vector * min(1.0, length / max(float(np.sqrt(vector @ vector)), 1e-12))
