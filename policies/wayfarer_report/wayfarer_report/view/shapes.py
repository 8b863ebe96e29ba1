"""The scene as shapes, which ROS's viewers draw as markers.

Positions in the base frame [m]. Pure.
"""

from dataclasses import dataclass, field
from enum import Enum
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray
from wayfarer_core.reason import words_of
from wayfarer_core.safety import Workspace

from wayfarer_report.view.scene import Scene, Wanted

Vector = NDArray[np.float64]
Colour = tuple[float, float, float, float]  # red, green, blue, opacity, 0 to 1

_LINE, _BALL, _TEXT = 0.004, 0.025, 0.03  # m
_GREY: Colour = (0.6, 0.6, 0.6, 1.0)
_GREEN: Colour = (0.1, 0.8, 0.2, 1.0)
_BLUE: Colour = (0.1, 0.4, 1.0, 1.0)
_ORANGE: Colour = (1.0, 0.6, 0.0, 1.0)
_RED: Colour = (0.9, 0.1, 0.1, 1.0)
_NOWHERE = np.zeros(3)


class Kind(Enum):
    """Kinds of shapes."""

    LINES = "lines"  # from each even point to the next
    BALL = "ball"
    TEXT = "text"


@dataclass(frozen=True, eq=False)
class Shape:
    """One shape to draw."""

    group: str  # its name; each shape has its own
    kind: Kind
    colour: Colour
    size: float  # m: width of a line, diameter of a ball, height of a letter
    there: bool  # False: an earlier shape of this name is deleted
    position: Vector = field(default_factory=lambda: _NOWHERE)  # (3,) [m]
    points: Vector = field(default_factory=lambda: np.zeros((0, 3)))  # (N, 3) [m]
    text: str = ""


def shapes_of(scene: Scene) -> list[Shape]:
    """Return every shape.

    A shape for something unknown or absent deletes an earlier one.
    """
    wanted = scene.wanted

    return [
        _box(scene.workspace),
        _ball("target", scene.target, _GREEN),
        _ball("goal", scene.goal, _BLUE),
        _ball("wanted", wanted.position if wanted else None, _colour(wanted)),
        _way(scene),
        _why(wanted),
    ]


def _box(workspace: Workspace | None) -> Shape:
    if workspace is None:
        return Shape("box", Kind.LINES, _GREY, _LINE, there=False)

    corners = [np.array(c) for c in product(*zip(workspace.low, workspace.high, strict=True))]
    edges = [(a, b) for a, b in combinations(corners, 2) if np.count_nonzero(a != b) == 1]
    points = np.array([corner for edge in edges for corner in edge])

    return Shape("box", Kind.LINES, _GREY, _LINE, there=True, points=points)


def _ball(group: str, position: Vector | None, colour: Colour) -> Shape:
    there = position is not None
    return Shape(
        group, Kind.BALL, colour, _BALL, there, position if position is not None else _NOWHERE
    )


def _way(scene: Scene) -> Shape:
    """Draw a line from where the action would have led to the target."""
    wanted, target = scene.wanted, scene.target
    if wanted is None or target is None or wanted.refused:
        return Shape("way", Kind.LINES, _colour(wanted), _LINE, there=False)

    points = np.array([wanted.position, target])

    return Shape("way", Kind.LINES, _colour(wanted), _LINE, there=True, points=points)


def _why(wanted: Wanted | None) -> Shape:
    if wanted is None:
        return Shape("why", Kind.TEXT, _colour(wanted), _TEXT, there=False)

    above = wanted.position + [0.0, 0.0, _BALL]
    words = words_of(wanted.reasons)

    return Shape("why", Kind.TEXT, _colour(wanted), _TEXT, True, above, text=words)


def _colour(wanted: Wanted | None) -> Colour:
    return _RED if wanted is not None and wanted.refused else _ORANGE
