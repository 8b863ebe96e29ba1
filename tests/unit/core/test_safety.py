import math
from dataclasses import replace

import numpy as np
import pytest
from fixtures.limits import LIMITS
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from wayfarer_core.errors import ConfigError
from wayfarer_core.reason import Reason
from wayfarer_core.rotation import angle_between
from wayfarer_core.safety import Decision, Limits, Pose, Situation, Watchdog, decide, hold
from wayfarer_msgs.msg import ExecutedAction

CENTRE = np.array([0.58, 0.0, 0.15])
DOWN = np.array([1.0, 0.0, 0.0, 0.0])
SLACK = 1e-9  # m, as the gate's own
HOLDS = Reason.STOPPED | Reason.NOT_FINITE | Reason.STALE | Reason.SILENT

ordinary = st.floats(-2.0, 2.0)
anything = st.one_of(
    ordinary, st.floats(), st.sampled_from([0.0, -0.0, 5e-324, -1e308, 1e308, math.inf, math.nan])
)
not_negative = st.one_of(
    st.floats(0.0, 2.0),
    st.floats(0.0, allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, 5e-324, 1e308]),
)
finite = st.one_of(ordinary, st.floats(allow_nan=False, allow_infinity=False))


rotations = (
    st.tuples(*[st.floats(-1.0, 1.0)] * 4).map(np.array).filter(lambda q: np.linalg.norm(q) > 0.1)
)
quaternions = rotations.map(lambda q: q / np.linalg.norm(q))


def vectors(number: st.SearchStrategy[float]) -> st.SearchStrategy[NDArray[np.float64]]:
    return st.tuples(number, number, number).map(np.array)


@st.composite
def any_limits(draw: st.DrawFn) -> Limits:
    """Every valid Limits: zeros, denormals, huge numbers and boxes with hardly a volume."""
    corners = np.sort([draw(vectors(finite)), draw(vectors(finite))], axis=0)
    if draw(st.booleans()) or (corners[0] == corners[1]).any():
        with np.errstate(over="ignore"):
            corners[1] = np.nextafter(corners[0], np.inf)

    assume(np.isfinite(corners).all())

    return Limits(
        action_scale=draw(not_negative),
        max_step=draw(not_negative),
        max_speed=draw(not_negative),
        max_turn=draw(not_negative),
        workspace_min=tuple(corners[0].tolist()),
        workspace_max=tuple(corners[1].tolist()),
        orientation=tuple(draw(quaternions).tolist()),
        control_period=draw(not_negative.filter(bool)),
        max_age=draw(not_negative),
        silence=draw(not_negative),
    )


@st.composite
def sensible_limits(draw: st.DrawFn) -> Limits:
    """Limits of an arm's size, zeros included, so that most decisions are commands."""
    zero_or = st.sampled_from([0.0, 0.01, 0.125, 1.0])
    return replace(
        LIMITS, action_scale=draw(zero_or), max_step=draw(zero_or), max_speed=draw(zero_or)
    )


def poses(positions: st.SearchStrategy[NDArray[np.float64]]) -> st.SearchStrategy[Pose]:
    broken = st.tuples(anything, anything, anything, anything).map(np.array)
    return st.builds(Pose, positions, quaternions | broken)


@st.composite
def any_situation(draw: st.DrawFn) -> Situation:
    return Situation(
        now=draw(anything),
        pose=draw(st.none() | poses(vectors(anything))),
        robot_error=draw(st.booleans()),
        stopped=draw(st.booleans()),
        last_stamp=draw(anything),
    )


inside = st.tuples(st.floats(0.36, 0.80), st.floats(-0.35, 0.35), st.floats(-0.08, 0.388)).map(
    np.array
)
LOW, HIGH = LIMITS.workspace_min, LIMITS.workspace_max
near = vectors(st.floats(-0.2, 1.0))  # inside the ordinary box, or not far from it


def at(position: NDArray[np.float64], quaternion: NDArray[np.float64] = DOWN) -> Pose:
    return Pose(position, quaternion)


