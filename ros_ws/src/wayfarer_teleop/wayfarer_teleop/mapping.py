"""Turns a device's axes, buttons and velocities into commands. Pure."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from wayfarer_common.teleop import Command, Mark
from wayfarer_core.errors import DataError
from wayfarer_core.names import BASE_FRAMES

from wayfarer_teleop.params import NONE, Layout, Params

# in the order of Layout.buttons, after the dead man's switch
_MARKS = (Mark.START, Mark.SUCCESS, Mark.FAILURE, Mark.DISCARD)


class JoyMapping:
    """Reads a sensor_msgs/Joy.

    A mark is sent once, when its button is pressed; one held from the beginning does not count.
    """

    def __init__(self, params: Params) -> None:
        self._layout: Layout = params.layout()
        self._dead_zone, self._scale = params.dead_zone, params.scale
        self._down: frozenset[int] | None = None  # mark buttons that were pressed

    def command(self, stamp: float, axes: Sequence[float], buttons: Sequence[int]) -> Command:
        """Return the command of a Joy at a time [s].

        Raises DataError if the Joy lacks an axis or button of the layout, or has NaN.
        """
        layout = self._layout
        values = np.array([_of(axes, at, "axis") for at in layout.axes]) * layout.signs  # (3,)
        action = self._scale * _beyond(np.clip(values, -1.0, 1.0), self._dead_zone)
        dead_man, *others = layout.buttons
        pressed = [at for at in others if at != NONE and _of(buttons, at, "button")]

        return Command(
            stamp,
            action.astype(np.float32),
            bool(_of(buttons, dead_man, "button")),
            self.mark(others, pressed),
        )

    def mark(self, places: Sequence[int], pressed: Sequence[int]) -> Mark:
        """Return the mark of the button that was pressed since the last Joy."""
        before, self._down = self._down, frozenset(pressed)
        if before is None:
            return Mark.NONE

        fresh = self._down - before

        return next(
            (mark for mark, at in zip(_MARKS, places, strict=True) if at in fresh), Mark.NONE
        )


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
