import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from wayfarer_core.rotation import angle_between, is_rotation, quaternion_of_matrix, turned

unit = (
    st.tuples(*[st.floats(-1.0, 1.0)] * 4)
    .map(np.array)
    .filter(lambda q: np.linalg.norm(q) > 0.1)
    .map(lambda q: q / np.linalg.norm(q))
)
DOWN = np.array([1.0, 0.0, 0.0, 0.0])


def about_x(angle: float) -> np.ndarray:
    return np.array([np.sin(angle / 2), 0.0, 0.0, np.cos(angle / 2)])


@pytest.mark.parametrize(
    "bad", [[0, 0, 0, 0], [0.5, 0.5, 0, 0], [2, 0, 0, 0], [np.nan, 0, 0, 1], [np.inf, 0, 0, 0]]
)
def test_only_a_quaternion_of_length_one_is_a_rotation(bad: list[float]) -> None:
    assert is_rotation(DOWN)
    assert not is_rotation(np.array(bad, dtype=float))


@given(st.floats(-np.pi, np.pi), st.floats(-np.pi, np.pi))
def test_the_angle_is_that_of_the_shorter_turn_whatever_the_signs(a: float, b: float) -> None:
    wanted = abs((a - b + np.pi) % (2 * np.pi) - np.pi)
    for sign in (1.0, -1.0):
        assert angle_between(about_x(a), sign * about_x(b)) == pytest.approx(wanted, abs=1e-7)


@given(unit, unit, st.floats(0.0, 4.0))
def test_a_turn_is_no_longer_than_allowed_and_leads_towards_its_end(
    a: np.ndarray, b: np.ndarray, most: float
) -> None:
    whole, q = angle_between(a, b), turned(a, b, most)
    assert is_rotation(q)
    assert angle_between(a, q) <= most + 1e-7
    assert angle_between(q, b) == pytest.approx(max(whole - most, 0.0), abs=1e-6)


@given(unit, unit)
def test_what_is_near_enough_is_returned_bit_for_bit(a: np.ndarray, b: np.ndarray) -> None:
    assert turned(a, b, np.pi + 1e-6) is b


@given(unit, unit)
def test_no_turn_at_all_is_a_turn_of_nothing(a: np.ndarray, b: np.ndarray) -> None:
    assert angle_between(a, turned(a, b, 0.0)) < 1e-7


@given(unit)
def test_a_matrix_and_its_quaternion_are_the_same_rotation(q: np.ndarray) -> None:
    found = quaternion_of_matrix(Rotation.from_quat(q).as_matrix())
    assert is_rotation(found)
    assert found[3] >= 0.0
    assert angle_between(q / np.linalg.norm(q), found) < 1e-6


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_half_a_turn_has_no_w_to_divide_by(axis: int) -> None:
    np.testing.assert_allclose(
        quaternion_of_matrix(2.0 * np.diag(np.eye(3)[axis]) - np.eye(3)), np.eye(4)[axis]
    )
