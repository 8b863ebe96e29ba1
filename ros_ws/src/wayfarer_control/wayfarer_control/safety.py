"""The safety gate: every command to the arm, simulated or real, passes through `decide`. Pure, no ROS.

An action asks for a displacement of the end effector from where it measurably is. The gate turns it into a target
inside the limits, into a hold, or into no command at all, and says why. Nothing it returns is outside the limits.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wayfarer_common.errors import ConfigError
from wayfarer_common.reason import Reason

Vector = NDArray[np.float64]
_TRACKING_ERROR = 0.02  # m; by this much an impedance-controlled arm may overshoot a target on the box's surface
_ROUNDING = 1e-9  # m; slack for floating-point comparison of lengths


@dataclass(frozen=True)
class Limits:
    """What no command may exceed. There is no None, and a limit of 0.0 is a limit."""

    action_scale: float  # m per action unit along each axis
    max_step: float  # m, Euclidean length of one displacement
    max_speed: float  # m/s, displacement over the time it is given
    workspace_min: tuple[float, float, float]  # m, base frame
    workspace_max: tuple[float, float, float]  # m, base frame
    control_period: float  # s between two commands
    max_age: float  # s, oldest observation that may still be acted on
    silence: float  # s without an action until the arm holds

    def __post_init__(self) -> None:
        """Raise ConfigError for limits that are not finite, negative, or an empty box."""
        box = np.array([self.workspace_min, self.workspace_max], dtype=float)
        scalars = {n: getattr(self, n) for n in ("action_scale", "max_step", "max_speed", "max_age", "silence")}
        for name, value in {**scalars, "control_period": self.control_period}.items():
            if not np.isfinite(value) or value < 0.0:
                raise ConfigError(f"safety limit {name} = {value} must be finite and not negative")
        if self.control_period == 0.0:
            raise ConfigError("control_period = 0.0 must be positive")
        if box.shape != (2, 3) or not np.isfinite(box).all() or (box[0] > box[1]).any():
            raise ConfigError(f"workspace from {self.workspace_min} to {self.workspace_max} is not a box of 3 axes")


@dataclass(frozen=True)
class Situation:
    """What the gate knows when an action arrives. Times in seconds on one clock; positions in the base frame."""

    now: float
    position: Vector  # (3,) measured, at or after the observation
    robot_error: bool
    stopped: bool  # an operator's stop is in force
    last_stamp: float  # stamp of the last action that led to a command; -inf before the first


@dataclass(frozen=True)
class Decision:
    """A command, or none, and what it is in the policy's units."""

    target: Vector | None  # (3,) base frame; None: send nothing
    executed: Vector  # (3,) normalised displacement really asked of the arm; zeros for a hold
    reasons: Reason


def decide(limits: Limits, action: Vector, stamp: float, situation: Situation) -> Decision:
    """Turn the action (3,) that answers the observation of time `stamp` into a command within the limits."""
    if situation.robot_error:
        return _nothing(Reason.ROBOT_ERROR)
    if situation.stopped:
        return hold(limits, situation.position, Reason.STOPPED)
    if not np.isfinite(stamp) or not np.isfinite(situation.now) or not np.isfinite(action).all():
        return hold(limits, situation.position, Reason.NOT_FINITE)
    if not stamp > situation.last_stamp:  # NaN, too, is no earlier time
        return _nothing(Reason.OUT_OF_ORDER)
    if abs(situation.now - stamp) > limits.max_age:
        return hold(limits, situation.position, Reason.STALE)
    time_given = min(stamp - situation.last_stamp, limits.control_period)
    return _step(limits, action, situation.position, time_given)


def hold(limits: Limits, position: Vector, why: Reason) -> Decision:
    """Ask the arm to stay where it is; send nothing where that is outside the box by more than a tracking error."""
    held = _step(limits, np.zeros(3), position, limits.control_period)
    if held.target is not None and np.linalg.norm(held.target - position) > _TRACKING_ERROR:
        return _nothing(held.reasons | why | Reason.OUTSIDE)
    return Decision(held.target, held.executed, held.reasons | why)


def _step(limits: Limits, action: Vector, position: Vector, time_given: float) -> Decision:
    if position.shape != (3,) or not np.isfinite(position).all():
        return _nothing(Reason.NOT_FINITE)
    reasons = Reason(0)
    clipped = np.clip(action, -1.0, 1.0)
    if (clipped != action).any():
        reasons |= Reason.ACTION_RANGE
    if limits.action_scale == 0.0 and clipped.any():
        reasons |= Reason.STEP_LENGTH  # no displacement at all is allowed
    displacement = limits.action_scale * clipped  # (3,)
    for longest, reason in ((limits.max_step, Reason.STEP_LENGTH), (limits.max_speed * time_given, Reason.SPEED)):
        length = float(np.linalg.norm(displacement))
        if length > longest:
            displacement = displacement * (longest / length)
            reasons |= reason
    free = position + displacement
    target = np.clip(free, limits.workspace_min, limits.workspace_max)
    if (target != free).any():
        reasons |= Reason.WORKSPACE
    longest = min(limits.max_step, limits.max_speed * time_given)
    if np.linalg.norm(target - position) > longest + _ROUNDING:  # only an arm outside the box gets here
        return _nothing(reasons | Reason.OUTSIDE)
    executed = (target - position) / limits.action_scale if limits.action_scale > 0.0 else np.zeros(3)
    return Decision(target, np.clip(executed, -1.0, 1.0), reasons)


def _nothing(why: Reason) -> Decision:
    return Decision(None, np.zeros(3), why)


class RecoveryBudget:
    """Allows a few automatic recoveries in a stretch of time; after that an operator must say so. Times in seconds."""

    def __init__(self, attempts: int, window: float, pause: float) -> None:
        """Allow `attempts` within `window`, at least `pause` apart."""
        if attempts < 0 or not window >= 0.0 or not pause >= 0.0:
            raise ConfigError(f"recovery: {attempts} attempts in {window} s, {pause} s apart: none may be negative")
        self._attempts, self._window, self._pause = attempts, window, pause
        self._spent: list[float] = []  # when
        self.exhausted = False

    def try_now(self, now: float) -> bool:
        """Say whether a recovery may be tried now; it then counts as tried."""
        if self.exhausted or (self._spent and now - self._spent[-1] < self._pause):
            return False
        self._spent = [when for when in self._spent if now - when <= self._window]
        if len(self._spent) >= self._attempts:
            self.exhausted = True  # and stays so until an operator's word
            return False
        self._spent.append(now)
        return True

    def acknowledge(self) -> None:
        """Take an operator's word that the robot may try again."""
        self._spent, self.exhausted = [], False


class Watchdog:
    """Knows when the policy has been silent for too long. Times in seconds on the caller's clock."""

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self._last_action: float | None = None

    def action_arrived(self, now: float) -> None:
        """Start, or start again, to wait for the next action."""
        self._last_action = now

    def disarm(self) -> None:
        """Stop waiting: the arm holds already."""
        self._last_action = None

    def barks(self, now: float) -> bool:
        """Say whether actions came once and then stopped coming; a clock that went back counts as silence."""
        return self._last_action is not None and not 0.0 <= now - self._last_action <= self._silence
