"""Kinds of faults, and how often an episode is tried again after one."""

from dataclasses import dataclass
from enum import IntEnum

TRIES = 20  # aborted attempts at one episode in a row; for faults that end by themselves
# reason of an episode that a person has discarded, without any fault
DISCARDED = "discarded by the operator"


class FaultKind(IntEnum):
    """Kinds of faults: the constants of wayfarer_msgs/Fault."""

    NONE = 0
    REFLEX = 1
    COMMUNICATION = 2
    USER_STOP = 3
    CONNECTION = 4
    JOINT_LIMIT = 5
    CAMERA = 6
    OPERATOR = 7
    OTHER = 8
    POLICY = 9


@dataclass(frozen=True)
class Fault:
    """A fault in words. If `needs_operator`, nothing goes on before `wayfarer ack`.

    False if there is no fault.
    """

    kind: FaultKind = FaultKind.NONE
    text: str = ""
    needs_operator: bool = False

    def __bool__(self) -> bool:
        """Whether something is wrong."""
        return self.kind is not FaultKind.NONE


def tried_in_vain(last: str) -> str:
    """Return the message after the last allowed try; `last` is the fault that ended that try."""
    return f"{TRIES} episodes in a row were aborted, the last by: {last}"