def situation(
    position: NDArray[np.float64] = CENTRE, last_stamp: float = 9.5, **changes: object
) -> Situation:
    plain = Situation(
        now=10.0, pose=at(position), robot_error=False, stopped=False, last_stamp=last_stamp
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def assert_safe(decision: Decision, limits: Limits, pose: Pose | None, time_given: float) -> None:
    assert decision.executed.shape == (3,)
    if decision.target is None:
        assert decision.reasons
        assert np.isnan(decision.executed).all(), "a number for what did not happen"
        return

    assert pose is not None
    assert np.isfinite(decision.executed).all()
    assert (np.abs(decision.executed) <= 1.0).all()
    target = decision.target.position
    assert target.shape == (3,)
    assert np.isfinite(target).all()
    assert (target >= limits.workspace_min).all()
    assert (target <= limits.workspace_max).all()
    length = math.hypot(*(target - pose.position))
    assert length <= limits.max_step * (1 + SLACK) + SLACK
    assert length <= limits.max_speed * time_given * (1 + SLACK) + SLACK
    assert abs(np.linalg.norm(decision.target.quaternion) - 1.0) < 2e-3
    assert (
        angle_between(pose.quaternion, decision.target.quaternion)
        <= limits.max_turn * time_given + 3e-3
    )


def time_given(limits: Limits, decision: Decision, stamp: float, last_stamp: float) -> float:
    """Time [s] in which a target may be reached: since the last command, at most a period.

    A hold has a period.
    """
    since = stamp - last_stamp

    return (
        since
        if since < limits.control_period and not decision.reasons & HOLDS
        else limits.control_period
    )


@settings(max_examples=150)
@given(any_limits(), vectors(anything), anything, any_situation())
@example(LIMITS, np.ones(3), 10.0, situation(last_stamp=math.nan))
@example(replace(LIMITS, action_scale=1e308, max_step=1e308), np.ones(3), 10.0, situation())
def test_no_input_at_all_yields_a_command_outside_the_limits(
    limits: Limits, action: NDArray[np.float64], stamp: float, now: Situation
) -> None:
    with np.errstate(all="ignore"):
        decision = decide(limits, action, stamp, now)
        assert_safe(decision, limits, now.pose, time_given(limits, decision, stamp, now.last_stamp))
        if now.robot_error:
            assert decision.target is None


def test_the_corners_of_floating_point_are_safe_in_every_combination_tried() -> None:
    rng = np.random.default_rng(0)
    sizes = np.array(
        [0.0, 5e-324, 1e-308, 1e-17, 1e-9, 0.01, 0.125, 0.5, 1.0, 3.0, 1e10, 1e160, 1e308]
    )
    numbers = np.concatenate([sizes, -sizes, [math.nan, math.inf, -math.inf]])
    sent = 0

    with np.errstate(all="ignore"):
        for _ in range(5000):
            corners = np.sort(rng.choice(numbers[:-3], (2, 3)), axis=0)
            corners[1] = np.where(
                corners[0] == corners[1], np.nextafter(corners[0], np.inf), corners[1]
            )
            scale, step, speed, age, silence = rng.choice(sizes, 5)
            period = rng.choice(sizes[1:])
            box = tuple(corners[0]), tuple(corners[1])
            limits = Limits(
                scale, step, speed, 0.5, *box, (1.0, 0.0, 0.0, 0.0), period, age, silence
            )
            at_corner = corners[rng.integers(2, size=3), np.arange(3)]
            position = at_corner if rng.random() < 0.5 else rng.choice(numbers, 3)
            last = rng.choice(numbers)
            decision = decide(
                limits,
                rng.choice(numbers, 3),
                10.0,
                situation(position, last, now=rng.choice([10.0, last])),
            )
            assert_safe(decision, limits, at(position), time_given(limits, decision, 10.0, last))
            sent += decision.target is not None

    assert sent > 500


@settings(max_examples=150)
@given(any_limits(), vectors(anything), vectors(finite), st.floats(0.0, 2.0))
def test_an_action_in_time_stays_within_every_limit_whatever_the_limits(
    limits: Limits, action: NDArray[np.float64], position: NDArray[np.float64], since: float
) -> None:
    with np.errstate(all="ignore"):
        decision = decide(limits, action, 10.0, situation(position, last_stamp=10.0 - since))
        assert_safe(
            decision, limits, at(position), time_given(limits, decision, 10.0, 10.0 - since)
        )


@settings(max_examples=150)
@given(sensible_limits(), vectors(anything), near, st.floats(1e-3, 2.0))
@example(replace(LIMITS, action_scale=0.0), np.full(3, 0.5), CENTRE, 0.5)
def test_what_is_executed_differs_from_what_was_asked_only_with_a_reason(
    limits: Limits, action: NDArray[np.float64], position: NDArray[np.float64], since: float
) -> None:
    decision = decide(limits, action, 10.0, situation(position, last_stamp=10.0 - since))
    assert_safe(decision, limits, at(position), time_given(limits, decision, 10.0, 10.0 - since))
    if not decision.reasons:
        assert decision.target is not None
        assert decision.executed == pytest.approx(action, abs=1e-9)
        assert decision.target.position == pytest.approx(
            position + limits.action_scale * action, abs=1e-12
        )


@settings(max_examples=100)
@given(any_limits(), vectors(anything), vectors(finite), st.floats(0.0, 2.0))
def test_an_action_is_executed_as_asked_or_a_reason_given_up_to_the_rounding_of_large_numbers(
    limits: Limits, action: NDArray[np.float64], position: NDArray[np.float64], since: float
) -> None:
    with np.errstate(all="ignore"):
        decision = decide(limits, action, 10.0, situation(position, last_stamp=10.0 - since))
        if not decision.reasons:
            ulp = np.spacing(np.maximum(np.abs(position), limits.action_scale))
            rounding = 4.0 * ulp / limits.action_scale if limits.action_scale else np.zeros(3)
            assert (np.abs(decision.executed - action) <= 1e-9 + rounding).all()


@given(inside, vectors(st.floats(-0.3, 0.3)))
def test_a_small_action_in_free_space_is_executed_in_full_and_without_reasons(
    position: NDArray[np.float64], action: NDArray[np.float64]
) -> None:
    roomy = replace(LIMITS, workspace_min=(0.0, -1.0, -1.0), workspace_max=(1.5, 1.0, 1.0))
    decision = decide(roomy, action, 10.0, situation(position))
    assert decision.reasons == Reason(0)
    assert decision.target is not None
    assert decision.target.position == pytest.approx(position + 0.125 * action)
    assert decision.executed == pytest.approx(action, abs=1e-12)


@given(any_limits(), vectors(anything), anything, any_situation())
@settings(max_examples=40)
def test_nothing_is_sent_while_the_robot_reports_an_error(
    limits: Limits, action: NDArray[np.float64], stamp: float, now: Situation
) -> None:
    decision = decide(limits, action, stamp, replace(now, robot_error=True))
    assert decision.target is None
    assert decision.reasons == Reason.ROBOT_ERROR


@given(vectors(anything), anything, inside, anything, anything)
def test_a_stopped_arm_holds_whatever_is_asked(
    action: NDArray[np.float64],
    stamp: float,
    position: NDArray[np.float64],
    now: float,
    last: float,
) -> None:
    decision = decide(LIMITS, action, stamp, situation(position, last, now=now, stopped=True))
    assert decision.reasons == Reason.STOPPED
    assert decision.target is not None
    assert (decision.target.position == position).all()
    assert not decision.executed.any()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_an_action_that_is_not_finite_is_answered_with_a_hold(bad: float, axis: int) -> None:
    action = np.zeros(3)
    action[axis] = bad
    decision = decide(LIMITS, action, 10.0, situation())
    assert decision.reasons == Reason.NOT_FINITE
    assert decision.target is not None
    assert (decision.target.position == CENTRE).all()
    assert not decision.executed.any()


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_time_that_is_not_finite_is_answered_with_a_hold(bad: float) -> None:
    for stamp, now in ((bad, 10.0), (10.0, bad)):
        decision = decide(LIMITS, np.ones(3), stamp, situation(now=now))
        assert decision.reasons == Reason.NOT_FINITE
        assert decision.target is not None
        assert (decision.target.position == CENTRE).all()


@pytest.mark.parametrize("stopped", [True, False])
@pytest.mark.parametrize(
    "position", [np.array([math.nan, 0, 0]), np.array([0, math.inf, 0]), np.zeros(2), np.zeros(7)]
)
def test_nothing_is_sent_to_an_arm_whose_pose_is_unknown(
    position: NDArray[np.float64], stopped: bool
) -> None:
    decision = decide(LIMITS, np.zeros(3), 10.0, situation(position, stopped=stopped))
    assert decision.target is None
    assert decision.reasons == (
        Reason.NOT_FINITE | Reason.STOPPED if stopped else Reason.NOT_FINITE
    )


@pytest.mark.parametrize("last", [10.0, 10.0 + 1e-9, 11.0, math.inf, math.nan])
def test_an_action_that_is_not_newer_than_the_last_command_is_ignored(last: float) -> None:
    decision = decide(LIMITS, np.zeros(3), 10.0, situation(last_stamp=last))
    assert decision.target is None
    assert decision.reasons == Reason.OUT_OF_ORDER


@pytest.mark.parametrize("now", [10.3, 9.7, 1e9, -1e308])
def test_an_observation_too_old_or_from_the_future_is_answered_with_a_hold(now: float) -> None:
    decision = decide(LIMITS, np.ones(3), 10.0, situation(now=now))
    assert decision.reasons == Reason.STALE
    assert decision.target is not None
    assert (decision.target.position == CENTRE).all()


def test_an_observation_of_exactly_the_oldest_age_is_still_acted_on() -> None:
    assert decide(LIMITS, np.zeros(3), 10.0, situation(now=10.25)).reasons == Reason(0)


def test_a_component_beyond_one_is_clipped() -> None:
    decision = decide(LIMITS, np.array([2.0, 0.0, -0.5]), 10.0, situation())
    assert decision.reasons == Reason.ACTION_RANGE
    assert decision.executed == pytest.approx([1.0, 0.0, -0.5])


def test_a_step_that_is_too_long_is_shortened_and_keeps_its_direction() -> None:
    decision = decide(replace(LIMITS, max_step=0.05), np.array([0.6, 0.8, 0.0]), 10.0, situation())
    assert decision.reasons == Reason.STEP_LENGTH
    assert decision.target is not None
    assert decision.target.position == pytest.approx(CENTRE + 0.05 * np.array([0.6, 0.8, 0.0]))
    assert decision.executed == pytest.approx(0.4 * np.array([0.6, 0.8, 0.0]))


@pytest.mark.parametrize(
    ("since", "reach"), [(0.1, 0.045), (0.2, 0.09), (5.0, 0.125), (math.inf, 0.125)]
)
def test_a_step_is_no_longer_than_the_speed_allows_in_the_time_since_the_last(
    since: float, reach: float
) -> None:
    decision = decide(LIMITS, np.array([0.0, 1.0, 0.0]), 10.0, situation(last_stamp=10.0 - since))
    assert decision.target is not None
    assert decision.target.position == pytest.approx(CENTRE + np.array([0.0, reach, 0.0]))
    assert decision.reasons == (Reason.SPEED if reach < 0.125 else Reason(0))


def test_a_pause_does_not_save_up_speed() -> None:
    slow = replace(LIMITS, max_speed=0.1)
    decision = decide(slow, np.array([0.0, 1.0, 0.0]), 10.0, situation(last_stamp=-1000.0))
    assert decision.target is not None
    # one control period's worth
    assert decision.target.position == pytest.approx(CENTRE + np.array([0.0, 0.05, 0.0]))


def test_a_target_beyond_the_box_is_moved_onto_its_surface() -> None:
    decision = decide(
        LIMITS, np.array([1.0, 0.0, 0.0]), 10.0, situation(np.array([0.75, 0.0, 0.1]))
    )
    assert decision.reasons == Reason.WORKSPACE
    assert decision.target is not None
    assert decision.target.position == pytest.approx([0.80, 0.0, 0.1])
    assert decision.executed == pytest.approx([0.4, 0.0, 0.0])


def test_an_arm_just_outside_the_box_is_led_back_onto_it() -> None:
    decision = decide(LIMITS, np.zeros(3), 10.0, situation(np.array([0.81, 0.0, 0.1])))
    assert decision.reasons == Reason.WORKSPACE
    assert decision.target is not None
    assert decision.target.position == pytest.approx([0.80, 0.0, 0.1])


@pytest.mark.parametrize("action", [np.zeros(3), np.array([-1.0, 0.0, 0.0])])
def test_an_arm_far_outside_the_box_gets_no_command(action: NDArray[np.float64]) -> None:
    decision = decide(LIMITS, action, 10.0, situation(np.array([1.3, 0.0, 0.1])))
    assert decision.target is None
    assert Reason.OUTSIDE in decision.reasons


@pytest.mark.parametrize("zero", ["action_scale", "max_step", "max_speed"])
def test_a_limit_of_zero_is_a_limit(zero: str) -> None:
    decision = decide(replace(LIMITS, **{zero: 0.0}), np.full(3, 0.5), 10.0, situation())
    assert decision.target is not None
    assert decision.target.position == pytest.approx(CENTRE, abs=1e-12)
    assert not decision.executed.any()
    assert decision.reasons == (Reason.SPEED if zero == "max_speed" else Reason.STEP_LENGTH)


def test_an_age_limit_of_zero_refuses_the_slightest_delay() -> None:
    strict = replace(LIMITS, max_age=0.0)
    assert decide(strict, np.zeros(3), 10.0, situation(now=10.0)).reasons == Reason(0)
    assert decide(strict, np.zeros(3), 10.0, situation(now=10.0 + 1e-9)).reasons == Reason.STALE


@settings(max_examples=50)
@given(
    any_limits(),
    st.none() | poses(vectors(anything)),
    st.sampled_from(list(Reason)),
    st.booleans(),
)
def test_a_hold_is_safe_and_says_why(
    limits: Limits, pose: Pose | None, why: Reason, led: bool
) -> None:
    with np.errstate(all="ignore"):
        decision = hold(limits, pose, why, led)
        assert why in decision.reasons
        assert_safe(decision, limits, pose, limits.control_period)
        if decision.target is not None and pose is not None:
            assert (decision.target.quaternion == pose.quaternion).all(), "a hold turns the hand"


@settings(max_examples=150)
@given(near, inside)
def test_a_hold_of_an_arm_on_its_way_is_no_longer_way(
    position: NDArray[np.float64], target: NDArray[np.float64]
) -> None:
    at_rest, led = (hold(LIMITS, at(position), Reason.STOPPED, led) for led in (False, True))
    outside = np.linalg.norm(position - np.clip(position, LOW, HIGH))
    assert (at_rest.target is not None) == (outside <= 0.02)
    assert (led.target is not None) == (outside <= LIMITS.max_step)

    if led.target is not None:
        way = np.linalg.norm(led.target.position - position)
        assert way <= np.linalg.norm(target - position) + SLACK


@pytest.mark.parametrize("reason", [Reason.STOPPED, Reason.NOT_FINITE, Reason.STALE, Reason(0)])
def test_an_arm_whose_place_is_not_known_gets_no_command_not_even_to_hold(reason: Reason) -> None:
    changes = {Reason.STOPPED: {"stopped": True}, Reason.STALE: {"now": 11.0}}.get(reason, {})
    action = np.full(3, math.nan) if reason == Reason.NOT_FINITE else np.ones(3)
    decision = decide(LIMITS, action, 10.0, situation(pose=None, **changes))
    assert decision.target is None
    assert decision.reasons == reason | Reason.NO_POSE


def about_z(angle: float) -> NDArray[np.float64]:
    """A hand that points down, turned about its own axis [rad]."""
    return np.array([math.cos(angle / 2), math.sin(angle / 2), 0.0, 0.0])


def test_a_hand_that_is_nearly_as_it_shall_be_is_commanded_so() -> None:
    decision = decide(LIMITS, np.zeros(3), 10.0, situation(pose=at(CENTRE, about_z(0.2))))
    assert decision.target is not None
    assert decision.target.quaternion.tolist() == DOWN.tolist()
    assert decision.reasons == Reason(0)


@pytest.mark.parametrize("angle", [math.radians(70.0), -1.9, math.pi])
def test_a_turned_hand_is_led_back_at_a_bounded_rate_and_a_reason_given(angle: float) -> None:
    pose, turns = at(CENTRE, about_z(angle)), 0
    while angle_between(pose.quaternion, DOWN) > 0.0:
        decision = decide(LIMITS, np.zeros(3), 10.0, situation(pose=pose))
        assert decision.target is not None
        turned = angle_between(pose.quaternion, decision.target.quaternion)
        assert turned <= LIMITS.max_turn * LIMITS.control_period + 1e-9
        if (decision.target.quaternion == DOWN).all():
            break

        assert decision.reasons == Reason.TURNED
        pose, turns = decision.target, turns + 1

    assert turns == math.ceil(abs(angle) / (LIMITS.max_turn * LIMITS.control_period)) - 1


@given(inside, quaternions)
def test_a_hold_keeps_the_hand_as_it_measurably_is(
    position: NDArray[np.float64], q: NDArray[np.float64]
) -> None:
    decision = hold(LIMITS, at(position, q), Reason.STOPPED)
    assert decision.target is not None
    assert (decision.target.quaternion == q).all()
    assert decision.reasons == Reason.STOPPED


@pytest.mark.parametrize(
    "orientation",
    [(0.0, 0.0, 0.0, 0.0), (0.5, 0.5, 0.0, 0.0), (math.nan, 0.0, 0.0, 1.0), (1.0, 0.0, 0.0)],
)
def test_an_orientation_that_is_no_rotation_is_refused(orientation: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="is no rotation"):
        replace(LIMITS, orientation=orientation)


def test_the_reasons_are_the_constants_of_the_message_bit_for_bit() -> None:
    of_message = {
        key: getattr(ExecutedAction, key)
        for key in dir(ExecutedAction)
        if key.isupper() and key != "SLOT_TYPES"
    }
    assert of_message == {reason.name: reason.value for reason in Reason}
    assert len(of_message) == 16
    assert ExecutedAction(reasons=sum(Reason)).reasons == sum(of_message.values())


@pytest.mark.parametrize("bad", [-1e-9, -1.0, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "name",
    ["action_scale", "max_step", "max_speed", "max_turn", "max_age", "silence", "control_period"],
)
def test_a_limit_that_is_negative_or_not_finite_is_refused_by_name(name: str, bad: float) -> None:
    with pytest.raises(ConfigError, match=name):
        replace(LIMITS, **{name: bad})


def test_a_control_period_of_zero_is_refused() -> None:
    with pytest.raises(ConfigError, match="control_period"):
        replace(LIMITS, control_period=0.0)


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ((0.9, -0.3, 0.0), (0.8, 0.3, 0.3)),
        ((0.58, 0.0, 0.15), (0.58, 0.0, 0.15)),  # a box without a volume
        ((0.36, -0.35, 0.1), (0.80, 0.35, 0.1)),
        ((0.1, -0.3, math.nan), (0.8, 0.3, 0.3)),
        ((0.1, -math.inf, 0.0), (0.8, 0.3, 0.3)),
        ((0.1, 0.2), (0.8, 0.3)),
    ],
)
def test_a_workspace_that_is_no_box_is_refused(
    low: tuple[float, ...], high: tuple[float, ...]
) -> None:
    with pytest.raises(ConfigError, match="workspace"):
        replace(LIMITS, workspace_min=low, workspace_max=high)


