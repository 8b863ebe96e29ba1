import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wayfarer_core.errors import ConfigError
from wayfarer_core.reason import Reason
from wayfarer_core.rotation import angle_between
from wayfarer_franka_bridge.approach import Manner
from wayfarer_franka_bridge.drivers.driver import Vector
from wayfarer_franka_bridge.follower import STEP, Course, Follower, TargetPose, Told
from wayfarer_franka_bridge.geometry import rotation, to_tool

MANNER, TURN = Manner(12.0, 0.45, 9.0), 0.5
DOWN, NONE = np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3)
HERE = np.array([0.48, 0.0, 0.1])
unit = (
    st.tuples(*[st.floats(-1.0, 1.0)] * 4)
    .map(np.array)
    .filter(lambda q: np.linalg.norm(q) > 0.1)
    .map(lambda q: q / np.linalg.norm(q))
)


def pose(position: Vector = HERE, quaternion: Vector = DOWN) -> Vector:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = rotation(quaternion), position
    return T


def about_z(angle: float) -> Vector:
    return np.array([np.cos(angle / 2), np.sin(angle / 2), 0.0, 0.0])


def way(follower: Follower, T: Vector, goal: TargetPose, longest: float = 60.0) -> list[Told]:
    """Lead to a goal; return all that is told."""
    told, arrived, now = [], False, 0.0
    while not arrived:
        one, arrived = follower.go(T, goal, now)
        told.append(one)
        now += STEP
        assert now < longest, "it never arrives"

    return told


def test_a_hand_turned_by_seventy_degrees_is_turned_back_slowly() -> None:
    told = way(
        Follower(MANNER, TURN, NONE),
        pose(quaternion=about_z(np.radians(70.0))),
        TargetPose(HERE, DOWN),
    )
    turns = [angle_between(a.quaternion, b.quaternion) for a, b in itertools.pairwise(told)]
    assert max(turns) <= TURN * STEP + 1e-9
    assert len(told) >= np.radians(70.0) / (TURN * STEP)
    assert told[-1].quaternion.tolist() == DOWN.tolist()


@given(unit, unit, st.lists(st.floats(-0.3, 0.3), min_size=3, max_size=3))
@settings(max_examples=25)
def test_no_step_turns_by_more_than_the_bound_and_the_tool_point_stays_on_its_way(
    begin: Vector, end: Vector, offset: list[float]
) -> None:
    tool = np.array(offset)
    start = pose(HERE, begin)
    goal = TargetPose(to_tool(start, tool) + [0.0, 0.05, 0.0], end)
    follower, last, now = Follower(MANNER, TURN, tool), begin, 0.0
    low, high = (
        np.minimum(to_tool(start, tool), goal.position),
        np.maximum(to_tool(start, tool), goal.position),
    )

    for _ in range(40):
        told, _ = follower.go(start, goal, now)
        assert angle_between(last, told.quaternion) <= TURN * STEP + 1e-7
        place = to_tool(pose(told.position, told.quaternion), tool)
        assert (place >= low - 1e-9).all()
        assert (place <= high + 1e-9).all()
        last, now = told.quaternion, now + STEP


def test_a_goal_that_comes_long_after_the_last_does_not_turn_the_hand_at_once() -> None:
    follower = Follower(MANNER, TURN, NONE)
    way(follower, pose(), TargetPose(HERE, DOWN))
    told, _ = follower.go(pose(), TargetPose(HERE, about_z(1.0)), 1000.0)
    assert angle_between(told.quaternion, DOWN) < 1e-9


@pytest.mark.parametrize("rate", [0.0, -1.0, float("nan"), float("inf")])
def test_a_turn_without_a_bound_is_refused(rate: float) -> None:
    with pytest.raises(ConfigError, match="top_turn"):
        Follower(MANNER, rate, NONE)


def test_a_course_without_a_target_tells_nothing_and_with_one_until_it_is_reached() -> None:
    course = Course(Follower(MANNER, TURN, NONE))
    assert course.step(pose(), 0.0) is None
    assert not course.take(TargetPose(HERE + [0.0, 0.02, 0.0], DOWN), pose())
    told = [one for k in range(300) if (one := course.step(pose(), k * STEP)) is not None]
    assert 10 < len(told) < 200
    assert course.target is None


def test_a_stop_leads_to_rest_and_refuses_what_leads_away_until_it_is_over() -> None:
    course = Course(Follower(MANNER, TURN, NONE))
    course.take(TargetPose(HERE + [0.0, 0.3, 0.0], DOWN), pose())
    under_way = [course.step(pose(), k * STEP) for k in range(20)][-1]
    course.hold("stopped")
    after = [one for k in range(20, 300) if (one := course.step(pose(), k * STEP)) is not None]
    assert under_way is not None
    assert after[-1].position[1] - under_way.position[1] < 0.45**2 / (2 * 9.0) + 0.45 * STEP
    assert not after[-1].velocity.any()
    assert (
        course.take(TargetPose(HERE + [0.0, 0.3, 0.0], DOWN), pose()).reasons
        == Reason.REFUSED | Reason.STOPPED
    )
    assert not course.take(TargetPose(HERE, DOWN), pose())
    course.hold("")
    assert not course.take(TargetPose(HERE + [0.0, 0.3, 0.0], DOWN), pose())


def test_a_second_word_of_the_same_stop_does_not_drop_the_hold_that_came_between() -> None:
    course = Course(Follower(MANNER, TURN, NONE))
    course.hold("stopped")
    course.take(TargetPose(HERE + [0.0, 0.05, 0.0], DOWN), pose())
    course.hold("stopped")
    told = [one for k in range(300) if (one := course.step(pose(), k * STEP)) is not None]
    assert told[-1].position[1] == pytest.approx(0.05)


def test_a_target_that_comes_while_it_brakes_does_not_turn_the_hand_at_once() -> None:
    follower = Follower(MANNER, TURN, NONE)
    goal, now = TargetPose(HERE + [0.0, 0.3, 0.0], DOWN), 0.0
    for _ in range(20):
        told, _ = follower.go(pose(), goal, now)
        now += STEP

    for _ in range(3):
        braked = follower.brake(now)
        assert braked is not None
        told, rests = braked
        assert not rests
        now += STEP

    last = told.quaternion
    told, _ = follower.go(pose(), TargetPose(HERE, about_z(1.0)), now)
    assert angle_between(last, told.quaternion) <= TURN * STEP + 1e-9
