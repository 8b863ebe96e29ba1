import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_core.reason import Reason
from wayfarer_ros2_control.judge import AFTER, AT_IT, NEARER, Judge

HERE = np.array([0.5, 0.0, 0.2])
FAR = HERE + [0.1, 0.0, 0.0]


def asked(target: np.ndarray, stamp: int = 7) -> Judge:
    judge = Judge()
    judge.pose(HERE, 10.0)
    assert judge.target(stamp, target, 10.0) == []
    return judge


def verdict(judge: Judge, place: np.ndarray, after: float = AFTER) -> tuple[int, str]:
    judge.pose(place, 10.0 + after)
    ((said),) = judge.due(10.0 + after)
    return said.stamp, said.refusal.text


def test_nothing_is_said_before_its_time() -> None:
    judge = asked(FAR)
    judge.pose(FAR, 10.2)
    assert judge.due(10.0 + AFTER - 0.01) == []
    assert verdict(judge, FAR) == (7, "")
    assert judge.due(11.0) == [], "it is said once"


def test_an_arm_that_came_a_fifth_of_the_way_follows_and_one_that_did_not_does_not() -> None:
    assert verdict(asked(FAR), HERE + [NEARER * 0.1 + 1e-6, 0.0, 0.0]) == (7, "")
    stamp, text = verdict(asked(FAR), HERE + [NEARER * 0.1 - 1e-3, 0.0, 0.0])
    assert stamp == 7
    assert "does not follow: 81 mm from its target, 100 mm before" in text


def test_an_arm_that_stays_where_it_was_asked_to_hold_holds_and_one_that_travels_on_does_not() -> (
    None
):
    assert verdict(asked(HERE), HERE + [0.0, AT_IT - 1e-3, 0.0]) == (7, "")
    assert "does not follow" in verdict(asked(HERE), HERE + [0.0, 0.1, 0.0])[1]


def test_a_newer_target_brings_the_verdict_on_the_one_before() -> None:
    judge = asked(FAR)
    judge.pose(HERE + [0.05, 0.0, 0.0], 10.1)
    (said,) = judge.target(8, HERE, 10.1)
    assert (said.stamp, said.refusal.text) == (7, "")


def test_without_a_pose_nothing_is_taken() -> None:
    judge = Judge()
    (said,) = judge.target(7, HERE, 10.0)
    assert said.refusal.reasons == Reason.REFUSED | Reason.NO_POSE
    judge = asked(FAR)
    (said,) = judge.due(11.0)
    assert "nobody tells any more" in said.refusal.text


@given(
    st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans(), st.floats(-0.2, 0.2)), max_size=30),
)
def test_every_target_has_exactly_one_verdict_and_in_their_order(
    events: list[tuple[float, bool, float]],
) -> None:
    judge, now, said, count = Judge(), 0.0, [], 0
    for wait, is_pose, offset in events:
        now += wait
        said += judge.due(now)
        if is_pose:
            judge.pose(HERE + offset, now)
        else:
            said += judge.target(count, HERE + offset, now)
            count += 1

    said += judge.due(now + 1.0)
    assert [one.stamp for one in said] == list(range(count))


@pytest.mark.parametrize("taken", [True, False])
def test_only_what_was_not_taken_has_a_reason(taken: bool) -> None:
    judge = asked(FAR)
    judge.pose(FAR if taken else HERE, 10.0 + AFTER)
    (said,) = judge.due(10.0 + AFTER)
    assert bool(said.refusal) is not taken
