"""What the collector remembers of control's faults."""

from wayfarer_collector.faults import ControlFaults
from wayfarer_core.fault import FaultKind


def test_a_fault_that_came_and_went_is_told_to_whoever_began_before_its_end() -> None:
    faults = ControlFaults()
    faults.hear(FaultKind.COMMUNICATION, 10.0)
    faults.hear(FaultKind.NONE, 10.014)
    assert faults.now == FaultKind.NONE
    assert faults.since(9.0) == FaultKind.COMMUNICATION
    assert faults.since(10.01) == FaultKind.COMMUNICATION
    assert faults.since(10.02) == FaultKind.NONE


def test_the_fault_of_now_counts_however_long_ago_it_began() -> None:
    faults = ControlFaults()
    faults.hear(FaultKind.REFLEX, 10.0)
    faults.hear(FaultKind.USER_STOP, 11.0)
    assert faults.now == faults.since(500.0) == FaultKind.USER_STOP


def test_nothing_was_said_in_the_beginning() -> None:
    assert ControlFaults().now == ControlFaults().since(0.0) == FaultKind.NONE
