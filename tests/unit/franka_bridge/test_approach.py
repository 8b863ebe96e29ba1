import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wayfarer_core.errors import ConfigError
from wayfarer_franka_bridge.approach import Approach, Bounds, Manner, Traveller

START = Approach(np.array([0.48, 0.0, 0.083]), np.zeros(3))
MANNER, DT = Manner(quickness=12.0, top_speed=0.6, top_acceleration=9.0), 0.01
WIDE = Bounds(np.full(3, -9.0), np.full(3, 9.0))
LOW, HIGH = np.array([0.36, -0.30, 0.05]), np.array([0.68, 0.30, 0.37])  # m, a box


def travel(goal: np.ndarray, seconds: float) -> list[Approach]:
    way = [START]
    for _ in range(round(seconds / DT)):
        way.append(way[-1].advance(goal, DT, MANNER, WIDE))
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
    turned = way[-1].advance(START.position, DT, MANNER, WIDE)
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
        there = moment.advance(START.position + [0.1, -0.1, 0.0], half, MANNER, WIDE)
        foretold = moment.coast(half)
        np.testing.assert_allclose(foretold.position, there.position, atol=2e-4)
        np.testing.assert_allclose(foretold.velocity, there.velocity, atol=1e-2)


def test_a_traveller_leads_by_half_a_step_and_rests_at_its_goal() -> None:
    traveller, goal, now = Traveller(MANNER, DT), START.position + [0.0, 0.1, 0.0], 10.0
    told, arrived = traveller.go(START.position, goal, now)
    np.testing.assert_array_equal(told.position, START.position)

    # where the arm is matters at the beginning only
    told, arrived = traveller.go(goal, goal, now + DT)
    made = START.advance(goal, DT, MANNER, Bounds(START.position, START.position).around(goal))
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


# all that is declared
manners = st.builds(Manner, st.floats(1.0, 50.0), st.floats(0.01, 1.0), st.floats(0.1, 20.0))
shares = st.tuples(*[st.floats(0.0, 1.0)] * 3).map(np.array)


@given(
    manners,
    shares,
    st.lists(st.tuples(shares, st.floats(0.01, 1.0)), min_size=1, max_size=5),
    st.floats(0.0, 6.0),
)
@settings(max_examples=60)
def test_the_springs_end_stays_in_the_box_within_speed_and_acceleration_whatever_comes(
    manner: Manner, start: np.ndarray, goals: list[tuple[np.ndarray, float]], late: float
) -> None:
    traveller, now, here = Traveller(manner, DT), 0.0, LOW + (HIGH - LOW) * start
    for share, seconds in goals:
        goal, end, arrived = LOW + (HIGH - LOW) * share, now + seconds, False
        while now < end and not arrived:
            told, arrived = traveller.go(here, goal, now)
            assert (told.position >= LOW).all(), (
                f"{1e3 * (LOW - told.position).max():.2f} mm outside"
            )
            assert (told.position <= HIGH).all(), (
                f"{1e3 * (told.position - HIGH).max():.2f} mm outside"
            )
            assert np.linalg.norm(told.velocity) <= manner.top_speed + manner.top_acceleration * DT
            assert np.linalg.norm(told.acceleration) <= manner.top_acceleration * (1 + 1e-9)
            now += DT * (1.0 + late)


@given(manners, shares)
@settings(max_examples=40)
def test_it_arrives_without_overshoot_in_every_manner_there_is(
    manner: Manner, share: np.ndarray
) -> None:
    goal = LOW + (HIGH - LOW) * share
    way, moment = goal - START.position, START
    length = float(np.linalg.norm(way))
    seconds = (
        length / manner.top_speed
        + 4 * np.sqrt(2 * length / manner.top_acceleration)
        + 12 / manner.quickness
    )

    for _ in range(int(seconds / DT)):
        moment = moment.advance(goal, DT, manner, WIDE)
        assert (moment.position - goal) @ way <= 1e-4 * length, "it went past its goal"
        if moment.arrived(goal):
            return

    raise AssertionError(
        f"it is {np.linalg.norm(goal - moment.position):.4f} m from its goal after {seconds:.1f} s"
    )


def test_a_gentle_acceleration_does_not_take_the_hand_through_the_floor() -> None:
    floor = np.array([0.5, 0.0, 0.05])
    traveller, now, lowest, arrived = Traveller(Manner(12.0, 0.45, 0.5), DT), 0.0, 1.0, False
    while not arrived:
        told, arrived = traveller.go(np.array([0.5, 0.0, 0.175]), floor, now)
        lowest, now = min(lowest, told.position[2]), now + DT
        assert now < 10.0

    assert lowest >= 0.05


def test_an_arm_that_began_outside_the_box_is_never_led_further_out() -> None:
    outside, inside = np.array([0.30, 0.0, 0.02]), np.array([0.5, 0.1, 0.1])
    traveller, now, last = Traveller(MANNER, DT), 0.0, 1.0
    for _ in range(200):
        told, _ = traveller.go(outside, inside, now)
        out = float(np.maximum(LOW - told.position, 0.0).max())
        assert out <= last + 1e-12
        last, now = out, now + DT

    assert last == 0.0


def test_at_a_goal_it_waits_for_the_next_wherever_the_hand_was_pushed() -> None:
    goal, now, arrived = START.position + [0.0, 0.1, 0.0], 0.0, False
    traveller = Traveller(MANNER, DT)
    while not arrived:
        told, arrived = traveller.go(START.position, goal, now)
        now += DT

    pushed = goal + [0.035, 0.0, 0.0]
    told, _ = traveller.go(pushed, goal + [0.0, 0.05, 0.0], now + 30.0)
    assert np.linalg.norm(told.position - goal) < 1e-9, "the spring jumped"
    traveller.rest()
    told, _ = traveller.go(pushed, goal, now + 31.0)
    assert np.linalg.norm(told.position - pushed) < 1e-9, "after a rest it begins where the arm is"


@given(manners, shares, shares, st.floats(0.05, 2.0))
@settings(max_examples=40)
def test_braking_it_comes_to_rest_as_soon_as_it_may_and_inside(
    manner: Manner, start: np.ndarray, end: np.ndarray, seconds: float
) -> None:
    traveller, now = Traveller(manner, DT), 0.0
    assert traveller.brake(now) is None
    here, goal = LOW + (HIGH - LOW) * start, LOW + (HIGH - LOW) * end

    for _ in range(int(seconds / DT)):
        told, arrived = traveller.go(here, goal, now)
        now += DT

    speed, place, rests = float(np.linalg.norm(told.velocity)), told.position, arrived
    for _ in range(int(speed / manner.top_acceleration / DT) + 3):
        braked = traveller.brake(now)
        assert braked is not None
        told, rests = braked
        assert (told.position >= LOW).all()
        assert (told.position <= HIGH).all()
        now += DT

    assert rests
    assert not told.velocity.any()
    way = speed**2 / (2 * manner.top_acceleration) + 2 * speed * DT
    assert np.linalg.norm(told.position - place) <= way + 1e-6
    told, _ = traveller.go(here, goal, now + 10.0)
    assert np.linalg.norm(told.velocity) <= manner.top_acceleration * DT, "it goes on from rest"


@pytest.mark.parametrize("bad", [(0.0, 0.6, 9.0), (12.0, -0.1, 9.0), (12.0, 0.6, float("nan"))])
def test_what_is_no_manner_is_refused(bad: tuple[float, float, float]) -> None:
    with pytest.raises(ConfigError, match="must be finite and positive"):
        Manner(*bad)
