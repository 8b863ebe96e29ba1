"""Decoders of known message types: to images, or to named numbers.

Missing content is reported in words.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.files.recorded import Channel
from wayfarer_bags.message_types import full_name, unlike
from wayfarer_core.errors import ConfigError, DataError

from wayfarer_export.foreign.map import TopicSource
from wayfarer_export.lerobot_files import Picture, shades_of

Numbers = NDArray[np.float32]  # (C,)

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
JOINTS, ARRAY = "sensor_msgs/msg/JointState", "std_msgs/msg/Float64MultiArray"
_XYZ, _QUATERNION = ("x", "y", "z"), ("x", "y", "z", "w")
# for each type the parts that `take` may name: their fields, and the names of their numbers
_PARTS: dict[str, dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]]] = {
    "geometry_msgs/msg/PoseStamped": {
        "position": ("pose.position", _XYZ, _XYZ),
        "orientation": ("pose.orientation", _QUATERNION, ("qx", "qy", "qz", "qw")),
    },
    "geometry_msgs/msg/TwistStamped": {
        "linear": ("twist.linear", _XYZ, ("linear.x", "linear.y", "linear.z")),
        "angular": ("twist.angular", _XYZ, ("angular.x", "angular.y", "angular.z")),
    },
    "geometry_msgs/msg/WrenchStamped": {
        "force": ("wrench.force", _XYZ, ("force.x", "force.y", "force.z")),
        "torque": ("wrench.torque", _XYZ, ("torque.x", "torque.y", "torque.z")),
    },
}
FIELDS = {
    IMAGE: ("header", "height", "width", "encoding", "step", "data"),
    COMPRESSED: ("header", "format", "data"),
    JOINTS: ("header", "name", "position", "velocity", "effort"),
    ARRAY: ("data",),
    **{
        kind: ("header", next(iter(parts.values()))[0].split(".")[0])
        for kind, parts in _PARTS.items()
    },
}
TYPES = tuple(FIELDS)  # all types that can be read
PICTURES = (IMAGE, COMPRESSED)
# bytes of a pixel, and OpenCV's conversion to RGB
_ENCODINGS: dict[str, tuple[int, int | None]] = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
    "mono8": (1, cv2.COLOR_GRAY2RGB),
    "8UC1": (1, cv2.COLOR_GRAY2RGB),
    "bayer_rggb8": (1, cv2.COLOR_BayerRGGB2RGB),
    "bayer_bggr8": (1, cv2.COLOR_BayerBGGR2RGB),
    "bayer_gbrg8": (1, cv2.COLOR_BayerGBRG2RGB),
    "bayer_grbg8": (1, cv2.COLOR_BayerGRBG2RGB),
    "yuv422": (2, cv2.COLOR_YUV2RGB_UYVY),
    "uyvy": (2, cv2.COLOR_YUV2RGB_UYVY),
    "yuv422_yuy2": (2, cv2.COLOR_YUV2RGB_YUY2),
    "yuyv": (2, cv2.COLOR_YUV2RGB_YUY2),
}
_JPEG, _PNG = b"\xff\xd8", b"\x89PNG\r\n\x1a\n"
_MARKER, _FRAMES = 0xFF, (0xC0, 0xC1, 0xC2)  # of frames that Huffman's code packs: the usual ones
_FRAME = struct.Struct(">BHHB")  # bits, height, width, colours
_JPEG_END, _PNG_END = b"\xff\xd9", b"IEND\xaeB`\x82"


class Decoder(Protocol):
    """Decodes the messages of one source."""

    names: tuple[str, ...] | None  # of its numbers; None if it makes images

    def problem(self, said: Any) -> str:
        """Say why a message counts as not recorded; "" if it has the wanted content."""

    def value(self, said: Any) -> Picture | Numbers:
        """Return the content of a message that has no problem.

        DataError if it cannot be read after all.
        """


def decoder_of(source: TopicSource, channel: Channel, where: str) -> Decoder:
    """Return the decoder of a source's messages.

    ConfigError if the map does not fit the type, or the type is unknown.
    """
    kind = full_name(channel.type)
    if kind not in TYPES or channel.message_encoding != "cdr":
        raise ConfigError(
            f"{where}: {source.topic} is {channel.type or 'of no type'} in "
            f"{channel.message_encoding or 'no encoding'}, what can be read is {', '.join(TYPES)} "
            "in cdr"
        )
    if wrong := unlike(channel, FIELDS[kind]):
        raise ConfigError(f"{where}: {wrong}")
    if source.time == "header" and not stamped(kind):
        raise ConfigError(
            f"{where}: {source.topic} is {kind}, which has no header: write time: log"
        )

    possible = ("position", "velocity", "effort") if kind == JOINTS else tuple(_PARTS.get(kind, ()))
    if foreign := [part for part in source.take if part not in possible]:
        right = f"it has {', '.join(possible)}" if possible else "`take` is not for that type"
        raise ConfigError(f"{where}: {source.topic} is {kind}, which has no {foreign[0]}: {right}")

    if source.names and kind not in (JOINTS, ARRAY):
        raise ConfigError(
            f"{where}: `names` is for JointState and Float64MultiArray, {source.topic} is {kind}"
        )

    if kind in (JOINTS, ARRAY) and not source.names:
        what = "joints to take" if kind == JOINTS else "numbers it holds"
        raise ConfigError(
            f"{where}: names is missing: list the {what}; `--suggest-map` finds them in the bag"
        )

    if len(set(source.names)) < len(source.names) or len(set(source.take)) < len(source.take):
        raise ConfigError(f"{where}: {source.topic} takes something twice")

    return _made(source, kind)


def stamped(kind: str) -> bool:
    """Say whether messages of a type begin with a header."""
    return "header" in FIELDS[kind]


def _made(source: TopicSource, kind: str) -> Decoder:
    if kind == IMAGE:
        return Raw(source.topic)
    if kind == COMPRESSED:
        return Compressed(source.topic)
    if kind == JOINTS:
        return Joints(source.names, source.take or ("position",))
    if kind == ARRAY:
        return Array(source.names)

    return Parts(kind, source.take or tuple(_PARTS[kind]))


# --- numbers ---


@dataclass
class Joints:
    """Some joints of a sensor_msgs/JointState, by name.

    A topic may have several publishers.
    """

    joints: tuple[str, ...]
    take: tuple[str, ...]

    def __post_init__(self) -> None:
        self.names: tuple[str, ...] | None = tuple(
            f"{joint}.{what}" for what in self.take for joint in self.joints
        )

    def problem(self, said: Any) -> str:
        """Say why a message counts as not recorded."""
        if missing := [joint for joint in self.joints if joint not in said.name]:
            return f"it has no joint {missing[0]!r}, but {', '.join(said.name) or 'none'}"
        if short := [what for what in self.take if len(getattr(said, what)) < len(said.name)]:
            return f"it has no {short[0]} of each joint"
        return _unknown(self._numbers(said))

    def value(self, said: Any) -> Numbers:
        """Return its numbers."""
        return self._numbers(said)

    def _numbers(self, said: Any) -> Numbers:
        places = [list(said.name).index(joint) for joint in self.joints]
        return np.concatenate(
            [np.asarray(getattr(said, what))[places] for what in self.take]
        ).astype(np.float32)


@dataclass
class Array:
    """A std_msgs/Float64MultiArray; its numbers keep their order."""

    called: tuple[str, ...]

    def __post_init__(self) -> None:
        self.names: tuple[str, ...] | None = self.called

    def problem(self, said: Any) -> str:
        """Say why a message counts as not recorded."""
        if len(said.data) != len(self.called):
            return f"it has {len(said.data)} numbers, not the {len(self.called)} that the map names"
        return _unknown(self.value(said))

    def value(self, said: Any) -> Numbers:
        """Return its numbers."""
        return np.asarray(said.data, dtype=np.float32)


class Parts:
    """Positions, rotations, velocities and forces of geometry_msgs."""

    def __init__(self, kind: str, take: Sequence[str]) -> None:
        chosen = [_PARTS[kind][part] for part in take]
        self._paths = [[*path.split("."), field] for path, fields, _ in chosen for field in fields]
        self.names: tuple[str, ...] | None = tuple(name for *_, called in chosen for name in called)

    def problem(self, said: Any) -> str:
        """Say why a message counts as not recorded."""
        return _unknown(self.value(said))

    def value(self, said: Any) -> Numbers:
        """Return its numbers."""
        return np.array([_at(said, path) for path in self._paths], dtype=np.float32)


def _at(said: Any, path: Sequence[str]) -> float:
    for name in path:
        said = getattr(said, name)
    return float(said)


def _unknown(values: Numbers) -> str:
    return "" if np.isfinite(values).all() else "it has a number that is not finite"


# --- images ---


class Raw:
    """A sensor_msgs/Image."""

    names: tuple[str, ...] | None = None

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def problem(self, said: Any) -> str:
        """Say why a message counts as not recorded."""
        if said.encoding not in _ENCODINGS:
            raise DataError(
                f"{self._topic} has images of the encoding {said.encoding!r}; what can be read is "
                f"{', '.join(_ENCODINGS)}"
            )

        row = _ENCODINGS[said.encoding][0] * said.width
        enough = said.height and said.width and said.step >= row
        whole = enough and len(said.data) >= (said.height - 1) * said.step + row

        return "" if whole else "it has no pixels, or fewer than it says"

    def value(self, said: Any) -> Picture:
        """Return its image."""
        depth, conversion = _ENCODINGS[said.encoding]
        shape, strides = (said.height, said.width, depth), (said.step, depth, 1)
        pixels = np.lib.stride_tricks.as_strided(
            said.data, shape, strides, writeable=False
        )  # rows may be padded
        pixels = np.ascontiguousarray(pixels)

        return Picture.of(pixels if conversion is None else cv2.cvtColor(pixels, conversion))


class Compressed:
    """A sensor_msgs/CompressedImage.

    A JPEG or PNG with three colours is stored unchanged, byte for byte.
    """

    names: tuple[str, ...] | None = None

    def __init__(self, topic: str) -> None:
        self._topic = topic

    def problem(self, said: Any) -> str:
        """Say why a message counts as not recorded."""
        content = said.data.tobytes()
        end = _PNG_END if content.startswith(_PNG) else _JPEG_END
        if content and not content.startswith((_JPEG, _PNG)):
            raise DataError(
                f"{self._topic} has images that are neither JPEG nor PNG: its format is "
                f"{said.format!r}"
            )

        return (
            "" if end in content[-64:] else "its image is empty or cut off"
        )  # some cameras pad what they send

    def glance(self, said: Any) -> Picture:
        """Return its image; without shades if it is a JPEG that stays as it is."""
        content = said.data.tobytes()
        shape = jpeg_shape(content)
        return self.value(said) if shape is None else Picture(content, "jpg", shape, None)

    def value(self, said: Any) -> Picture:
        """Return its image."""
        content = said.data.tobytes()
        try:
            pixels = cv2.imdecode(said.data, cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            raise DataError(
                f"{self._topic} has an image that cannot be decoded: {error.err}"
            ) from error

        if pixels is None or pixels.dtype != np.uint8:
            what = (
                "that cannot be decoded"
                if pixels is None
                else f"of {pixels.dtype} and not of 8 bits"
            )
            raise DataError(f"{self._topic} has an image {what}: its format is {said.format!r}")

        if pixels.ndim == 3 and pixels.shape[2] == 3:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)
            suffix = "png" if content.startswith(_PNG) else "jpg"
            return Picture(content, suffix, pixels.shape, shades_of(pixels))

        grey = pixels.ndim == 2

        return Picture.of(cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB if grey else cv2.COLOR_BGRA2RGB))


def jpeg_shape(content: bytes) -> tuple[int, int, int] | None:
    """Return the shape (H, W, 3) that a JPEG's header tells; None for anything but three colours of
    8 bits.

    Headers are as ITU T.81, B.1 and B.2, has them: segments of a marker and a length.
    """
    place = len(_JPEG) if content.startswith(_JPEG) else len(content)
    while place + 10 <= len(content) and content[place] == _MARKER:
        marker, length = content[place + 1], int.from_bytes(content[place + 2 : place + 4])
        if marker in _FRAMES:
            bits, height, width, colours = _FRAME.unpack_from(content, place + 4)
            return (height, width, 3) if (bits, colours) == (8, 3) and height and width else None

        place += 2 + length

    return None
