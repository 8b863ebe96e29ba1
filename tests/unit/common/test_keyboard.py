"""A terminal's keys as a device with a dead-man button."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_common.keyboard import Keys
from wayfarer_common.teleop import Mark


def held(keys: Keys, now: float) -> list[float] | None:
    """What is asked for, or None where the arm is let go."""
    command = keys.command(0.0, now)
    return command.action.tolist() if command.engaged else None


@pytest.mark.parametrize(
    ("key", "wish"),
    [
        ("w", [1, 0, 0]),
        ("s", [-1, 0, 0]),
        ("a", [0, 1, 0]),
        ("d", [0, -1, 0]),
        ("r", [0, 0, 1]),
        ("f", [0, 0, -1]),
    ],
)
def test_each_direction_has_its_key(key: str, wish: list[float]) -> None:
    keys = Keys(scale=1.0)
    keys.press(key, 0.0)
    assert held(keys, 0.1) == wish


def test_a_key_counts_as_held_over_the_delay_before_its_first_repeat_and_is_let_go_soon_after_its_last() -> (
    None
):
    keys = Keys(first=0.7, repeat=0.2, scale=1.0)
    keys.press("w", 0.0)
    assert held(keys, 0.65) == [1.0, 0.0, 0.0]
    for now in np.arange(0.66, 2.0, 0.03):  # it repeats
        keys.press("w", now)
        assert held(keys, now + 0.02) == [1.0, 0.0, 0.0]

    assert held(keys, 2.0 + 0.25) is None


def test_space_lets_go_at_once_and_two_keys_add_up() -> None:
    keys = Keys(scale=0.5)
    keys.press("w", 0.0)
    keys.press("a", 0.1)
    assert held(keys, 0.2) == [0.5, 0.5, 0.0]
    keys.press(" ", 0.2)
    assert held(keys, 0.2) is None


def test_a_digit_sets_the_speed_and_0_is_the_whole_action() -> None:
    keys = Keys()
    for digit, scale in (("3", 0.3), ("0", 1.0)):
        keys.press(digit, 0.0)
        keys.press("d", 0.0)
        assert held(keys, 0.0) == pytest.approx([0.0, -scale, 0.0])


def test_each_mark_is_told_once_in_the_order_of_the_keys_and_moves_nothing() -> None:
    keys = Keys()
    for key in "\nynx":
        keys.press(key, 0.0)

    marks = [keys.command(0.0, 0.0) for _ in range(5)]
    assert [command.mark for command in marks] == [
        Mark.START,
        Mark.SUCCESS,
        Mark.FAILURE,
        Mark.DISCARD,
        Mark.NONE,
    ]
    assert not any(command.engaged for command in marks)


@given(st.lists(st.tuples(st.characters(), st.floats(0.0, 1e6)), max_size=30), st.floats(0.0, 1e6))
def test_whatever_is_typed_is_a_wish_in_range(typed: list[tuple[str, float]], now: float) -> None:
    keys = Keys()
    for key, at in typed:
        keys.press(key, at)

    command = keys.command(0.0, now)
    assert np.isfinite(command.action).all()
    assert (np.abs(command.action) <= 1.0).all()


def test_o_opens_and_c_closes_the_gripper_until_the_other_key_or_the_next_episode() -> None:
    keys = Keys()
    assert keys.command(0.0, 0.0).gripper == 0.0
    keys.press("o", 0.0)
    command = keys.command(0.0, 0.1)
    assert (command.engaged, command.gripper, command.action.tolist()) == (True, -1.0, [0.0] * 3)
    keys.press("w", 5.0)
    assert keys.command(0.0, 5.1).gripper == -1.0, "it stays open while the arm moves"
    keys.press("c", 6.0)
    assert keys.command(0.0, 6.1).gripper == 1.0
    keys.press("y", 7.0)
    assert keys.command(0.0, 7.1).gripper == 0.0
