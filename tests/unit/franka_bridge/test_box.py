import numpy as np
import pytest
from wayfarer_core.errors import ConfigError
from wayfarer_core.reason import Reason
from wayfarer_franka_bridge.box import Box
from wayfarer_franka_bridge.follower import TargetPose

DOWN, OFFSET = np.array([1.0, 0.0, 0.0, 0.0]), np.array([0.0, 0.0, -0.007])
LOW, HIGH = (0.36, -0.30, 0.05), (0.68, 0.30, 0.37)


def box(
    low: tuple[float, ...] = LOW,
    high: tuple[float, ...] = HIGH,
    orientation: np.ndarray = DOWN,
    reach: float = 0.70,
) -> Box:
    return Box(np.array(low), np.array(high), orientation, OFFSET, reach)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [
        (LOW, (0.68, 0.30, 0.45), r"does not reach \[0.68, -0.3, 0.4\]: .* out of reach"),
        ((0.0, -0.30, 0.05), HIGH, "too near to the shoulder"),
        (LOW, LOW, "is not a box"),
        (LOW, (0.68, -0.30, 0.37), "is not a box"),
        (LOW, (0.68, float("nan"), 0.37), "is not a box"),
    ],
)
def test_a_box_without_a_volume_or_beyond_the_arms_reach_is_refused_at_the_start(
    low: tuple[float, ...], high: tuple[float, ...], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        box(low, high)


def test_an_orientation_that_is_no_rotation_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigError, match="is no rotation"):
        box(orientation=np.zeros(4))


def test_a_target_in_the_box_is_taken_its_surface_included() -> None:
    for place in (LOW, HIGH, (0.5, 0.0, 0.2)):
        assert not box().refusal(TargetPose(np.array(place), DOWN))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_target_outside_the_box_is_refused_whoever_commands(axis: int) -> None:
    for corner, sign in ((LOW, -1.0), (HIGH, 1.0)):
        refused = box().refusal(TargetPose(np.array(corner) + sign * 1e-4 * np.eye(3)[axis], DOWN))
        assert refused.reasons == Reason.REFUSED | Reason.WORKSPACE


def test_a_hand_turned_so_that_the_arm_cannot_bring_it_there_is_refused() -> None:
    towards_the_base = np.array(
        [0.0, -np.sqrt(0.5), 0.0, np.sqrt(0.5)]
    )  # the flange lies 21 cm behind the tool point
    assert (
        "out of the arm's range"
        in box().refusal(TargetPose(np.array([0.68, 0.0, 0.06]), towards_the_base)).text
    )
