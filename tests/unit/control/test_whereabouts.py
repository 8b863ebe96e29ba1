from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_control.whereabouts import Moment, Whereabouts
from wayfarer_core import names
from wayfarer_core.safety import Pose

MAX_AGE = 0.25  # s
HERE = Pose(np.array([0.5, 0.0, 0.2]), np.array([1.0, 0.0, 0.0, 0.0]))
START = Moment(stamp=10**18, steady=100.0)


def later(seconds: float, jump: float = 0.0) -> Moment:
    """So much later, with the wall clock set by `jump` [s] since."""
    return Moment(START.stamp + int((seconds + jump) * 1e9), START.steady + seconds)


def heard(simulated: bool = False) -> Whereabouts:
    where = Whereabouts(MAX_AGE, simulated)
    assert where.hear(names.BASE_FRAME, HERE, START.stamp, START)
    return where


def test_nothing_is_known_before_a_pose_was_heard() -> None:
    assert Whereabouts(MAX_AGE, simulated=False).at(START) is None


def test_a_pose_is_believed_until_it_is_too_old() -> None:
    where = heard()
    assert where.at(later(0.25)) is HERE
    assert where.at(later(0.26)) is None


@pytest.mark.parametrize("frame", names.BASE_FRAMES)
def test_the_base_frame_has_frankas_own_names_as_well(frame: str) -> None:
    where = Whereabouts(MAX_AGE, simulated=False)
    assert where.hear(frame, HERE, START.stamp, START)
    assert where.at(START) is HERE


@pytest.mark.parametrize(
    ("frame", "pose", "words"),
    [
        ("world", HERE, "frame 'world', must be 'base'"),
        ("", HERE, "frame ''"),
        ("base", replace(HERE, position=np.array([np.nan, 0.0, 0.2])), "not finite"),
        ("base", replace(HERE, position=np.array([0.5, np.inf, 0.2])), "not finite"),
        ("base", replace(HERE, quaternion=np.zeros(4)), "length 1"),
        ("base", replace(HERE, quaternion=np.array([np.nan, 0.0, 0.0, 1.0])), "length 1"),
    ],
)
def test_a_message_that_is_no_pose_of_the_base_frame_is_not_taken_and_says_why(
    frame: str, pose: Pose, words: str
) -> None:
    where = heard()
    assert not where.hear(frame, pose, later(0.1).stamp, later(0.1))
    assert words in where.complaint
    assert where.at(later(0.1)) is HERE, "the last that was one"
    assert where.at(later(0.3)) is None
    assert where.hear("base", HERE, later(0.3).stamp, later(0.3))
    assert where.complaint == ""


def test_a_pose_from_the_future_is_not_believed_on_the_wall_clock() -> None:
    where = Whereabouts(MAX_AGE, simulated=False)
    where.hear(names.BASE_FRAME, HERE, START.stamp + 10**9, START)
    assert where.at(START) is None


def test_a_pose_that_waited_in_a_queue_is_as_old_as_its_stamp() -> None:
    where = Whereabouts(MAX_AGE, simulated=False)
    where.hear(names.BASE_FRAME, HERE, START.stamp, later(2.0))
    assert where.at(later(2.0)) is None


def test_a_clock_set_forward_makes_it_older_and_never_younger() -> None:
    where = heard()
    assert where.at(later(0.1, jump=1.0)) is None


@given(st.floats(0.01, 3.0), st.floats(0.0, 3.0), st.floats(0.0, 5.0))
def test_no_pose_from_before_the_clock_was_set_back_is_taken_for_one_of_now(
    back: float, captured: float, age: float
) -> None:
    """It was captured before the clock went back, and is heard after: whatever stamp it bears."""
    where = heard()
    where.watch(later(3.0))
    capture = 3.0 - captured
    now = capture + MAX_AGE + 0.001 + age
    if now < 3.0:
        return

    where.watch(later(3.001, jump=-back))
    where.hear(names.BASE_FRAME, HERE, later(capture).stamp, later(max(now, 3.001), jump=-back))
    assert where.at(later(max(now, 3.001), jump=-back)) is None


def test_once_the_clock_has_passed_where_it_was_set_back_poses_are_believed_again() -> None:
    where = heard()
    where.watch(later(1.0))
    for seconds in (1.1, 1.5, 2.9):
        where.hear(
            names.BASE_FRAME, HERE, later(seconds, jump=-2.0).stamp, later(seconds, jump=-2.0)
        )
        assert where.at(later(seconds, jump=-2.0)) is None

    where.hear(names.BASE_FRAME, HERE, later(3.4, jump=-2.0).stamp, later(3.4, jump=-2.0))
    assert where.at(later(3.4, jump=-2.0)) is HERE


def test_an_hour_set_back_is_waited_for_as_long_as_a_pose_may_be_under_way_and_no_longer() -> None:
    where = heard()
    where.watch(later(1.0))
    for seconds, believed in ((1.1, False), (5.0, False), (12.0, True)):
        where.hear(
            names.BASE_FRAME, HERE, later(seconds, jump=-3600.0).stamp, later(seconds, jump=-3600.0)
        )
        assert (where.at(later(seconds, jump=-3600.0)) is HERE) == believed


def test_a_simulators_clock_stands_while_it_waits_and_a_pose_may_come_before_its_word() -> None:
    where = heard(simulated=True)
    assert where.at(Moment(START.stamp, START.steady + 3600.0)) is HERE, (
        "the policy thought for an hour"
    )
    where.hear(names.BASE_FRAME, HERE, START.stamp + 5 * 10**9, START)
    assert where.at(START) is HERE
    assert where.at(Moment(START.stamp + 6 * 10**9, START.steady)) is None
