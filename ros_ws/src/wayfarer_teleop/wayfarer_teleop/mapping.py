"""Turns a device's axes, buttons and velocities into commands. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from wayfarer_common.teleop import Command, Mark
from wayfarer_core.errors import DataError
from wayfarer_core.names import BASE_FRAMES
from wayfarer_core.targets import CLOSED

from wayfarer_teleop.params import NONE, Layout, Params

# in the order of Layout.buttons, after the dead man's switch
_OPEN, _CLOSE = -1.0, 1.0  # the fourth number of an action
_MARKS = (Mark.START, Mark.SUCCESS, Mark.FAILURE, Mark.DISCARD)


class JoyMapping:
    """Reads a sensor_msgs/Joy.

    A mark is sent once, when its button is pressed; one held from the beginning does not count.
    """

    def __init__(self, params: Params) -> None:
        self._layout: Layout = params.layout()
        self._dead_zone, self._scale = params.dead_zone, params.scale
        self._with_gripper = params.gripper_width > CLOSED
        # buttons of marks and the gripper that were down
        self._down: frozenset[int] | None = None
        self.gripper = 0.0  # as it was last asked for in this episode

    def command(self, stamp: float, axes: Sequence[float], buttons: Sequence[int]) -> Command:
        """Return the command of a Joy at a time [s].

        Raises DataError if the Joy lacks an axis or button of the layout, or has NaN.
        """
        layout = self._layout
        values = np.array([_of(axes, at, "axis") for at in layout.axes]) * layout.signs  # (3,)
        action = self._scale * _beyond(np.clip(values, -1.0, 1.0), self._dead_zone)
        dead_man, *others = layout.buttons
        held = bool(_of(buttons, dead_man, "button"))
        grips = layout.gripper_buttons if self._with_gripper else ()
        fresh = self._gone_down({*others, *grips} - {NONE}, buttons)
        shared = set(grips) & set(others)  # the gripper's while the dead man is held

        if grips:
            self._grip(*grips, fresh if held else fresh - shared)

        mark = self._mark(others, fresh - shared if held else fresh)

        return Command(stamp, action.astype(np.float32), held, mark, self.gripper)

    def _gone_down(self, places: set[int], buttons: Sequence[int]) -> frozenset[int]:
        """Return the buttons that have gone down since the last Joy."""
        pressed = frozenset(at for at in places if _of(buttons, at, "button"))
        before, self._down = self._down, pressed

        return frozenset() if before is None else pressed - before

    def _grip(self, opens: int, closes: int, fresh: frozenset[int]) -> None:
        """Take note of what the gripper's buttons ask for."""
        if opens == closes and opens in fresh:
            self.gripper = _CLOSE if self.gripper == _OPEN else _OPEN
        elif opens in fresh:
            self.gripper = _OPEN
        elif closes in fresh:
            self.gripper = _CLOSE

    def _mark(self, places: Sequence[int], fresh: frozenset[int]) -> Mark:
        """Return the mark of a button; the next episode asks the gripper for nothing yet."""
        mark = next(
            (mark for mark, at in zip(_MARKS, places, strict=True) if at in fresh), Mark.NONE
        )
        if mark is not Mark.NONE:
            self.gripper = 0.0

        return mark


def twist_command(
    stamp: float, frame: str, velocity: Sequence[float], full_speed: float
) -> Command:
    """Return the command of a velocity (3,) [m/s].

    Exactly zero releases the dead man's switch; any other velocity holds it.

    A velocity above a full action is shortened and keeps its direction. Raises DataError for
    NaN, or for a frame that is not the arm's base.
    """
    if frame not in ("", *BASE_FRAMES):
        raise DataError(
            f"a velocity in the frame {frame!r} was ignored: {' or '.join(BASE_FRAMES)} is right"
        )

    with np.errstate(over="ignore"):  # infinity is refused below
        action = np.asarray(velocity, dtype=np.float64) / full_speed  # (3,)

    longest = np.abs(action).max()
    if np.isfinite(longest) and longest > 1.0:
        action = np.clip(action / longest, -1.0, 1.0)

    return Command(stamp, action.astype(np.float32), engaged=bool(np.any(action)))


def _of(values: Sequence[float], at: int, what: str) -> float:
    if at == NONE:
        return 0.0
    if at >= len(values):
        raise DataError(
            f"the device has no {what} {at}, only {len(values)}: give the parameters axes and "
            "buttons"
        )

    return float(values[at])


def _beyond(values: NDArray[np.float64], dead_zone: float) -> NDArray[np.float64]:
    """Remove the dead zone from each axis, so that its end is still 1."""
    rest: NDArray[np.float64] = (
        np.sign(values) * np.maximum(np.abs(values) - dead_zone, 0.0) / (1.0 - dead_zone)
    )
    return np.where(np.isnan(values), np.nan, rest)
