"""What may keep a node from doing its part."""

from dataclasses import dataclass
from enum import IntEnum

TRIES = 20  # attempts at one episode in a row that may be aborted by faults which end by themselves
# reason of an episode that a person has taken back, without any fault
DISCARDED = "discarded by the operator"


class FaultKind(IntEnum):
    """The constants of wayfarer_msgs/Fault."""

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
    """A fault in words; `needs_operator` where nothing goes on before `wayfarer ack`.

    False when there is none.
    """

    kind: FaultKind = FaultKind.NONE
    text: str = ""
    needs_operator: bool = False

    def __bool__(self) -> bool:
        """Whether something is wrong."""
        return self.kind is not FaultKind.NONE


def tried_in_vain(last: str) -> str:
    """Say that an episode was tried as often as it may be; `last` is what aborted it in the end."""
    return f"{TRIES} episodes in a row were aborted, the last by: {last}"
