"""The scene as markers of RViz and Foxglove.

All of them are in each message: whoever joins late needs but the last.
"""

from itertools import combinations, product

import numpy as np
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray
from wayfarer_core import names
from wayfarer_core.reason import words_of
from wayfarer_core.safety import Workspace

from wayfarer_view.scene import Scene, Wanted

Vector = NDArray[np.float64]

_LINE, _BALL, _TEXT = 0.004, 0.025, 0.03  # m
_GREY = ColorRGBA(r=0.6, g=0.6, b=0.6, a=1.0)
_GREEN = ColorRGBA(r=0.1, g=0.8, b=0.2, a=1.0)
_BLUE = ColorRGBA(r=0.1, g=0.4, b=1.0, a=1.0)
_ORANGE = ColorRGBA(r=1.0, g=0.6, b=0.0, a=1.0)
_RED = ColorRGBA(r=0.9, g=0.1, b=0.1, a=1.0)


def markers_of(scene: Scene) -> MarkerArray:
    """Return every marker.

    Those of what is not known, or not the case, take an earlier one away.
    """
    wanted = scene.wanted

    return MarkerArray(
        markers=[
            _box(scene.workspace),
            _ball("target", scene.target, _GREEN),
            _ball("goal", scene.goal, _BLUE),
            _ball("wanted", wanted.position if wanted else None, _colour(wanted)),
            _way(scene),
            _why(wanted),
        ]
    )


def _marker(group: str, kind: int, colour: ColorRGBA, size: float, there: bool) -> Marker:
    """Return a marker of the base frame at any time, or the word that takes it away."""
    marker = Marker(
        ns=group, type=kind, action=Marker.ADD if there else Marker.DELETE, color=colour
    )
    marker.header.frame_id = names.BASE_FRAME
    marker.scale.x = marker.scale.y = marker.scale.z = size
    marker.pose.orientation.w = 1.0

    return marker


def _box(workspace: Workspace | None) -> Marker:
    marker = _marker("box", Marker.LINE_LIST, _GREY, _LINE, workspace is not None)
    if workspace is not None:
        corners = [np.array(c) for c in product(*zip(workspace.low, workspace.high, strict=True))]
        edges = [(a, b) for a, b in combinations(corners, 2) if np.count_nonzero(a != b) == 1]
        marker.points = [_point(corner) for edge in edges for corner in edge]

    return marker


def _ball(group: str, position: Vector | None, colour: ColorRGBA) -> Marker:
    marker = _marker(group, Marker.SPHERE, colour, _BALL, position is not None)
    if position is not None:
        marker.pose.position = _point(position)
    return marker


def _way(scene: Scene) -> Marker:
    """Lead from what was wanted to what was made of it."""
    wanted, target = scene.wanted, scene.target
    shown = wanted is not None and target is not None and not wanted.refused
    marker = _marker("way", Marker.LINE_LIST, _colour(wanted), _LINE, shown)
    if wanted is not None and target is not None and shown:
        marker.points = [_point(wanted.position), _point(target)]

    return marker


def _why(wanted: Wanted | None) -> Marker:
    marker = _marker("why", Marker.TEXT_VIEW_FACING, _colour(wanted), _TEXT, wanted is not None)
    if wanted is not None:
        marker.pose.position = _point(wanted.position + [0.0, 0.0, _BALL])
        marker.text = words_of(wanted.reasons)

    return marker


def _colour(wanted: Wanted | None) -> ColorRGBA:
    return _RED if wanted is not None and wanted.refused else _ORANGE


def _point(position: Vector) -> Point:
    x, y, z = (float(v) for v in position)
    return Point(x=x, y=y, z=z)
