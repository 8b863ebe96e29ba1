"""What the robot's own word of itself means: may it be commanded, may it recover by itself, must somebody come. Pure.

The names of the flags are those of franka_msgs/Errors, the modes those of franka_msgs/FrankaRobotState.
"""

from collections.abc import Sequence
from dataclasses import replace

from wayfarer_common.fault import Fault, FaultKind

OTHER, IDLE, MOVE, GUIDING, REFLEX, USER_STOPPED, RECOVERING = range(7)

_MODES = {
    GUIDING: "somebody guides the arm",
    REFLEX: "reflex",
    USER_STOPPED: "user stopped",
    RECOVERING: "recovering",
}
_PACKETS = "communication_constraints_violation"


def judge(mode: int, flags: Sequence[str]) -> Fault:
    """Return what a robot state with these error flags set means; no fault where it may be commanded."""
    words = " ".join(filter(None, [_MODES.get(mode, ""), ", ".join(flags)]))
    return Fault(_kind(mode, flags), f"robot: {words}") if words else Fault()


def _kind(mode: int, flags: Sequence[str]) -> FaultKind:
    if mode in (GUIDING, USER_STOPPED):
        return FaultKind.USER_STOP
    if _PACKETS in flags:  # in mode OTHER it is the bridge's word for a robot that does not answer at all
        return FaultKind.CONNECTION if mode == OTHER else FaultKind.COMMUNICATION
    if any(_of_a_joints_limit(flag) for flag in flags):
        return FaultKind.JOINT_LIMIT
    return FaultKind.OTHER if mode == RECOVERING and not flags else FaultKind.REFLEX


def _of_a_joints_limit(flag: str) -> bool:
    return "joint" in flag and ("limits_violation" in flag or flag == "joint_velocity_violation")


class RobotHealth:
    """Keeps the robot's latest word, how old it is, and whether a human hand was seen. Times in seconds, one clock."""

    def __init__(self, state_timeout: float) -> None:
        """A robot that was heard once and then not for `state_timeout` is lost."""
        self._timeout = state_timeout
        self._heard: float | None = None
        self._said, self._mode = Fault(), IDLE
        self._hand = ""  # a user stop or guiding that nobody has acknowledged

    def hear(self, mode: int, flags: Sequence[str], now: float) -> None:
        """Take a robot state."""
        self._heard, self._said, self._mode = now, judge(mode, flags), mode
        if self._said.kind is FaultKind.USER_STOP:
            self._hand = self._said.text

    def acknowledge(self) -> None:
        """Take an operator's word that the arm may move again."""
        self._hand = ""

    def fault(self, now: float) -> Fault:
        """Say what is wrong right now."""
        if self._heard is not None and now - self._heard > self._timeout:
            return Fault(FaultKind.CONNECTION, f"robot: no state for {self._timeout:g} s")
        if self._said:
            return replace(self._said, needs_operator=bool(self._hand) and self._said.kind is not FaultKind.USER_STOP)
        if self._hand:  # the arm must not start by itself when the hand lets go of the switch
            return Fault(FaultKind.USER_STOP, f"{self._hand} before, and nobody has acknowledged it", True)
        return Fault()

    @property
    def may_recover(self) -> bool:
        """Whether it reports a fault that it is not recovering from already and that is not a human hand's to end."""
        return bool(self._said) and not self._hand and self._mode != RECOVERING
