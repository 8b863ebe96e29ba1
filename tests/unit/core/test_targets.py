import numpy as np
import pytest
from wayfarer_core import names
from wayfarer_core.reason import Reason
from wayfarer_core.targets import refusal

HERE, DOWN = np.array([0.5, 0.0, 0.1]), np.array([1.0, 0.0, 0.0, 0.0])


@pytest.mark.parametrize("frame", names.BASE_FRAMES)
@pytest.mark.parametrize(
    "publishers", [1, 0]
)  # the graph may tell of a publisher later than it speaks
def test_a_pose_of_the_only_publisher_in_the_base_frame_is_taken(
    publishers: int, frame: str
) -> None:
    assert not refusal(publishers, frame, HERE, DOWN)


@pytest.mark.parametrize(
    ("publishers", "frame", "position", "quaternion", "words"),
    [
        (2, "base", HERE, DOWN, "2 publishers"),
        (1, "world", HERE, DOWN, "'world'"),
        (1, "base", np.array([np.nan, 0.0, 0.1]), DOWN, "not finite"),
        (1, "base", np.array([0.0, np.inf, 0.1]), DOWN, "not finite"),
        (1, "base", HERE, np.zeros(4), "length 1"),
        (1, "base", HERE, np.array([np.nan, 0.0, 0.0, 1.0]), "length 1"),
        (1, "base", HERE, np.array([0.5, 0.5, 0.0, 0.0]), "length 1"),
    ],
)
def test_every_other_target_is_refused_and_the_message_says_why(
    publishers: int, frame: str, position: np.ndarray, quaternion: np.ndarray, words: str
) -> None:
    refused = refusal(publishers, frame, position, quaternion)
    assert refused
    assert words in refused.text
    assert Reason.REFUSED in refused.reasons
