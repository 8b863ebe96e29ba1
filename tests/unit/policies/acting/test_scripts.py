import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_core.errors import ConfigError
from wayfarer_policies.acting.policy import RobotState, Start
from wayfarer_policies.acting.scripts import SCRIPTS, Box, ScriptedPolicy, steps_needed, sweep

BOX = Box((0.36, -0.35, -0.08), (0.80, 0.35, 0.388), 0.125)
IMAGE = np.zeros((84, 84, 3), np.uint8)

boxes = st.builds(
    lambda low, size, scale: Box(
        tuple(low), tuple(a + b for a, b in zip(low, size, strict=True)), scale
    ),
    st.tuples(*[st.floats(-0.5, 0.5)] * 3),
    st.tuples(*[st.floats(0.1, 0.8)] * 3),
    st.floats(0.02, 0.2),
)


def follow(script: str, box: Box, start: np.ndarray, steps: int) -> np.ndarray:
    """Positions of an arm that does exactly what it is asked, (steps + 1, 3)."""
    policy = ScriptedPolicy(script, box)
    policy.begin_episode(Start(np.random.default_rng(0), explore=False))
    positions = [start]

    for _ in range(steps):
        action = policy.act(IMAGE, RobotState(positions[-1]))
        assert action.dtype == np.float32
        assert np.abs(action).max() <= 1.0 + 1e-6
        positions.append(positions[-1] + box.action_scale * action.astype(float))

    return np.array(positions)


@pytest.mark.parametrize("script", SCRIPTS)
@given(boxes)
def test_every_way_point_lies_in_the_box(script: str, box: Box) -> None:
    for way in SCRIPTS[script](box):
        assert (way.point >= np.array(box.low) - 1e-9).all()
        assert (way.point <= np.array(box.high) + 1e-9).all()
        assert 0.0 < way.longest <= box.action_scale


@pytest.mark.parametrize("script", SCRIPTS)
@given(boxes, st.tuples(*[st.floats(0.0, 1.0)] * 3))
def test_an_arm_that_obeys_is_through_in_the_steps_it_needs_and_then_stands_above_the_middle(
    script: str, box: Box, start: tuple[float, float, float]
) -> None:
    at = np.array(box.low) + np.array(start) * np.subtract(box.high, box.low)
    positions = follow(script, box, at, steps_needed(script, box))
    middle = np.add(box.low[:2], box.high[:2]) / 2
    assert np.abs(positions[-1][:2] - middle).max() < 0.02
    assert positions[-1][2] > box.low[2] + 0.03
    np.testing.assert_array_equal(positions[-1], positions[-2])


def test_strokes_lead_from_all_four_sides_towards_the_middle_line_low_over_the_table() -> None:
    positions = follow("sweep", BOX, np.array([0.48, 0.0, 0.09]), steps_needed("sweep", BOX))
    low = positions[:-1][:, 2] < BOX.low[2] + 0.02  # where a stroke may begin
    moved = np.diff(positions, axis=0)
    x, y = positions[:-1, 0] - 0.58, positions[:-1, 1]
    strokes = low & (np.abs(moved[:, 2]) < 1e-6) & (np.abs(moved[:, :2]).max(axis=1) > 0.02)
    along_y = strokes & (np.abs(moved[:, 1]) > np.abs(moved[:, 0]))
    along_x = strokes & ~along_y
    assert (moved[along_y, 1] * y[along_y] < 0.0).all()
    assert (moved[along_x, 0] * x[along_x] < 0.0).all()

    for side in (-1.0, 1.0):
        assert (along_y & (side * y > 0.3)).any()
        assert (along_x & (side * x > 0.2)).any()


def test_no_cube_fits_between_two_lanes() -> None:
    lanes = sorted(
        {round(float(way.point[0]), 6) for way in sweep(BOX) if abs(way.point[1]) > 0.34}
    )
    assert lanes[0] == 0.36
    assert lanes[-1] == 0.80
    assert max(np.diff(lanes)) < 0.05 + 0.02, "edge of the cube and width of the closed fingers"


def test_a_way_that_is_blocked_is_given_up_after_a_while() -> None:
    policy = ScriptedPolicy("sweep", BOX)
    policy.begin_episode(Start(np.random.default_rng(0), explore=False))
    stuck = np.array([0.5, 0.1, 0.1])
    assert not policy.finished
    actions = [policy.act(IMAGE, RobotState(stuck)) for _ in range(steps_needed("sweep", BOX) + 1)]
    assert len({tuple(a) for a in actions}) > 50, "it tries the other strokes"
    assert not actions[-1].any(), "and comes to its end"
    assert policy.finished


@pytest.mark.parametrize(
    ("low", "high", "scale", "words"),
    [
        ((0.3, 0.0, 0.0), (0.3, 0.1, 0.3), 0.1, "each side must be longer than nothing"),
        (
            (0.3, 0.0, 0.0),
            (0.4, 0.1, 0.05),
            0.1,
            r"workspace is 0\.05 m high: a sweep needs 0\.07 m",
        ),
        ((0.3, 0.0, 0.0), (0.4, 0.1, 0.3), 0.0, "action_scale is 0"),
        ((0.3, 0.0, 0.0), (0.4, 0.1, 0.3), float("nan"), "action_scale is nan"),
    ],
)
def test_a_box_that_cannot_be_swept_is_refused(
    low: tuple, high: tuple, scale: float, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        Box(low, high, scale)
