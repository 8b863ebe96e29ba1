import numpy as np
from wayfarer_common import names
from wayfarer_common.targets import refusal

HERE = np.array([0.5, 0.0, 0.1])


def test_a_finite_target_of_the_only_publisher_in_the_base_frame_is_taken() -> None:
    assert refusal(1, names.BASE_FRAME, HERE) == ""
    assert refusal(0, names.BASE_FRAME, HERE) == "", "the graph may tell of a publisher later than it speaks"


def test_every_other_target_is_refused_and_the_message_says_why() -> None:
    assert "2 publishers" in refusal(2, names.BASE_FRAME, HERE)
    assert "'world'" in refusal(1, "world", HERE)
    assert "not finite" in refusal(1, names.BASE_FRAME, np.array([np.nan, 0.0, 0.1]))
    assert "not finite" in refusal(1, names.BASE_FRAME, np.array([0.0, np.inf, 0.1]))
