"""Shapes as markers for RViz and Foxglove.

Each message has all of them, so a late subscriber needs only the last.
"""

from collections.abc import Iterable

import numpy as np
from geometry_msgs.msg import Point
from numpy.typing import NDArray
from std_msgs.msg import ColorRGBA
from visualization_msgs.msg import Marker, MarkerArray
from wayfarer_core import names
from wayfarer_report.view.shapes import Kind, Shape

_TYPES = {
    Kind.LINES: Marker.LINE_LIST,
    Kind.BALL: Marker.SPHERE,
    Kind.TEXT: Marker.TEXT_VIEW_FACING,
}


def markers_of(shapes: Iterable[Shape]) -> MarkerArray:
    """Return a marker of each shape, or its deletion."""
    return MarkerArray(markers=[_marker(shape) for shape in shapes])


def _marker(shape: Shape) -> Marker:
    """Return a marker in the base frame without a time."""
    r, g, b, a = shape.colour
    marker = Marker(
        ns=shape.group,
        type=_TYPES[shape.kind],
        action=Marker.ADD if shape.there else Marker.DELETE,
        color=ColorRGBA(r=r, g=g, b=b, a=a),
        points=[_point(point) for point in shape.points],
        text=shape.text,
    )
    marker.header.frame_id = names.BASE_FRAME
    marker.scale.x = marker.scale.y = marker.scale.z = shape.size
    marker.pose.position = _point(shape.position)
    marker.pose.orientation.w = 1.0

    return marker


def _point(position: NDArray[np.float64]) -> Point:
    x, y, z = (float(v) for v in position)
    return Point(x=x, y=y, z=z)
