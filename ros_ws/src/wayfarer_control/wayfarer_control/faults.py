"""Judges the robot's state.

May it be commanded, may it recover by itself, must an operator come. Pure.

The names of the flags are those of franka_msgs/Errors, the modes those of
franka_msgs/FrankaRobotState.
"""

from collections.abc import Sequence
from dataclasses import replace

from wayfarer_core.fault import Fault, FaultKind

OTHER, IDLE, MOVE, GUIDING, REFLEX, USER_STOPPED, RECOVERING = range(7)

_MODES = {  # all modes except IDLE and MOVE: the robot takes commands only in these two
    OTHER: "mode OTHER, in which it takes no commands",
    GUIDING: "somebody guides the arm",
    REFLEX: "reflex",
    USER_STOPPED: "user stopped",
    RECOVERING: "recovering",
}
_PACKETS = "communication_constraints_violation"


def judge(mode: int, flags: Sequence[str]) -> Fault:
    """Return the fault of a robot state with these error flags set.

    No fault if it may be commanded.
    """
    about = "" if mode in (IDLE, MOVE) else _MODES.get(mode, f"mode {mode}, which is not known")
    words = ", ".join(filter(None, [about, *flags]))
    return Fault(_kind(mode, flags), f"robot: {words}") if words else Fault()


def _kind(mode: int, flags: Sequence[str]) -> FaultKind:
    if mode in (GUIDING, USER_STOPPED):
        return FaultKind.USER_STOP

        # the bridge reports mode OTHER for a robot that does not answer
    if _PACKETS in flags:
        return FaultKind.CONNECTION if mode == OTHER else FaultKind.COMMUNICATION
    if any(_of_a_joints_limit(flag) for flag in flags):
        return FaultKind.JOINT_LIMIT

    return FaultKind.REFLEX if flags or mode == REFLEX else FaultKind.OTHER


def _of_a_joints_limit(flag: str) -> bool:
    return "joint" in flag and ("limits_violation" in flag or flag == "joint_velocity_violation")


class RobotHealth:
    """Keeps the robot's latest state, its age, and whether a person has moved or stopped the arm.

    Times in seconds, one clock.
    """

    def __init__(self, state_timeout: float) -> None:
        """Without a state for `state_timeout` the robot is lost; before the first state it is not
        there yet.
        """
        self._timeout = state_timeout
        self._heard: float | None = None
        self._said, self._mode, self._flags = Fault(), OTHER, False
        self.hand = ""  # a user stop or guiding that no operator has acknowledged

    def hear(self, mode: int, flags: Sequence[str], now: float) -> None:
        """Take a robot state."""
        self._heard, self._said, self._mode, self._flags = (
            now,
            judge(mode, flags),
            mode,
            bool(flags),
        )
        if self._said.kind is FaultKind.USER_STOP:
            self.hand = self._said.text

    def acknowledge(self) -> None:
        """An operator says that the arm may move again."""
        self.hand = ""

    def fault(self, now: float) -> Fault:
        """Return the present fault."""
        if self._heard is None:
            return Fault(FaultKind.CONNECTION, "robot: no state yet")
        if now - self._heard > self._timeout:
            return Fault(FaultKind.CONNECTION, f"robot: no state for {self._timeout:g} s")
        if self._said:
            return replace(
                self._said,
                needs_operator=bool(self.hand) and self._said.kind is not FaultKind.USER_STOP,
            )
        if self.hand:  # the arm must not move by itself when the person releases the switch
            return Fault(
                FaultKind.USER_STOP, f"{self.hand} before, and nobody has acknowledged it", True
            )

        return Fault()

    @property
    def may_recover(self) -> bool:
        """Whether its fault can be cleared by a recovery, and is not a person's user stop or
        guiding.
        """
        return (self._flags or self._mode == REFLEX) and not self.hand and self._mode != RECOVERING
