from wayfarer_core.fault import Fault, FaultKind
from wayfarer_core.reason import Reason
from wayfarer_msgs.msg import ExecutedAction
from wayfarer_msgs.msg import Fault as FaultMessage


def constants(message: type) -> dict[str, int]:
    return {
        name: getattr(message, name)
        for name in dir(type(message))
        if name.isupper() and name[0] != "_"
    }


def test_the_kinds_of_fault_are_the_messages_constants() -> None:
    assert {kind.name: kind.value for kind in FaultKind} == constants(FaultMessage)


def test_the_reasons_are_the_messages_constants() -> None:
    assert {reason.name: reason.value for reason in Reason} == constants(ExecutedAction)


def test_only_a_fault_of_some_kind_counts_as_one() -> None:
    assert not Fault()
    assert all(Fault(kind) for kind in FaultKind if kind is not FaultKind.NONE)
