import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_franka_bridge.approach import Approach

START = Approach(np.array([0.48, 0.0, 0.083]), np.zeros(3))
QUICKNESS, TOP_SPEED, DT = 12.0, 0.6, 0.01


def travel(goal: np.ndarray, seconds: float) -> list[Approach]:
    way = [START]
    for _ in range(round(seconds / DT)):
        way.append(way[-1].advance(goal, DT, QUICKNESS, TOP_SPEED))
    return way


@given(st.lists(st.floats(-0.3, 0.3), min_size=3, max_size=3))
def test_it_arrives_without_overshoot_and_keeps_to_the_top_speed(offset: list[float]) -> None:
    goal = START.position + offset
    way = travel(goal, 3.0)
    assert way[-1].arrived(goal)
    distances = [np.linalg.norm(a.position - goal) for a in way]
    assert max(np.diff(distances), default=0.0) < 1e-4, "it went away from its goal"
    assert max(np.linalg.norm(a.velocity) for a in way) <= TOP_SPEED * 1.001


@pytest.mark.parametrize("length", [0.05, 0.125, 0.2])
def test_a_step_of_the_method_is_nearly_made_within_its_control_period(length: float) -> None:
    goal = START.position + [0.0, length, 0.0]
    assert np.linalg.norm(travel(goal, 0.5)[-1].position - goal) < 0.15 * length


def test_nothing_jumps_when_the_goal_does() -> None:
    way = travel(START.position + [0.0, 0.2, 0.0], 0.3)
    turned = way[-1].advance(START.position, DT, QUICKNESS, TOP_SPEED)
    assert np.linalg.norm(turned.position - way[-1].position) < 0.01
    assert turned.velocity[1] > 0.0, "it turns round, but not at once"


def test_it_has_not_arrived_while_it_moves() -> None:
    assert START.arrived(START.position)
    assert not Approach(START.position, np.array([0.0, 0.1, 0.0])).arrived(START.position)