def test_the_watchdog_is_quiet_before_the_first_action() -> None:
    assert not Watchdog(0.75).expired(1e9)


def test_the_watchdog_barks_once_the_silence_has_lasted_too_long() -> None:
    watchdog = Watchdog(0.75)
    watchdog.action_arrived(10.0)
    assert not watchdog.expired(10.75)
    assert watchdog.expired(10.751)


def test_each_action_quiets_the_watchdog_anew() -> None:
    watchdog = Watchdog(0.75)
    watchdog.action_arrived(10.0)
    watchdog.action_arrived(10.7)
    assert not watchdog.expired(11.4)
    assert watchdog.expired(11.5)


def test_a_disarmed_watchdog_stays_quiet_until_the_next_action() -> None:
    watchdog = Watchdog(0.75)
    watchdog.action_arrived(10.0)
    watchdog.disarm()
    assert not watchdog.expired(100.0)
    watchdog.action_arrived(100.0)
    assert watchdog.expired(101.0)


def test_a_clock_that_goes_back_makes_the_watchdog_bark() -> None:
    watchdog = Watchdog(0.75)
    watchdog.action_arrived(10.0)
    assert watchdog.expired(3.0)


@given(st.floats(0.0, 20.0), st.floats(0.0, 1e6), st.floats(0.0, 40.0))
def test_the_watchdog_barks_exactly_after_its_time(
    silence: float, start: float, later: float
) -> None:
    watchdog = Watchdog(silence)
    watchdog.action_arrived(start)
    assert watchdog.expired(start + later) == ((start + later) - start > silence)
