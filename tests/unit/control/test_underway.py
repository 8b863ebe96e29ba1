import numpy as np
from wayfarer_control.underway import Request, Underway
from wayfarer_core.reason import Reason
from wayfarer_core.safety import Decision, Pose

TARGET = Pose(np.array([0.5, 0.0, 0.2]), np.array([1.0, 0.0, 0.0, 0.0]))


def request(stamp: int) -> Request:
    return Request(stamp, np.zeros(3), False, f"action {stamp}")


def sent(*stamps: int, now: float = 0.0) -> Underway:
    underway = Underway(timeout=1.0)
    for number, stamp in enumerate(stamps):
        decision = Decision(TARGET, np.full(3, float(number)), Reason(0))
        underway.send(stamp, request(stamp), decision, now, lambda _taken, _text: None)

    return underway


def number(answer: object) -> float:
    return float(answer.decision.executed[0])  # type: ignore[attr-defined]


def test_an_answer_is_joined_by_its_stamp_and_counts_once() -> None:
    underway = sent(10, 20, 30)
    assert number(underway.answered(20)) == 1.0
    assert underway.answered(20) is None
    assert underway.answered(99) is None
    assert number(underway.answered(10)) == 0.0


def test_of_several_of_one_stamp_the_oldest_is_answered_first() -> None:
    underway = sent(10, 10)
    assert [number(underway.answered(10)) for _ in range(2)] == [0.0, 1.0]


def test_what_is_not_answered_in_time_is_told_once_and_a_late_answer_is_nobodys() -> None:
    underway = sent(10, 10)
    assert underway.overdue(1.0) == []
    assert [number(late) for late in underway.overdue(1.1)] == [0.0, 1.0]
    assert underway.overdue(5.0) == []
    underway.send(
        10,
        request(10),
        Decision(TARGET, np.full(3, 2.0), Reason(0)),
        5.0,
        lambda _taken, _text: None,
    )
    assert underway.answered(10) is None, "the late answer to the first"
    assert underway.answered(10) is None, "and to the second"
    assert number(underway.answered(10)) == 2.0


def test_an_answer_that_never_comes_is_not_waited_for_for_ever() -> None:
    underway = sent(10)
    underway.overdue(2.0)
    underway.overdue(12.0)
    underway.send(
        10,
        request(10),
        Decision(TARGET, np.full(3, 2.0), Reason(0)),
        12.0,
        lambda _taken, _text: None,
    )
    assert number(underway.answered(10)) == 2.0


def test_in_the_end_all_that_wait_are_told_but_those_told_before() -> None:
    underway = sent(10)
    underway.overdue(2.0)
    underway.send(
        20,
        request(20),
        Decision(TARGET, np.full(3, 1.0), Reason(0)),
        2.0,
        lambda _taken, _text: None,
    )
    assert [waiting.stamp for waiting in underway.all()] == [20]
    assert underway.all() == []
