"""Builds messages from numbers and serialises them as CDR, without ROS."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from ament_index_python.packages import get_package_share_directory
from numpy.typing import NDArray
from wayfarer_bags.message_types import types_of_packages
from wayfarer_core import names
from wayfarer_report.view.shapes import Kind, Shape

Vector = NDArray[np.float64]

# visualization_msgs/Marker's numbers
_TYPES = {Kind.LINES: "LINE_LIST", Kind.BALL: "SPHERE", Kind.TEXT: "TEXT_VIEW_FACING"}
_POINTING_NOWHERE = np.array([0.0, 0.0, 0.0, 1.0])


class Messages:
    """Builds messages from numbers and serialises them as CDR. Stamps in nanoseconds."""

    def __init__(self) -> None:
        self.types = types_of_packages([Path(get_package_share_directory("wayfarer_msgs"))])

    def make(self, kind: str, *parts: Any, **named: Any) -> Any:
        """Return a message of the type `kind`; every field must be given."""
        return self.types.types[kind](*parts, **named)

    def cdr(self, message: Any) -> bytes:
        """Serialise."""
        return bytes(self.types.serialize_cdr(message, message.__msgtype__))

    def time(self, stamp: int) -> Any:
        """Return a stamp as a message."""
        return self.make("builtin_interfaces/msg/Time", *divmod(stamp, 1_000_000_000))

    def header(self, stamp: int, frame: str = names.BASE_FRAME) -> Any:
        """Return a header."""
        return self.make("std_msgs/msg/Header", self.time(stamp), frame)

    def pose(self, position: Vector, quaternion: Vector) -> Any:
        """Return a Pose of a position (3,) [m] and a quaternion xyzw (4,)."""
        return self.make(
            "geometry_msgs/msg/Pose", self._point(position), self._quaternion(quaternion)
        )

    def transform(self, header: Any, child: str, position: Vector, quaternion: Vector) -> Any:
        """Return a TFMessage with the pose of the frame `child` in that of the header.

        Position (3,) [m] and quaternion xyzw (4,).
        """
        to = self.make("geometry_msgs/msg/Vector3", *map(float, position))
        moved = self.make("geometry_msgs/msg/Transform", to, self._quaternion(quaternion))
        stamped = self.make("geometry_msgs/msg/TransformStamped", header, child, moved)

        return self.make("tf2_msgs/msg/TFMessage", [stamped])

    def camera_info(self, K: Vector, size: tuple[int, int], stamp: int, frame: str) -> Any:
        """Return a CameraInfo of a lens without distortion.

        K is (3, 3), for an image of `size`, width and height [pixel]; `frame` is the camera's.
        """
        width, height = size
        return self.make(
            "sensor_msgs/msg/CameraInfo",
            header=self.header(stamp, frame),
            height=height,
            width=width,
            distortion_model="plumb_bob",
            d=np.zeros(5),
            k=K.flatten(),
            r=np.eye(3).flatten(),
            p=np.hstack([K, np.zeros((3, 1))]).flatten(),
            binning_x=0,
            binning_y=0,
            roi=self.make("sensor_msgs/msg/RegionOfInterest", 0, 0, 0, 0, False),
        )

    def markers(self, shapes: Iterable[Shape]) -> Any:
        """Return a MarkerArray with a marker of each shape, or its deletion."""
        return self.make("visualization_msgs/msg/MarkerArray", [self._marker(s) for s in shapes])

    def _marker(self, shape: Shape) -> Any:
        """Return a marker in the base frame without a time."""
        kind: Any = self.types.types["visualization_msgs/msg/Marker"]
        empty = np.zeros(0, dtype=np.uint8)

        return kind(
            header=self.header(0),
            ns=shape.group,
            id=0,
            type=getattr(kind, _TYPES[shape.kind]),
            action=kind.ADD if shape.there else kind.DELETE,
            pose=self.pose(shape.position, _POINTING_NOWHERE),
            scale=self.make("geometry_msgs/msg/Vector3", *[shape.size] * 3),
            color=self.make("std_msgs/msg/ColorRGBA", *shape.colour),
            lifetime=self.make("builtin_interfaces/msg/Duration", 0, 0),
            frame_locked=False,
            points=[self._point(point) for point in shape.points],
            colors=[],
            texture_resource="",
            texture=self.make("sensor_msgs/msg/CompressedImage", self.header(0, ""), "", empty),
            uv_coordinates=[],
            text=shape.text,
            mesh_resource="",
            mesh_file=self.make("visualization_msgs/msg/MeshFile", "", empty),
            mesh_use_embedded_materials=False,
        )

    def _point(self, position: Vector) -> Any:
        return self.make("geometry_msgs/msg/Point", *map(float, position))

    def _quaternion(self, quaternion: Vector) -> Any:
        return self.make("geometry_msgs/msg/Quaternion", *map(float, quaternion))
