"""The gripper as the fourth number of an action."""

import math
from dataclasses import replace

import numpy as np
import pytest
from fixtures import limits
from hypothesis import given, settings
from hypothesis import strategies as st
from wayfarer_core.errors import ConfigError
from wayfarer_core.reason import Reason
from wayfarer_core.safety import Pose, Situation, decide, hold, nothing
from wayfarer_core.targets import CLOSED, WIDEST, Grip, Gripping, Targets, action_size, grip_of

LIMITS = replace(limits.LIMITS, gripper_width=0.08)
CENTRE = Pose(np.array([0.58, 0.0, 0.15]), np.array([1.0, 0.0, 0.0, 0.0]))
WELL = Situation(now=10.0, pose=CENTRE, robot_error=False, stopped=False, last_stamp=9.5)

anything = st.floats(-2.0, 2.0) | st.sampled_from([0.0, math.inf, -math.inf, math.nan])
four = st.tuples(anything, anything, anything, anything).map(np.array)


def test_minus_one_opens_one_closes_and_between_them_the_gripper_goes_on_as_it_is() -> None:
    asked = (-1.0, -0.5, -0.49, 0.0, 0.49, 0.5, 1.0)
    O, K, C = Grip.OPEN, Grip.KEEP, Grip.CLOSE  # noqa: E741
    assert [grip_of(value) for value in asked] == [O, O, K, K, K, C, C]


def test_an_action_has_four_numbers_where_the_gripper_opens_and_else_three() -> None:
    assert (action_size(CLOSED), action_size(0.02)) == (3, 4)


@pytest.mark.parametrize("width", [-0.01, WIDEST + 0.001, math.nan, math.inf])
def test_a_width_that_no_hand_has_is_refused(width: float) -> None:
    with pytest.raises(ConfigError, match="gripper_width"):
        replace(LIMITS, gripper_width=width)


@settings(max_examples=300)
@given(four, st.booleans(), st.booleans(), st.booleans(), anything, anything)
def test_a_gripper_opens_or_closes_only_with_a_target_that_answers_a_sound_action(
    action: np.ndarray, error: bool, stopped: bool, seen: bool, late: float, last: float
) -> None:
    pose = CENTRE if seen else None
    situation = Situation(10.0 + late, pose, error, stopped, last)
    decision = decide(LIMITS, action, 10.0, situation)
    sound = bool(np.isfinite(action).all()) and abs(late) <= LIMITS.max_age and last < 10.0
    follows = sound and seen and not error and not stopped

    assert decision.executed.shape == (4,)
    assert decision.grip == (grip_of(float(action[3])) if follows else Grip.STOP)
    if follows:
        assert decision.executed[3] == np.clip(action[3], -1.0, 1.0)
        assert (Reason.ACTION_RANGE in decision.reasons) == bool((np.abs(action) > 1.0).any())
    elif decision.target is not None:
        assert not decision.executed.any(), "a hold"
    else:
        assert np.isnan(decision.executed).all()


@settings(max_examples=100)
@given(four)
def test_the_gripper_changes_nothing_of_what_the_arm_does(action: np.ndarray) -> None:
    with_it = decide(LIMITS, action, 10.0, WELL)
    finite = np.where(np.isfinite(action[3]), action[:3], np.nan)
    without = decide(replace(LIMITS, gripper_width=CLOSED), finite, 10.0, WELL)
    assert (with_it.target is None) == (without.target is None)
    np.testing.assert_array_equal(with_it.executed[:3], without.executed)
    if with_it.target is not None and without.target is not None:
        np.testing.assert_array_equal(with_it.target.position, without.target.position)


@pytest.mark.parametrize("action", [np.zeros(3), np.zeros(5), np.zeros((4, 1)), np.zeros(0)])
def test_an_action_of_another_size_than_the_runs_holds_the_arm_and_stops_the_gripper(
    action: np.ndarray,
) -> None:
    decision = decide(LIMITS, action, 10.0, WELL)
    assert (decision.grip, decision.reasons) == (Grip.STOP, Reason.ACTION_SIZE)
    assert not decision.executed.any()
    closed = decide(replace(LIMITS, gripper_width=CLOSED), np.zeros(4), 10.0, WELL)
    assert closed.reasons == Reason.ACTION_SIZE


def test_a_hold_and_no_command_at_all_stop_the_gripper() -> None:
    assert hold(LIMITS, CENTRE, Reason.STOPPED).grip is Grip.STOP
    assert nothing(LIMITS, Reason.ROBOT_ERROR).grip is Grip.STOP


# --- a bridge's targets ---

OPENING, KEEPING, STOPPING = Gripping(Grip.OPEN, 0.08), Gripping(Grip.KEEP), Gripping(Grip.STOP)


def test_a_target_waits_for_its_grip_whichever_comes_first() -> None:
    targets: Targets[str] = Targets(with_gripper=True)
    assert targets.pose(1, "a") == []
    assert targets.grip(1, OPENING) == [("a", OPENING)]
    assert targets.grip(2, KEEPING) == []
    assert targets.pose(2, "b") == [("b", KEEPING)]


def test_without_a_gripper_nothing_waits() -> None:
    assert Targets[str](with_gripper=False).pose(1, "a") == [("a", None)]


def test_a_stop_overtakes_what_was_asked_for_before_it() -> None:
    targets: Targets[str] = Targets(with_gripper=True)
    targets.grip(1, OPENING)
    assert targets.grip(0, STOPPING) == []
    assert targets.pose(1, "a") == [("a", STOPPING)]


def test_stops_of_a_long_fault_do_not_pile_up() -> None:
    targets: Targets[str] = Targets(with_gripper=True)
    for _ in range(1000):
        assert targets.grip(0, STOPPING) == []

    assert len(targets._grips) == 1
    assert targets.grip(7, OPENING) == []
    assert targets.pose(7, "a") == [("a", OPENING)]


sent = st.lists(
    st.sampled_from([OPENING, KEEPING, Gripping(Grip.CLOSE), STOPPING]), min_size=1, max_size=8
)


@given(sent, st.data())
def test_in_whatever_order_two_topics_come_each_target_goes_with_its_own_grip_once(
    grips: list[Gripping], data: st.DataObject
) -> None:
    targets: Targets[int] = Targets(with_gripper=True)
    poses, said = list(range(len(grips))), list(enumerate(grips))
    due: list[tuple[int, Gripping | None]] = []
    stopped_at = [k for k, gripping in said if gripping.grip is Grip.STOP]

    while poses or said:
        if poses and (not said or data.draw(st.booleans())):
            due += targets.pose(poses[0], poses.pop(0))
        else:
            due += targets.grip(*said.pop(0))

    assert [target for target, _ in due] == list(range(len(grips)))
    for target, gripping in due:
        own = gripping == grips[target]
        assert own or (gripping == STOPPING and any(at > target for at in stopped_at))
