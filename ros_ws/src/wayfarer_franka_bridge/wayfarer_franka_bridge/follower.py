"""Moves the set point from target to target: the tool point, and the hand's rotation. Pure."""

from dataclasses import dataclass

import numpy as np
from wayfarer_core.errors import ConfigError
from wayfarer_core.reason import Reason
from wayfarer_core.rotation import angle_between, turned
from wayfarer_core.targets import TAKEN, Refusal

from wayfarer_franka_bridge.approach import LONGEST, Approach, Manner, Traveller
from wayfarer_franka_bridge.drivers.driver import Vector
from wayfarer_franka_bridge.geometry import from_tool, quaternion, to_tool

STEP = 0.01  # s between two commands on the way to a target
_HERE = 0.1  # m; the arm may have moved this far since the pose at which it is asked to hold
_TURNED = 1e-4  # rad; a smaller error counts as turned


@dataclass(frozen=True)
class TargetPose:
    """Target of the tool point and the hand's orientation; base frame."""

    position: Vector  # (3,) m
    quaternion: Vector  # (4,) xyzw


@dataclass(frozen=True)
class Told:
    """A command for the next step: libfranka's O_T_EE, and its motion."""

    position: Vector  # (3,) m
    quaternion: Vector  # (4,) xyzw
    velocity: Vector  # (3,) m/s
    acceleration: Vector  # (3,) m/s^2


class Follower:
    """Moves smoothly when the target jumps.

    The tool point brakes in time, and the hand turns at a bounded rate.
    """

    def __init__(
        self, manner: Manner, top_turn: float, tool_offset: Vector, step: float = STEP
    ) -> None:
        """Turn at most at `top_turn` [rad/s]. `tool_offset` (3,) [m] is in the hand's frame.

        Raises ConfigError for an invalid rate.
        """
        if not np.isfinite(top_turn) or top_turn <= 0.0:
            raise ConfigError(f"top_turn = {top_turn} must be finite and positive")

        self._traveller, self._top_turn, self._step = Traveller(manner, step), top_turn, step
        self.tool_offset = tool_offset
        self._quaternion: Vector | None = None  # (4,) of the last command; None: start again
        self._waits = True  # at rest, until the next goal
        self._turned = 0.0  # s, time of the last turn

    def rest(self) -> None:
        """Start again, at rest and at the arm's pose, in the next call of `go`."""
        self._traveller.rest()
        self._quaternion = None

    def go(self, T_base_ee: Vector, goal: TargetPose, now: float) -> tuple[Told, bool]:
        """Return the command for now [s], and whether it is the last.

        It starts at the arm's pose (4, 4).
        """
        place, there = self._traveller.go(to_tool(T_base_ee, self.tool_offset), goal.position, now)
        if self._quaternion is None:
            self._quaternion, self._waits = quaternion(T_base_ee[:3, :3]), True

        if self._waits:
            self._turned, self._waits = now, False

        elapsed = min(now - self._turned, LONGEST * self._step)
        self._quaternion = q = turned(self._quaternion, goal.quaternion, self._top_turn * elapsed)
        self._turned = now
        self._waits = there and angle_between(q, goal.quaternion) < _TURNED

        return self._told(place, q), self._waits

    def brake(self, now: float) -> tuple[Told, bool] | None:
        """Return the next command of braking, without turning; None if it has not started."""
        braked = self._traveller.brake(now)
        if braked is None or self._quaternion is None:
            return None

        place, self._waits = braked
        self._turned = now

        return self._told(place, self._quaternion), self._waits

    def _told(self, place: Approach, q: Vector) -> Told:
        hand = from_tool(place.position, q, self.tool_offset)
        return Told(hand, q, place.velocity, place.acceleration)


class Course:
    """The arm's present target; after a stop it accepts only a target at the arm's position."""

    def __init__(self, follower: Follower) -> None:
        self._follower = follower
        self._target: TargetPose | None = None
        self._braking = False  # a stop came on the way
        self.held = ""  # reason why the arm must not move

    @property
    def leads(self) -> bool:
        """Whether there is a command for the arm."""
        return self._target is not None or self._braking

    @property
    def target(self) -> TargetPose | None:
        """The present target."""
        return self._target

    def take(self, target: TargetPose, T_base_ee: Vector) -> Refusal:
        """Accept a target, or say why not; the arm is at a pose (4, 4)."""
        here = to_tool(T_base_ee, self._follower.tool_offset)
        if self.held and float(np.linalg.norm(target.position - here)) > _HERE:
            return Refusal(self.held, Reason.REFUSED | Reason.STOPPED)
        self._target, self._braking = target, False

        return TAKEN

    def hold(self, why: str) -> None:
        """Drop the target, and accept none that moves the arm, until `why` is empty."""
        if why and not self.held and self._target is not None:
            self._target, self._braking = None, True
        self.held = why

    def drop(self) -> None:
        """Forget the target: something else moves or has stopped the arm."""
        self._target, self._braking = None, False
        self._follower.rest()

    def step(self, T_base_ee: Vector, now: float) -> Told | None:
        """Return the command for now [s]; None if the arm rests at its last target."""
        if self._target is not None:
            told, ended = self._follower.go(T_base_ee, self._target, now)
            self._target = None if ended else self._target
            return told

        if self._braking and (braked := self._follower.brake(now)) is not None:
            told, ended = braked
            self._braking = not ended
            return told

        self._braking = False

        return None
