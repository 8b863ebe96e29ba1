"""Conversions between ROS messages and numpy, without copies if the formats allow."""

from typing import Any

import numpy as np
from builtin_interfaces.msg import Time
from geometry_msgs.msg import Pose, PoseStamped, TransformStamped
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from wayfarer_core import names
from wayfarer_core.errors import DataError
from wayfarer_core.rotation import quaternion_of_matrix

_CHANNELS = {"rgb8": 3, "bgr8": 3, "rgba8": 4, "bgra8": 4, "mono8": 1}


def to_nanoseconds(stamp: Time) -> int:
    """Return a stamp as nanoseconds since the epoch of its clock."""
    return int(stamp.sec) * 1_000_000_000 + int(stamp.nanosec)


def to_stamp(nanoseconds: int) -> Time:
    """Return nanoseconds as a stamp."""
    return Time(sec=nanoseconds // 1_000_000_000, nanosec=nanoseconds % 1_000_000_000)


def image_to_array(message: Image) -> NDArray[np.uint8]:
    """Return an image's pixels as RGB (height, width, 3) uint8.

    An rgb8 image is returned as a view of the message.

    Raises DataError for an unknown encoding, or if the size does not match the
    data.
    """
    channels = _CHANNELS.get(message.encoding)
    if channels is None:
        raise DataError(f"image encoding {message.encoding!r} is not one of {', '.join(_CHANNELS)}")
    if not message.width or not message.height:
        raise DataError(f"image of {message.width}x{message.height} pixels: there is nothing in it")

    data = np.asarray(message.data, dtype=np.uint8)
    if message.step < message.width * channels or data.size != message.step * message.height:
        raise DataError(
            f"image of {message.width}x{message.height} {message.encoding} with step "
            f"{message.step} cannot hold {data.size} bytes"
        )

    rows = data.reshape(message.height, message.step)[:, : message.width * channels]
    pixels = rows.reshape(message.height, message.width, channels)
    if message.encoding == "mono8":
        return np.repeat(pixels, 3, axis=2)

    return pixels[:, :, 2::-1] if message.encoding.startswith("bgr") else pixels[:, :, :3]


def array_to_image(pixels: NDArray[np.uint8], stamp: Time, frame: str) -> Image:
    """Return RGB pixels (height, width, 3) uint8 as an rgb8 message."""
    height, width, channels = pixels.shape
    if channels != 3 or pixels.dtype != np.uint8:
        raise DataError(
            f"expected RGB uint8 pixels (height, width, 3), got {pixels.dtype} {pixels.shape}"
        )

    message = Image(height=height, width=width, encoding="rgb8", step=width * 3)
    message.header.stamp = stamp
    message.header.frame_id = frame
    message.data = pixels.tobytes()  # bytes: 2 us; an ndarray or a list would take milliseconds

    return message


def set_pose(pose: Pose, position: NDArray[np.float64], quaternion: NDArray[np.float64]) -> None:
    """Write a position (3,) and a quaternion xyzw (4,) into a Pose."""
    p, q = pose.position, pose.orientation
    p.x, p.y, p.z = (float(v) for v in position)
    q.x, q.y, q.z, q.w = (float(v) for v in quaternion)


def base_pose(
    position: NDArray[np.float64], quaternion: NDArray[np.float64], stamp: int = 0
) -> PoseStamped:
    """Return a position (3,) [m] and a quaternion xyzw (4,) in the base frame at a time [ns]."""
    message = PoseStamped()
    message.header.stamp, message.header.frame_id = to_stamp(stamp), names.BASE_FRAME
    set_pose(message.pose, position, quaternion)
    return message


def transform(
    child: str,
    position: NDArray[np.float64],
    quaternion: NDArray[np.float64],
    stamp: int,
    parent: str = names.BASE_FRAME,
) -> TransformStamped:
    """Return the transform from frame `parent` to frame `child`.

    `position` (3,) [m] and `quaternion` xyzw (4,), at a time [ns].
    """
    message = TransformStamped(child_frame_id=child)
    message.header.stamp, message.header.frame_id = to_stamp(stamp), parent
    t, q = message.transform.translation, message.transform.rotation
    t.x, t.y, t.z = (float(v) for v in position)
    q.x, q.y, q.z, q.w = (float(v) for v in quaternion)

    return message


def standing_transform(
    child: str, T_parent_child: NDArray[np.float64], parent: str = names.BASE_FRAME
) -> TransformStamped:
    """Return the transform of a frame that does not move in the other, from its pose (4, 4) [m]."""
    R = T_parent_child[:3, :3]
    return transform(child, T_parent_child[:3, 3], quaternion_of_matrix(R), 0, parent)


def position_of(pose: Pose) -> NDArray[np.float64]:
    """Return a Pose's position (3,)."""
    p = pose.position
    return np.array((p.x, p.y, p.z))


def quaternion_of(pose: Pose) -> NDArray[np.float64]:
    """Return a Pose's orientation xyzw (4,)."""
    q = pose.orientation
    return np.array((q.x, q.y, q.z, q.w))


def active_errors(errors: Any) -> list[str]:
    """Return the names of the flags that are set in a franka_msgs/Errors."""
    return [name for name in errors.get_fields_and_field_types() if getattr(errors, name)]
