"""From axes, buttons and velocities to wishes."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_common.teleop import Mark
from wayfarer_core.errors import DataError
from wayfarer_core.options import DEVICES
from wayfarer_core.parameter import checked
from wayfarer_teleop.mapping import JoyMapping, twist_command
from wayfarer_teleop.params import LAYOUTS, Params

GAMEPAD = Params(dead_zone=0.1)
NO_AXES = [0.0] * 6
NO_BUTTONS = [0] * 11
START, SUCCESS, FAILURE, DISCARD, DEAD_MAN = 7, 0, 1, 6, 4


def pressed(*places: int) -> list[int]:
    return [int(at in places) for at in range(len(NO_BUTTONS))]


def pushed(**axes: float) -> list[float]:
    """Axes of a gamepad as joy_node numbers them."""
    return [
        axes.get("left_x", 0.0),
        axes.get("left_y", 0.0),
        1.0,
        0.0,
        axes.get("right_y", 0.0),
        1.0,
    ]


def test_there_is_a_layout_for_every_device_with_a_driver() -> None:
    assert {*LAYOUTS, "keyboard"} == set(DEVICES)


def test_a_gamepads_sticks_move_the_arm_while_the_dead_man_button_is_held() -> None:
    mapping = JoyMapping(GAMEPAD)
    command = mapping.command(3.0, pushed(left_y=1.0, left_x=-1.0, right_y=0.55), pressed(DEAD_MAN))
    assert (command.stamp, command.engaged, command.mark) == (3.0, True, Mark.NONE)
    np.testing.assert_allclose(command.action, [1.0, -1.0, 0.5])
    assert not mapping.command(3.0, pushed(left_y=1.0), NO_BUTTONS).engaged


def test_a_space_mouse_moves_the_arm_as_it_is_pushed_and_does_with_two_buttons() -> None:
    mapping = JoyMapping(Params(device="spacemouse", dead_zone=0.0, scale=0.5))
    assert mapping.command(0.0, [0.0] * 6, [0, 0]).mark is Mark.NONE
    command = mapping.command(0.0, [1.0, 0.5, -1.0, 1.0, 1.0, 1.0], [1, 1])
    assert (command.engaged, command.mark) == (True, Mark.SUCCESS)
    assert command.mark.begins
    assert command.action.tolist() == [0.5, 0.25, -0.5]


def test_an_axis_in_its_dead_zone_is_still_and_goes_on_from_there_to_its_end() -> None:
    mapping = JoyMapping(GAMEPAD)
    speeds = [
        float(mapping.command(0.0, pushed(left_y=v), NO_BUTTONS).action[0])
        for v in (0.1, 0.11, -0.11, 1.0)
    ]
    np.testing.assert_allclose(speeds, [0.0, 0.0111, -0.0111, 1.0], atol=1e-3)


def test_a_mark_is_said_once_when_its_button_goes_down_and_never_of_one_that_was_down_already() -> (
    None
):
    mapping = JoyMapping(GAMEPAD)

    def marks(*joys: list[int]) -> list[Mark]:
        return [mapping.command(0.0, NO_AXES, buttons).mark for buttons in joys]

    assert marks(pressed(DISCARD), pressed(DISCARD), pressed()) == [Mark.NONE] * 3
    assert marks(pressed(START), pressed(START), pressed(), pressed(START)) == [
        Mark.START,
        Mark.NONE,
        Mark.NONE,
        Mark.START,
    ]
    assert marks(pressed(SUCCESS), pressed(FAILURE), pressed(DISCARD)) == [
        Mark.SUCCESS,
        Mark.FAILURE,
        Mark.DISCARD,
    ]


def test_another_pads_numbers_are_parameters() -> None:
    given_ = {"axes": [0, -2, -1], "signs": [-1, 0, 0], "buttons": [9, -2, -2, -2, -1]}
    layout = checked(Params, "teleop", given_).layout()
    own = LAYOUTS["gamepad"]
    assert layout.axes == (0, own.axes[1], -1)
    assert layout.signs == (-1, 1, 1)
    assert layout.buttons == (9, *own.buttons[1:4], -1)
    command = JoyMapping(replace(GAMEPAD, axes=(0, -1, -1), signs=(-1, 0, 0))).command(
        0.0, pushed(left_x=1.0, right_y=1.0), NO_BUTTONS
    )
    assert command.action.tolist() == [-1.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("axes", "buttons", "what"), [(NO_AXES[:2], NO_BUTTONS, "axis 4"), (NO_AXES, [0], "button")]
)
def test_a_device_without_what_the_layout_names_is_told_so(
    axes: list[float], buttons: list[int], what: str
) -> None:
    with pytest.raises(DataError, match=f"has no {what}"):
        JoyMapping(GAMEPAD).command(0.0, axes, buttons)


@given(
    axes=st.lists(st.floats(width=32), min_size=6, max_size=6),
    buttons=st.lists(st.integers(0, 1), min_size=11, max_size=11),
    dead_zone=st.floats(0.0, 0.9),
    scale=st.floats(0.01, 1.0),
)
def test_whatever_a_device_says_is_finite_and_in_range_or_refused(
    axes: list[float], buttons: list[int], dead_zone: float, scale: float
) -> None:
    mapping = JoyMapping(Params(dead_zone=dead_zone, scale=scale))
    used = [axes[at] for at in LAYOUTS["gamepad"].axes]
    if np.isnan(used).any():
        with pytest.raises(DataError, match="was ignored"):
            mapping.command(0.0, axes, buttons)
        return

    action = mapping.command(0.0, axes, buttons).action
    assert np.isfinite(action).all()
    assert (np.abs(action) <= np.float32(scale) + 1e-7).all()


@given(st.lists(st.floats(), min_size=3, max_size=3), st.floats(0.001, 2.0))
def test_a_velocity_keeps_its_direction_and_is_no_faster_than_a_full_action(
    velocity: list[float], full_speed: float
) -> None:
    if not np.isfinite(velocity).all():
        with pytest.raises(DataError, match="was ignored"):
            twist_command(0.0, "base", velocity, full_speed)
        return

    with np.errstate(over="ignore"):
        beyond = not np.isfinite(np.divide(velocity, full_speed)).all()

    if beyond:
        with pytest.raises(DataError, match="was ignored"):
            twist_command(0.0, "base", velocity, full_speed)
        return

    command = twist_command(0.0, "base", velocity, full_speed)
    assert (np.abs(command.action) <= 1.0).all()
    wanted = np.divide(velocity, full_speed)
    np.testing.assert_allclose(command.action, wanted / max(1.0, np.abs(wanted).max()), atol=1e-6)


def test_a_velocity_of_exactly_zero_lets_go_and_any_other_holds_on() -> None:
    assert not twist_command(0.0, "", (0.0, 0.0, 0.0), 0.25).engaged
    assert twist_command(0.0, "fr3_link0", (0.0, 1e-3, 0.0), 0.25).engaged


def test_a_velocity_in_another_frame_is_refused() -> None:
    with pytest.raises(DataError, match="frame 'camera'"):
        twist_command(0.0, "camera", (0.1, 0.0, 0.0), 0.25)


# --- the gripper ---

OPENS, CLOSES = 3, 2


def test_two_buttons_of_a_gamepad_open_and_close_the_gripper_until_the_next_episode() -> None:
    mapping = JoyMapping(replace(GAMEPAD, gripper_width=0.08))
    asked = [
        mapping.command(0.0, NO_AXES, pressed(*places)).gripper
        for places in ((), (OPENS,), (), (DEAD_MAN, CLOSES), (DEAD_MAN,), (SUCCESS,), ())
    ]
    assert asked == [0.0, -1.0, -1.0, 1.0, 1.0, 0.0, 0.0]


def test_a_pad_without_those_buttons_works_as_before_in_a_run_without_a_gripper() -> None:
    few = [0] * 8
    assert JoyMapping(GAMEPAD).command(0.0, NO_AXES, few).gripper == 0.0
    with pytest.raises(DataError, match="no button 9"):
        JoyMapping(replace(GAMEPAD, gripper_width=0.08, gripper_buttons=(9, 2))).command(
            0.0, NO_AXES, few
        )


def test_a_space_mouses_right_button_is_the_grippers_while_the_left_one_is_held() -> None:
    mapping = JoyMapping(Params(device="spacemouse", gripper_width=0.08))
    said = [
        (command.gripper, command.mark)
        for command in (
            mapping.command(0.0, [0.0] * 6, list(buttons))
            for buttons in ((0, 0), (1, 1), (1, 0), (1, 1), (0, 0), (0, 1))
        )
    ]
    none, success = Mark.NONE, Mark.SUCCESS
    assert said == [(0, none), (-1, none), (-1, none), (1, none), (1, none), (0, success)]
