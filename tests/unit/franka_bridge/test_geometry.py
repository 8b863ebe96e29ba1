import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_franka_bridge.geometry import from_tool, out_of_reach, quaternion, rotation, to_tool

DOWN = np.array([1.0, 0.0, 0.0, 0.0])
unit = st.lists(st.floats(-1, 1), min_size=4, max_size=4).filter(lambda q: np.linalg.norm(q) > 0.1)


@given(unit)
def test_quaternion_and_rotation_are_each_others_inverse(q: list[float]) -> None:
    wanted = np.array(q) / np.linalg.norm(q)
    R = rotation(wanted)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-12)
    found = quaternion(R)
    assert abs(abs(found @ wanted) - 1.0) < 1e-9


def test_a_gripper_that_points_down_keeps_its_sign() -> None:
    assert quaternion(np.diag([1.0, -1.0, -1.0])).tolist() == DOWN.tolist()


@given(unit, st.lists(st.floats(-0.3, 0.3), min_size=3, max_size=3))
def test_the_tool_point_goes_there_and_back(q: list[float], offset: list[float]) -> None:
    unit_q, p, o = np.array(q) / np.linalg.norm(q), np.array([0.5, 0.1, 0.2]), np.array(offset)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = rotation(unit_q), from_tool(p, unit_q, o)
    np.testing.assert_allclose(to_tool(T, o), p, atol=1e-12)


def test_the_simulators_tool_point_lies_7_mm_above_libfrankas_when_the_gripper_points_down() -> (
    None
):
    hand = from_tool(np.array([0.48, 0.0, 0.09]), DOWN, np.array([0.0, 0.0, -0.007]))
    np.testing.assert_allclose(hand, [0.48, 0.0, 0.083], atol=1e-12)


@pytest.mark.parametrize(
    "p", [(0.48, 0.0, 0.083), (0.36, 0.3, 0.05), (0.68, 0.3, 0.05), (0.68, 0.0, 0.35)]
)
def test_the_usual_workspace_is_within_reach(p: tuple[float, ...]) -> None:
    assert out_of_reach(np.array(p), DOWN, 0.70) == ""


@pytest.mark.parametrize(
    "p", [(1.5, 0.0, 0.1), (0.80, 0.35, -0.08), (0.5, 0.0, 1.2), (-0.9, 0.0, 0.0)]
)
def test_what_is_too_far_is_refused(p: tuple[float, ...]) -> None:
    assert "out of reach" in out_of_reach(np.array(p), DOWN, 0.70)


def test_what_is_too_near_is_refused() -> None:
    assert "too near" in out_of_reach(np.array([0.05, 0.0, 0.15]), DOWN, 0.70)


@given(st.floats(0.4, 0.7), st.floats(-np.pi, np.pi), st.floats(0.05, 3.0))
def test_a_posture_of_a_real_arm_never_counts_as_out_of_its_greatest_reach(
    q2: float, q1: float, q4: float
) -> None:
    """Whatever joints 1, 2 and 4 do, forward kinematics cannot leave the greatest distance of the
    wrist.
    """
    p, q = forward(np.array([q1, q2, 0.0, -q4, 0.0, 1.57 + q2 + q4 - np.pi / 2, 0.785]))
    assert "out of reach" not in out_of_reach(p, q, 0.7195)


def forward(q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Franka's kinematics (modified Denavit-Hartenberg, Franka Control Interface documentation) to
    O_T_EE.
    """
    T = np.eye(4)
    half = np.pi / 2
    table = [
        (0, 0.333, 0),
        (0, 0, -half),
        (0, 0.316, half),
        (0.0825, 0, half),
        (-0.0825, 0.384, -half),
        (0, 0, half),
    ]

    for (a, d, alpha), theta in zip(
        [*table, (0.088, 0, half), (0, 0.107 + 0.1034, 0)], [*q, -np.pi / 4], strict=True
    ):
        c, s, ca, sa = np.cos(theta), np.sin(theta), np.cos(alpha), np.sin(alpha)
        link = [
            [c, -s, 0, a],
            [s * ca, c * ca, -sa, -d * sa],
            [s * sa, c * sa, ca, d * ca],
            [0, 0, 0, 1],
        ]
        T = T @ np.array(link)

    return T[:3, 3], quaternion(T[:3, :3])


def test_the_forward_kinematics_of_this_test_agree_with_the_home_of_the_simulator() -> None:
    home = np.array([0.0, 0.276525, 0.0, -2.462461, 0.0, 2.738986, 0.785853])
    p, q = forward(home)
    np.testing.assert_allclose(p, [0.48, 0.0, 0.083], atol=1e-3)
    np.testing.assert_allclose(abs(q @ DOWN), 1.0, atol=1e-4)
