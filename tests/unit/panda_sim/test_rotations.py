import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panda_sim.arm.rotations import difference, exp, is_pose, log

vectors = st.tuples(*[st.floats(-3.0, 3.0)] * 3).map(np.array)


@given(vectors)
def test_log_undoes_exp_within_half_a_turn(w: np.ndarray) -> None:
    length = np.linalg.norm(w)
    short = w * min(1.0, 3.1 / max(length, 1e-9))
    np.testing.assert_allclose(log(exp(short)), short, atol=1e-6)


@given(vectors)
def test_exp_is_a_rotation(w: np.ndarray) -> None:
    R = exp(w)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(R) == pytest.approx(1.0)


@pytest.mark.parametrize("axis", np.eye(3))
def test_half_a_turn_has_its_axis(axis: np.ndarray) -> None:
    np.testing.assert_allclose(np.abs(log(exp(np.pi * axis))), np.pi * axis, atol=1e-6)


@given(vectors, vectors)
def test_a_difference_leads_from_one_pose_to_the_other(turn: np.ndarray, way: np.ndarray) -> None:
    T_from, T_to = np.eye(4), np.eye(4)
    T_from[:3, :3], T_to[:3, :3], T_to[:3, 3] = exp(0.3 * turn), exp(0.3 * way), way
    step = difference(T_to, T_from)
    np.testing.assert_allclose(T_from[:3, 3] + step[:3], T_to[:3, 3], atol=1e-9)
    np.testing.assert_allclose(exp(step[3:]) @ T_from[:3, :3], T_to[:3, :3], atol=1e-6)


def test_only_poses_are_poses() -> None:
    good = np.eye(4)
    assert is_pose(good)
    for place, value in (((0, 0), 1.1), ((3, 0), 0.1), ((0, 3), np.nan), ((2, 2), -1.0)):
        bad = good.copy()
        bad[place] = value
        assert not is_pose(bad), bad
