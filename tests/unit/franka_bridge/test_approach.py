import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_franka_bridge.approach import Approach, Manner, Traveller

START = Approach(np.array([0.48, 0.0, 0.083]), np.zeros(3))
MANNER, DT = Manner(quickness=12.0, top_speed=0.6, top_acceleration=9.0), 0.01


def travel(goal: np.ndarray, seconds: float) -> list[Approach]:
    way = [START]
    for _ in range(round(seconds / DT)):
        way.append(way[-1].advance(goal, DT, MANNER))
    return way


@given(st.lists(st.floats(-0.3, 0.3), min_size=3, max_size=3))
def test_it_arrives_without_overshoot_and_keeps_to_the_top_speed(offset: list[float]) -> None:
    goal = START.position + offset
    way = travel(goal, 3.0)
    assert way[-1].arrived(goal)
    distances = [np.linalg.norm(a.position - goal) for a in way]
    assert max(np.diff(distances), default=0.0) < 1e-4, "it went away from its goal"
    assert max(np.linalg.norm(a.velocity) for a in way) <= MANNER.top_speed * 1.001
    assert max(np.linalg.norm(a.acceleration) for a in way) <= MANNER.top_acceleration * 1.001


@pytest.mark.parametrize("length", [0.05, 0.125, 0.2])
def test_a_step_of_the_method_is_nearly_made_within_its_control_period(length: float) -> None:
    goal = START.position + [0.0, length, 0.0]
    assert np.linalg.norm(travel(goal, 0.5)[-1].position - goal) < 0.15 * length


def test_nothing_jumps_when_the_goal_does() -> None:
    way = travel(START.position + [0.0, 0.2, 0.0], 0.3)
    turned = way[-1].advance(START.position, DT, MANNER)
    assert np.linalg.norm(turned.position - way[-1].position) < 0.01
    assert turned.velocity[1] > 0.0, "it turns round, but not at once"


def test_it_has_not_arrived_while_it_moves() -> None:
    assert START.arrived(START.position)
    assert not Approach(START.position, np.array([0.0, 0.1, 0.0])).arrived(START.position)


def test_it_tells_the_acceleration_by_which_its_velocity_changes() -> None:
    way = travel(START.position + [0.0, 0.1, 0.0], 0.5)
    for earlier, later in itertools.pairwise(way):
        mean = (later.velocity - earlier.velocity) / DT
        np.testing.assert_allclose(mean, later.acceleration, atol=1.0)


def test_coasting_foretells_where_it_will_be_a_moment_later() -> None:
    half = DT / 2
    for moment in travel(START.position + [0.1, -0.1, 0.0], 0.5)[1:]:
        there = moment.advance(START.position + [0.1, -0.1, 0.0], half, MANNER)
        foretold = moment.coast(half)
        np.testing.assert_allclose(foretold.position, there.position, atol=2e-4)
        np.testing.assert_allclose(foretold.velocity, there.velocity, atol=1e-2)


def test_a_traveller_leads_by_half_a_step_and_rests_at_its_goal() -> None:
    traveller, goal, now = Traveller(MANNER, DT), START.position + [0.0, 0.1, 0.0], 10.0
    told, arrived = traveller.go(START.position, goal, now)
    np.testing.assert_array_equal(told.position, START.position)
    told, arrived = traveller.go(goal, goal, now + DT)  # where the arm is matters at the beginning only
    made = START.advance(goal, DT, MANNER)
    np.testing.assert_allclose(told.position, made.coast(DT / 2).position)
    steps = 1
    while not arrived:
        steps += 1
        told, arrived = traveller.go(START.position, goal, now + steps * DT)
        assert steps < 300, "it never arrives"
    np.testing.assert_array_equal(told.position, goal)
    assert not told.velocity.any(), "it would push on"
    assert not told.acceleration.any(), "it would push on"


def test_a_traveller_that_was_held_up_does_not_leap() -> None:
    traveller, goal = Traveller(MANNER, DT), START.position + [0.0, 0.3, 0.0]
    traveller.go(START.position, goal, 0.0)
    told, _ = traveller.go(START.position, goal, 5.0)
    assert np.linalg.norm(told.position - START.position) < 0.02
