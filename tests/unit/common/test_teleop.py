"""A person's hand on the arm: whose action it is, and for how long a wish counts."""

from dataclasses import replace

import numpy as np
import pytest
from fixtures import limits
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_bags.episode import ActionSource, End
from wayfarer_common.teleop import ENDINGS, Command, Mark, Teleoperator
from wayfarer_core.errors import DataError
from wayfarer_core.fault import DISCARDED
from wayfarer_core.options import TeleopOptions
from wayfarer_core.safety import Pose, Situation, decide
from wayfarer_msgs.msg import Action as ActionMessage
from wayfarer_msgs.msg import TeleopCommand

OPTIONS = TeleopOptions(command_age=0.25, device_timeout=1.0)
OWN = np.array([0.1, 0.2, 0.3], np.float32)
WISH = np.array([1.0, -0.5, 0.0], np.float32)

anything = st.floats(width=32)  # NaN and infinities among them
near_or_far = st.floats(-1e6, 1e6)


def heard(engaged: bool = True, stamp: float = 100.0) -> Teleoperator:
    person = Teleoperator(OPTIONS)
    person.hear(Command(stamp, WISH, engaged))
    return person


def test_the_constants_are_those_of_the_messages() -> None:
    assert {mark.name: int(mark) for mark in Mark} == {
        name: getattr(TeleopCommand, name) for name in Mark.__members__
    }
    assert {s.name: int(s) for s in ActionSource} == {
        n: getattr(ActionMessage, n) for n in ActionSource.__members__
    }


def test_the_policy_acts_until_a_person_holds_the_dead_man_button_and_again_once_they_let_go() -> (
    None
):
    person = Teleoperator(OPTIONS)
    for command, source, action in (
        (None, ActionSource.POLICY, OWN),
        (Command(100.0, WISH, engaged=False), ActionSource.POLICY, OWN),
        (Command(100.0, WISH, engaged=True), ActionSource.HUMAN, WISH),
        (Command(100.0, WISH, engaged=False), ActionSource.POLICY, OWN),
    ):
        if command is not None:
            person.hear(command)
        said, by = person.answer(OWN, 100.1)
        assert by is source
        np.testing.assert_array_equal(said, action)


@pytest.mark.parametrize("late", [0.26, -0.26, 1e9])
def test_a_wish_that_is_too_old_or_lies_ahead_holds_the_arm_and_does_not_give_it_back(
    late: float,
) -> None:
    said, by = heard().answer(OWN, 100.0 + late)
    assert (said.tolist(), by) == ([0.0, 0.0, 0.0], ActionSource.HUMAN)


def test_a_device_is_lost_after_its_time_out_and_never_before_that() -> None:
    assert not heard().lost(101.0)
    assert heard().lost(101.01)
    assert heard().lost(98.9)
    assert "1.5 s old, more than 1 s" in heard().loss(101.5)
    assert Teleoperator(OPTIONS).lost(0.0)
    assert "nothing was ever heard" in Teleoperator(OPTIONS).loss(0.0)


def test_a_lost_devices_grip_ends_with_the_episode_and_that_of_one_that_is_there_goes_on() -> None:
    for now, held in ((100.5, True), (102.0, False)):
        person = heard()
        person.begin_episode(now)
        assert person.engaged is held


def test_success_alone_is_an_end_by_the_task() -> None:
    assert {mark: end for mark, (end, _) in ENDINGS.items()} == {
        Mark.SUCCESS: End.TERMINATED,
        Mark.FAILURE: End.TRUNCATED,
        Mark.DISCARD: End.ABORTED,
    }
    assert ENDINGS[Mark.DISCARD][1] == DISCARDED


@given(st.lists(anything, min_size=0, max_size=5))
def test_a_wish_is_three_finite_numbers_from_minus_one_to_one_or_refused(
    action: list[float],
) -> None:
    right = len(action) == 3 and all(-1.0 <= value <= 1.0 for value in action)  # false for NaN
    if right:
        np.testing.assert_array_equal(
            Command(0.0, np.array(action, np.float32), True).action, action
        )
    else:
        with pytest.raises(DataError, match="was ignored"):
            Command(0.0, np.array(action, np.float32), True)


@given(st.integers(0, 255))
def test_a_mark_that_nobody_knows_is_refused(number: int) -> None:
    if number < len(Mark):
        assert Command(0.0, OWN, False, number).mark is Mark(number)  # type: ignore[arg-type]
    else:
        with pytest.raises(DataError, match=f"mark {number}"):
            Command(0.0, OWN, False, number)  # type: ignore[arg-type]


LIMITS = replace(limits.LIMITS, max_turn=1.0, max_age=1.0)


@given(
    wishes=st.lists(
        st.tuples(st.tuples(anything, anything, anything), st.booleans(), near_or_far), max_size=8
    ),
    now=near_or_far,
    at=st.tuples(st.floats(0.36, 0.8), st.floats(-0.35, 0.35), st.floats(-0.08, 0.388)),
)
def test_whatever_a_person_sends_no_command_leaves_the_gates_limits_and_no_step_is_without_a_source(
    wishes: list[tuple[tuple[float, float, float], bool, float]],
    now: float,
    at: tuple[float, float, float],
) -> None:
    person = Teleoperator(OPTIONS)
    for action, engaged, stamp in wishes:
        try:
            person.hear(Command(stamp, np.array(action, np.float32), engaged))
        except DataError:
            continue

    action, source = person.answer(OWN, now)
    assert source in ActionSource
    assert np.isfinite(action).all()
    assert (np.abs(action) <= 1.0).all()

    pose = Pose(np.array(at), np.array(LIMITS.orientation))
    situation = Situation(now=10.0, pose=pose, robot_error=False, stopped=False, last_stamp=9.5)
    target = decide(LIMITS, action.astype(np.float64), 10.0, situation).target
    assert target is not None
    slack = 1e-6
    assert (target.position >= np.array(LIMITS.workspace_min) - slack).all()
    assert (target.position <= np.array(LIMITS.workspace_max) + slack).all()
    longest = min(LIMITS.max_step, LIMITS.max_speed * LIMITS.control_period)
    assert np.linalg.norm(target.position - pose.position) <= longest + slack


def test_a_persons_wish_for_the_gripper_is_the_fourth_number_where_an_action_has_one() -> None:
    own = np.array([0.1, 0.2, 0.3, 0.4], np.float32)
    wish = Command(10.0, np.array([0.5, 0.0, 0.0]), True, gripper=-1.0)
    person = Teleoperator(TeleopOptions(teleop_device="gamepad"), size=4)
    person.hear(wish)
    assert person.answer(own, 10.1)[0].tolist() == [0.5, 0.0, 0.0, -1.0]
    assert person.answer(own, 11.0)[0].tolist() == [0.0] * 4, "too old: it stays as it is"
    closed = Teleoperator(TeleopOptions(teleop_device="gamepad"))
    closed.hear(wish)
    assert closed.answer(own[:3], 10.1)[0].tolist() == [0.5, 0.0, 0.0]


@pytest.mark.parametrize("gripper", [1.5, -2.0, np.nan, np.inf])
def test_a_wish_beyond_what_a_gripper_does_is_no_command(gripper: float) -> None:
    with pytest.raises(DataError, match="gripper"):
        Command(0.0, np.zeros(3), True, gripper=gripper)
