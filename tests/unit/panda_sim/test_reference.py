import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from panda_sim.arm.limits import DDQ_MAX, DT
from panda_sim.arm.reference import Reference, Track

moves = st.lists(st.floats(-1e-3, 1e-3), min_size=1, max_size=20)


@given(moves)
def test_velocity_and_acceleration_are_differences_of_what_was_commanded(
    steps: list[float],
) -> None:
    track, positions = Track(np.zeros(1)), [0.0, 0.0, 0.0]
    for step in steps:
        positions.append(positions[-1] + step)
        track.to(np.array(positions[-1:]))

    speeds = np.diff(positions) / DT
    np.testing.assert_allclose(track.v, speeds[-1], atol=1e-9)
    np.testing.assert_allclose(track.a, (speeds[-1] - speeds[-2]) / DT, atol=1e-6)


def test_a_missing_command_goes_on_with_the_acceleration_of_the_last() -> None:
    track = Track(np.zeros(1))
    for k in range(1, 6):
        track.at(np.array([0.001 * k]))

    x, v = track.x.copy(), track.v.copy()
    for _ in range(3):
        track.extrapolate()

    np.testing.assert_allclose(track.v, v + 3 * 0.001)
    np.testing.assert_allclose(track.x, x + DT * (3 * v + 0.006))
    assert not track.jerk.any()


def test_each_limit_is_told_apart() -> None:
    generous = np.array([1e9])
    track = Track(np.zeros(1))
    track.at(np.array([0.5]))
    assert track.exceeds(np.array([0.4]), generous, generous) == (True, False, False)
    assert track.exceeds(generous, np.array([499.0]), generous) == (False, True, False)
    assert track.exceeds(generous, generous, np.array([4e5])) == (False, False, True)
    assert track.exceeds_norm(0.6, 501.0, 6e5) == (False, False, False)


@given(st.tuples(*[st.floats(-2.0, 2.0)] * 7).map(np.array))
def test_braking_ends_at_rest_and_never_quicker_than_the_joints_may(dq: np.ndarray) -> None:
    reference = Reference(Track(np.zeros(7)))
    reference.restart(np.zeros(7), dq)
    for _ in range(500):
        before = reference.joints.v.copy()
        reference.brake()
        assert (np.abs(reference.joints.v - before) <= DT * DDQ_MAX + 1e-12).all()

    assert not reference.joints.v.any()
    assert not reference.joints.a.any()
