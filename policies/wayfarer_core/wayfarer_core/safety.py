"""The safety gate: every command to the arm, simulated or real, passes through `decide`.

Pure, no ROS.

An action asks for a displacement of the end effector from its measured position. The gate turns it
into a target inside the limits, a hold, or no command, and says why. It returns nothing outside the
returns is outside the limits. A gripper opens or closes only together with a target that answers an
action; with all else it stops where it is, and what it has gripped stays gripped.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wayfarer_core.errors import ConfigError
from wayfarer_core.reason import Reason
from wayfarer_core.rotation import is_rotation, turned
from wayfarer_core.targets import CLOSED, WIDEST, Grip, action_size, grip_of, sized

Vector = NDArray[np.float64]
_TRACKING_ERROR = 0.02  # m outside the box at which an arm may rest and still be told to hold
_ROUNDING = 1e-9  # m; slack for floating-point comparison of lengths


@dataclass(frozen=True, eq=False)
class Workspace:
    """What a viewer needs of the limits: the box, and the scale of an action."""

    low: Vector  # (3,) lowest corner [m], base frame
    high: Vector  # (3,) highest corner [m], base frame
    action_scale: float  # displacement of one action unit along each axis [m]

    def displaced(self, start: Vector, action: NDArray[np.floating]) -> Vector:
        """Return where an action (A,) leads from a point (3,) [m], limits aside."""
        return np.asarray(start + self.action_scale * action[:3])


@dataclass(frozen=True)
class Limits:
    """Limits of every command. There is no None, and a limit of 0.0 is a limit."""

    action_scale: float  # m per action unit along each axis
    max_step: float  # m, Euclidean length of one displacement
    max_speed: float  # m/s, displacement divided by the time it has
    max_turn: float  # rad/s, rotation of the hand divided by the time it has
    workspace_min: tuple[float, float, float]  # m, base frame
    workspace_max: tuple[float, float, float]  # m, base frame
    orientation: tuple[float, float, float, float]  # of the hand, unit quaternion xyzw, base frame
    control_period: float  # s between two commands
    max_age: float  # s, greatest age of observation and pose for a command
    silence: float  # s without an action until the arm holds
    gripper_width: float = CLOSED  # m that the gripper opens to; 0: it is no part of an action

    @property
    def action_size(self) -> int:
        """How many numbers an action has: 3, or 4 with a gripper."""
        return action_size(self.gripper_width)

    def __post_init__(self) -> None:
        """Raise ConfigError for a limit that is no number, no box or no orientation."""
        box = np.array([self.workspace_min, self.workspace_max], dtype=float)
        scalars = (
            "action_scale",
            "max_step",
            "max_speed",
            "max_turn",
            "max_age",
            "silence",
            "control_period",
        )
        for name in scalars:
            value = getattr(self, name)
            if not np.isfinite(value) or value < 0.0:
                raise ConfigError(f"safety limit {name} = {value} must be finite and not negative")

        if not CLOSED <= self.gripper_width <= WIDEST:
            raise ConfigError(
                f"gripper_width = {self.gripper_width} must be from {CLOSED:g} to {WIDEST:g} m"
            )
        if self.control_period == 0.0:
            raise ConfigError("control_period = 0.0 must be positive")
        if box.shape != (2, 3) or not np.isfinite(box).all() or (box[0] >= box[1]).any():
            raise ConfigError(
                f"workspace from {self.workspace_min} to {self.workspace_max} is not a box: "
                "each of its 3 lowest coordinates must be below the highest"
            )
        if len(self.orientation) != 4 or not is_rotation(np.array(self.orientation, dtype=float)):
            raise ConfigError(
                f"orientation {self.orientation} is no rotation: a quaternion xyzw has the length 1"
            )


@dataclass(frozen=True)
class Pose:
    """A measured pose of the end effector, base frame."""

    position: Vector  # (3,) m
    quaternion: Vector  # (4,) xyzw, of length 1


@dataclass(frozen=True)
class Situation:
    """What the gate knows when an action arrives. Times in seconds on one clock."""

    now: float
    pose: Pose | None  # measured at or after the observation; None: unknown, or too old
    robot_error: bool
    stopped: bool  # an operator's stop is in force
    last_stamp: float  # stamp of the last action that led to a command; -inf before the first


@dataclass(frozen=True)
class Decision:
    """A command, or none, and the same in action units."""

    target: Pose | None  # None: send nothing
    # (3,) normalised displacement, and (4,) with what the gripper was asked for; zeros for a hold,
    # NaN where nothing is sent
    executed: Vector
    reasons: Reason
    grip: Grip = Grip.STOP  # where the gripper is part of an action


def decide(limits: Limits, action: Vector, stamp: float, situation: Situation) -> Decision:
    """Turn the action (3,), or with a gripper (4,), that answers the observation of time `stamp`
    into a command within the limits.
    """
    if situation.robot_error:
        return nothing(limits, Reason.ROBOT_ERROR)
    if situation.stopped:
        return hold(limits, situation.pose, Reason.STOPPED)
    if action.shape != (limits.action_size,):
        return hold(limits, situation.pose, Reason.ACTION_SIZE)
    if not np.isfinite(stamp) or not np.isfinite(situation.now) or not np.isfinite(action).all():
        return hold(limits, situation.pose, Reason.NOT_FINITE)
    if not stamp > situation.last_stamp:  # true for NaN, too
        return nothing(limits, Reason.OUT_OF_ORDER)
    if abs(situation.now - stamp) > limits.max_age:
        return hold(limits, situation.pose, Reason.STALE)
    if situation.pose is None:
        return nothing(limits, Reason.NO_POSE)

    time_given = min(stamp - situation.last_stamp, limits.control_period)
    step = _step(limits, action[:3], situation.pose, time_given)

    return step if limits.gripper_width == CLOSED else _gripped(step, float(action[3]))


def hold(limits: Limits, pose: Pose | None, why: Reason, led: bool = False) -> Decision:
    """Hold the measured pose, or the nearest point of the box.

    Send nothing if that would move an arm at rest. An arm that is `led` to a target of ours is
    moving into the box already: the nearest point is the shortest way.
    """
    if pose is None:
        return nothing(limits, why | Reason.NO_POSE)

    held = _step(limits, np.zeros(3), pose, limits.control_period)
    if held.target is None:
        return nothing(limits, held.reasons | why)
    if not led and np.linalg.norm(held.target.position - pose.position) > _TRACKING_ERROR:
        return nothing(limits, held.reasons | why | Reason.OUTSIDE)

    as_it_is = Pose(held.target.position, pose.quaternion)

    return Decision(as_it_is, held.executed, (held.reasons & ~Reason.TURNED) | why)


def nothing(limits: Limits, why: Reason) -> Decision:
    """Send no command, for the given reason."""
    return Decision(None, np.full(limits.action_size, np.nan), why)


def _gripped(step: Decision, wanted: float) -> Decision:
    """Let a command of the arm say what the gripper does, too."""
    if step.target is None:
        return step

    clipped = min(max(wanted, -1.0), 1.0)
    out_of_range = Reason.ACTION_RANGE if clipped != wanted else Reason(0)
    executed = step.executed.copy()
    executed[3] = clipped

    return replace(
        step, executed=executed, reasons=step.reasons | out_of_range, grip=grip_of(clipped)
    )


def _step(limits: Limits, action: Vector, pose: Pose, time_given: float) -> Decision:
    position = pose.position
    if (
        position.shape != (3,)
        or not np.isfinite(position).all()
        or not is_rotation(pose.quaternion)
    ):
        return nothing(limits, Reason.NOT_FINITE)

    displacement, reasons = _displacement(limits, action, time_given)
    free = position + displacement
    target = np.clip(free, limits.workspace_min, limits.workspace_max)

    if (target != free).any():
        reasons |= Reason.WORKSPACE

    longest = min(limits.max_step, limits.max_speed * time_given)
    if (
        np.linalg.norm(target - position) > longest + _ROUNDING
    ):  # reached only if the arm is outside the box
        return nothing(limits, reasons | Reason.OUTSIDE)

    wanted = np.array(limits.orientation) / np.linalg.norm(limits.orientation)  # (4,)
    quaternion = turned(pose.quaternion, wanted, limits.max_turn * time_given)
    if quaternion is not wanted:
        reasons |= Reason.TURNED

    executed = (
        (target - position) / limits.action_scale if limits.action_scale > 0.0 else np.zeros(3)
    )

    executed = sized(np.clip(executed, -1.0, 1.0), limits.action_size)

    return Decision(Pose(target, quaternion), executed, reasons)


def _displacement(limits: Limits, action: Vector, time_given: float) -> tuple[Vector, Reason]:
    """Return the displacement (3,) [m] of an action (3,), shortened to the limits, and why."""
    reasons = Reason(0)
    clipped = np.clip(action, -1.0, 1.0)
    if (clipped != action).any():
        reasons |= Reason.ACTION_RANGE

    if limits.action_scale == 0.0 and clipped.any():
        reasons |= Reason.STEP_LENGTH  # the time given allows no displacement

    displacement = limits.action_scale * clipped  # (3,)
    for longest, reason in (
        (limits.max_step, Reason.STEP_LENGTH),
        (limits.max_speed * time_given, Reason.SPEED),
    ):
        length = float(np.linalg.norm(displacement))
        if length > longest:
            displacement = displacement * (longest / length)
            reasons |= reason

    return displacement, reasons


class RecoveryBudget:
    """Limits automatic recoveries in a time window. When they are used up, an operator must come.

    Times in seconds.
    """

    def __init__(self, attempts: int, window: float, pause: float) -> None:
        """Allow `attempts` within `window`, at least `pause` apart."""
        if attempts < 0 or not window > 0.0 or not pause >= 0.0:
            raise ConfigError(
                f"recovery: {attempts} attempts in {window} s, {pause} s apart: "
                "the time must be positive, and nothing may be negative"
            )

        self._attempts, self._window, self._pause = attempts, window, pause
        self.spent: list[float] = []  # times of recoveries within the window
        self.exhausted = False

    def try_now(self, now: float) -> bool:
        """Say whether a recovery may be tried now; it then counts as tried."""
        if self.exhausted or (self.spent and now - self.spent[-1] < self._pause):
            return False

        self.spent = [when for when in self.spent if now - when <= self._window]
        if len(self.spent) >= self._attempts:
            self.exhausted = True  # until an operator acknowledges
            return False

        self.spent.append(now)

        return True

    def acknowledge(self) -> None:
        """Take an operator's word that the robot may try again."""
        self.spent, self.exhausted = [], False


class Watchdog:
    """Detects that the policy has sent no action for too long.

    Times in seconds on the caller's clock.
    """

    def __init__(self, silence: float) -> None:
        self._silence = silence
        self._last_action: float | None = None

    def action_arrived(self, now: float) -> None:
        """Restart the wait for the next action."""
        self._last_action = now

    def disarm(self) -> None:
        """Stop waiting, because the arm holds already."""
        self._last_action = None

    def expired(self, now: float) -> bool:
        """Say whether an action came and then none for too long.

        A clock that went back counts as too long.
        """
        return self._last_action is not None and not 0.0 <= now - self._last_action <= self._silence
