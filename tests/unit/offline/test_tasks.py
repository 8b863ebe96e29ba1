import numpy as np
import pytest
from fixtures.painted import UP, pose
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from wayfarer_core.cube import FACE_NORMALS, FACES, top_face
from wayfarer_core.errors import ConfigError
from wayfarer_offline.tasks import TASKS, Flip, Push, PushAndFlip, task


def unknown() -> NDArray[np.float64]:
    return np.full(7, np.nan)


def test_the_turns_above_bring_their_faces_up() -> None:
    assert set(UP) == set(FACE_NORMALS)
    for face, turn in UP.items():
        assert top_face(np.array(turn)) == face


@pytest.mark.parametrize("wanted", FACES)
def test_flipping_pays_one_while_the_wanted_colour_is_up_and_else_nothing(wanted: str) -> None:
    poses = np.stack([pose(face=face) for face in FACES])
    expected = [float(face == wanted) for face in FACES]
    assert Flip(wanted).reward(poses).tolist() == expected
    assert Flip(wanted).success(poses).tolist() == [bool(value) for value in expected]


def test_pushing_pays_what_was_reckoned_by_hand() -> None:
    rewards = Push().reward(np.stack([pose(0.0), pose(0.18), pose(0.28), pose(-0.35)]))
    assert rewards == pytest.approx([1 - np.tanh(1.8), 1.0, 1 + np.tanh(1.0), 1 - np.tanh(5.3)])


@given(st.floats(-0.4, 0.4), st.floats(0.001, 0.3))
def test_pushing_further_right_always_pays_more(y: float, further: float) -> None:
    here, there = Push().reward(np.stack([pose(y), pose(y + further)]))
    assert 0.0 <= here < there <= 2.0


def test_the_region_begins_at_its_border() -> None:
    assert Push().success(np.stack([pose(0.1799), pose(0.18), pose(0.3), pose(-0.3)])).tolist() == [
        *(False, True, True, False)
    ]


def test_push_and_flip_is_the_sum_and_needs_both_in_one_state() -> None:
    both = PushAndFlip(Flip("green"))
    poses = np.stack([pose(0.2, "green"), pose(0.2, "red"), pose(0.0, "green"), pose(0.0, "red")])
    assert both.reward(poses) == pytest.approx(Push().reward(poses) + [1, 0, 1, 0])
    assert both.success(poses).tolist() == [True, False, False, False]


@pytest.mark.parametrize("name", TASKS)
def test_an_unknown_pose_has_no_reward_and_is_no_success(name: str) -> None:
    assert TASKS[name].name == name
    poses = np.stack([unknown(), pose(0.3), np.where(np.arange(7) == 1, np.nan, pose(0.3))])
    assert np.isnan(TASKS[name].reward(poses)).tolist() == [True, False, True]
    assert TASKS[name].success(poses)[[0, 2]].tolist() == [False, False]


def test_a_wrong_name_is_answered_with_the_choices() -> None:
    with pytest.raises(ConfigError, match=r"choose from flip-white, .*push, push-flip-white"):
        task("flip-pink")

    with pytest.raises(ConfigError, match="choose from white"):
        Flip("pink")

    with pytest.raises(ConfigError, match="slope above 0"):
        Push(slope=0.0)

    with pytest.raises(ConfigError, match="finite border"):
        Push(border=float("nan"))
