"""What the robot's own word of itself means.

May it be commanded, may it recover by itself, must somebody come. Pure.

The names of the flags are those of franka_msgs/Errors, the modes those of
franka_msgs/FrankaRobotState.
"""

from collections.abc import Sequence
from dataclasses import replace

from wayfarer_core.fault import Fault, FaultKind

OTHER, IDLE, MOVE, GUIDING, REFLEX, USER_STOPPED, RECOVERING = range(7)

_MODES = {  # every mode but IDLE and MOVE, in which alone it takes commands
    OTHER: "mode OTHER, in which it takes no commands",
    GUIDING: "somebody guides the arm",
    REFLEX: "reflex",
    USER_STOPPED: "user stopped",
    RECOVERING: "recovering",
}
_PACKETS = "communication_constraints_violation"


def judge(mode: int, flags: Sequence[str]) -> Fault:
    """Return what a robot state with these error flags set means.

    No fault where it may be commanded.
    """
    about = "" if mode in (IDLE, MOVE) else _MODES.get(mode, f"mode {mode}, which is not known")
    words = ", ".join(filter(None, [about, *flags]))
    return Fault(_kind(mode, flags), f"robot: {words}") if words else Fault()


def _kind(mode: int, flags: Sequence[str]) -> FaultKind:
    if mode in (GUIDING, USER_STOPPED):
        return FaultKind.USER_STOP

    # in mode OTHER it is the bridge's word for a robot that does not answer at all
    if _PACKETS in flags:
        return FaultKind.CONNECTION if mode == OTHER else FaultKind.COMMUNICATION
    if any(_of_a_joints_limit(flag) for flag in flags):
        return FaultKind.JOINT_LIMIT

    return FaultKind.REFLEX if flags or mode == REFLEX else FaultKind.OTHER


def _of_a_joints_limit(flag: str) -> bool:
    return "joint" in flag and ("limits_violation" in flag or flag == "joint_velocity_violation")


class RobotHealth:
    """Keeps the robot's latest word, how old it is, and whether a human hand was seen.

    Times in seconds, one clock.
    """

    def __init__(self, state_timeout: float) -> None:
        """A robot that is not heard of for `state_timeout` is lost, and one that never was is not
        there yet.
        """
        self._timeout = state_timeout
        self._heard: float | None = None
        self._said, self._mode, self._flags = Fault(), OTHER, False
        self.hand = ""  # a user stop or guiding that nobody has acknowledged

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
        """Take an operator's word that the arm may move again."""
        self.hand = ""

    def fault(self, now: float) -> Fault:
        """Say what is wrong right now."""
        if self._heard is None:
            return Fault(FaultKind.CONNECTION, "robot: no state yet")
        if now - self._heard > self._timeout:
            return Fault(FaultKind.CONNECTION, f"robot: no state for {self._timeout:g} s")
        if self._said:
            return replace(
                self._said,
                needs_operator=bool(self.hand) and self._said.kind is not FaultKind.USER_STOP,
            )
        if self.hand:  # the arm must not start by itself when the hand lets go of the switch
            return Fault(
                FaultKind.USER_STOP, f"{self.hand} before, and nobody has acknowledged it", True
            )

        return Fault()

    @property
    def may_recover(self) -> bool:
        """Whether it reports a fault that a recovery clears, and that is not a human hand's to
        end.
        """
        return (self._flags or self._mode == REFLEX) and not self.hand and self._mode != RECOVERING
