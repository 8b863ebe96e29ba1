"""Scripted motions: a sweep that pushes all objects towards the middle, and the way home. Pure.

The sweep does not see. The closed gripper moves low over the table, lane by lane: first from the
left and right edges of the box to its middle line, then along that line from the near and far edges
to the middle point. Between two strokes it is lifted over the objects that it has pushed. Every
motion is an action like any other and passes the safety gate.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wayfarer_core.errors import ConfigError
from wayfarer_core.targets import sized

from wayfarer_policies.acting.policy import Action, Image, RobotState, Start

Vector = NDArray[np.float64]

# m between two lanes: less than the 5 cm edge of the cube, so that no cube slips through
_LANE = 0.055
_CLEAR = 0.07  # m above the floor of the box: higher than the cube
_SHORT = 0.035  # m before the middle, where a stroke ends: half a cube and half a gripper
_BAND = 0.07  # m on either side of the middle line, where the first strokes leave objects
_GENTLE = 0.035  # m per action on the way down, where the gripper may meet an object
_NEAR = 0.015  # m from a way point that count as reached
_PATIENCE = 2  # extra actions for a way point before the next one is tried


@dataclass(frozen=True)
class Box:
    """The workspace, and the length of one action, as the control node has them.

    Raises:
        ConfigError: the box is empty, too low for lifting, or the scale is not positive.

    """

    low: tuple[float, float, float]  # m, base frame
    high: tuple[float, float, float]  # m, base frame
    action_scale: float  # m per action unit along each axis

    def __post_init__(self) -> None:
        if not self.action_scale > 0.0:
            raise ConfigError(
                f"action_scale is {self.action_scale} m: must be positive for a sweep"
            )
        if not all(low < high for low, high in zip(self.low, self.high, strict=True)):
            raise ConfigError(
                f"workspace from {self.low} to {self.high}: each side must be longer than nothing"
            )
        if self.high[2] - self.low[2] < _CLEAR:
            raise ConfigError(
                f"workspace is {self.high[2] - self.low[2]:g} m high: a sweep needs {_CLEAR} m to "
                "lift in"
            )


@dataclass(frozen=True)
class Waypoint:
    """A point that the arm reaches in a straight line."""

    point: Vector  # (3,) m, base frame
    longest: float  # m per action
    allowed: int  # actions it may take


class _Way:
    """Builds a list of way points, starting at the middle of the box."""

    def __init__(self, box: Box) -> None:
        self.points: list[Waypoint] = []
        self._at = np.add(box.low, box.high) / 2  # (3,)

    def go(self, xy: Vector, z: float, longest: float) -> None:
        point = np.array([*xy, z])
        allowed = int(np.ceil(np.abs(point - self._at).max() / longest)) + _PATIENCE
        self.points.append(Waypoint(point, longest, allowed))
        self._at = point


def sweep(box: Box) -> list[Waypoint]:
    """Return the way points of a whole sweep."""
    floor, clear = box.low[2], box.low[2] + _CLEAR
    way = _Way(box)
    for start, end in _strokes(box):
        way.go(start, clear, box.action_scale)
        way.go(start, floor, min(_GENTLE, box.action_scale))
        way.go(end, floor, box.action_scale)
        back = end + 0.3 * (start - end)  # moves away from the object while lifting
        way.go(back, clear, box.action_scale)

    way.go(_middle(box), clear, box.action_scale)

    return way.points


def home(box: Box) -> list[Waypoint]:
    """Return the way point in the middle of the box."""
    way = _Way(box)
    way.go(_middle(box), (box.low[2] + box.high[2]) / 2, box.action_scale)
    return way.points


SCRIPTS: dict[str, Callable[[Box], list[Waypoint]]] = {"sweep": sweep, "home": home}


def steps_needed(script: str, box: Box) -> int:
    """Return the greatest number of actions of a script, from anywhere in the box."""
    return sum(way.allowed for way in SCRIPTS[script](box)) + _across(box)


class ScriptedPolicy:
    """Follows a script from way point to way point, then stands still."""

    version = 0
    needs_pose = True
    needs_joints = False

    def __init__(self, script: str, box: Box, size: int = 3) -> None:
        """Where an action has a fourth number, `size` 4, the gripper stays as it is."""
        self._script, self._box, self._size = SCRIPTS[script], box, size

    def begin_episode(self, start: Start) -> None:
        """Start from the beginning of the script."""
        del start
        self._ways = iter(self._script(self._box))
        self._way = next(self._ways, None)
        self._taken = -_across(self._box)  # extra actions: the first point may be far away

    @property
    def finished(self) -> bool:
        """Whether all way points are reached."""
        return self._way is None

    def act(self, image: Image, robot: RobotState) -> Action:
        """Return the next action towards the first way point not yet reached."""
        del image
        while self._way is not None and self._done(self._way, robot.ee_position):
            self._way, self._taken = next(self._ways, None), 0

        if self._way is None:
            return np.zeros(self._size, np.float32)

        self._taken += 1
        step = self._way.point - robot.ee_position  # (3,) m
        step *= min(1.0, self._way.longest / max(float(np.abs(step).max()), 1e-9))

        return sized((step / self._box.action_scale).astype(np.float32), self._size)

    def _done(self, way: Waypoint, ee_position: NDArray[np.float64]) -> bool:
        return bool(np.abs(way.point - ee_position).max() < _NEAR) or self._taken >= way.allowed


def _across(box: Box) -> int:
    return int(np.ceil(np.max(np.subtract(box.high, box.low)) / box.action_scale))


def _middle(box: Box) -> Vector:
    return np.add(box.low[:2], box.high[:2]) / 2


def _strokes(box: Box) -> Iterator[tuple[Vector, Vector]]:
    """Yield start and end of each stroke, (2,) m each: to the line y = middle, then along it."""
    x, y = _middle(box)
    for side, edge in ((-1.0, box.low[1]), (1.0, box.high[1])):
        for lane in _lanes(box.low[0], box.high[0]):
            yield np.array([lane, edge]), np.array([lane, y + side * _SHORT])

    for side, edge in ((-1.0, box.low[0]), (1.0, box.high[0])):
        for lane in _lanes(max(box.low[1], y - _BAND), min(box.high[1], y + _BAND)):
            yield np.array([edge, lane]), np.array([x + side * _SHORT, lane])


def _lanes(low: float, high: float) -> list[float]:
    """Return evenly spaced lanes, in each half from the outermost inwards.

    So a stroke that touches an object at its side pushes it inwards.
    """
    lanes = np.linspace(low, high, int(np.ceil((high - low) / _LANE)) + 1).tolist()
    half = len(lanes) // 2
    return [*lanes[:half], *reversed(lanes[half:])]
