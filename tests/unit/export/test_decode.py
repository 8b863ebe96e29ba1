"""Messages of every known type and encoding, serialised and read back by the schema in a bag's
channel.
"""

from typing import Any

import cv2
import numpy as np
import pytest
from fixtures import any_bags as bags
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from wayfarer_bags.files.recorded import Channel
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_export.foreign.decode import Compressed, Decoder, decoder_of, jpeg_shape
from wayfarer_export.foreign.map import TopicSource
from wayfarer_export.lerobot_files import Picture

IMAGE, COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
JOINTS, ARRAY = "sensor_msgs/msg/JointState", "std_msgs/msg/Float64MultiArray"


def channel_of(kind: str) -> Channel:
    return Channel("/x", kind, "", bags.TYPES.generate_msgdef(kind, ros_version=2)[0].encode())


def decoder(kind: str, **about: Any) -> Decoder:
    return decoder_of(TopicSource("/x", 0.1, **about), channel_of(kind), "map.yaml: f")


def pixels_of(value: Any) -> NDArray[np.uint8]:
    assert isinstance(value, Picture)
    found = cv2.imdecode(np.frombuffer(value.content, np.uint8), cv2.IMREAD_COLOR)
    assert value.shape == found.shape
    return np.asarray(cv2.cvtColor(found, cv2.COLOR_BGR2RGB), np.uint8)


COLOURS = np.repeat(np.repeat(bags.picture(7, 6, 8), 2, axis=0), 2, axis=1)  # (12, 16, 3)


@pytest.mark.parametrize(
    ("encoding", "pixels", "expected"),
    [
        ("rgb8", COLOURS, COLOURS),
        ("bgr8", COLOURS[..., ::-1], COLOURS),
        ("rgba8", np.dstack([COLOURS, COLOURS[..., :1]]), COLOURS),
        ("bgra8", np.dstack([COLOURS[..., ::-1], COLOURS[..., :1]]), COLOURS),
        ("mono8", COLOURS[..., 1], np.dstack([COLOURS[..., 1]] * 3)),
        ("8UC1", COLOURS[..., 1], np.dstack([COLOURS[..., 1]] * 3)),
    ],
)
@pytest.mark.parametrize("padding", [0, 5])
def test_an_image_has_its_colours_in_every_encoding_and_with_padded_rows(
    encoding: str, pixels: NDArray[np.uint8], expected: NDArray[np.uint8], padding: int
) -> None:
    read = decoder(IMAGE)
    said = bags.image(np.ascontiguousarray(pixels), 1, encoding, padding)
    assert read.problem(said) == ""
    assert (pixels_of(read.value(said)) == expected).all()


@pytest.mark.parametrize("pattern", ["rggb", "bggr", "gbrg", "grbg"])
def test_the_pattern_of_a_bayer_image_is_named_by_its_first_pixels(pattern: str) -> None:
    colour = np.array([200, 100, 50], np.uint8)
    tile = np.array([colour["rgb".index(letter)] for letter in pattern]).reshape(2, 2)
    found = pixels_of(
        decoder(IMAGE).value(bags.image(np.tile(tile, (6, 8)), 1, f"bayer_{pattern}8"))
    )
    assert (found[2:-2, 2:-2] == colour).all()


@pytest.mark.parametrize(
    ("encoding", "order"),
    [("yuv422", "uyvy"), ("uyvy", "uyvy"), ("yuv422_yuy2", "yuyv"), ("yuyv", "yuyv")],
)
def test_a_yuv_image_is_converted_by_the_order_of_its_bytes(encoding: str, order: str) -> None:
    values = {"y": 150, "u": 90, "v": 180}  # orange
    pair = np.array([values[letter] for letter in order], np.uint8).reshape(1, 2, 2)
    found = pixels_of(decoder(IMAGE).value(bags.image(np.tile(pair, (4, 4, 1)), 1, encoding)))
    assert found.shape == (4, 8, 3)
    red, green, blue = found[2, 4].tolist()
    assert red > green + 40 > blue + 40


def test_a_jpeg_and_a_png_stay_the_files_they_are() -> None:
    for form in ("jpg", "png"):
        said = bags.compressed(COLOURS, 1, form)
        read = decoder(COMPRESSED)
        assert read.problem(said) == ""
        value = read.value(said)
        assert isinstance(value, Picture)
        assert (value.content, value.suffix) == (said.data.tobytes(), form)
        assert value.shades.sum(axis=1).tolist() == [12 * 16] * 3

    assert (pixels_of(value) == COLOURS).all()


def encoded(pixels: NDArray[np.uint8], *options: int) -> bytes:
    return bytes(cv2.imencode(".jpg", pixels, list(options))[1])


@pytest.mark.parametrize("size", [(1, 1), (6, 8), (480, 641), (2160, 16)])
@pytest.mark.parametrize(
    "options",
    [
        (),
        (cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        (cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
        (cv2.IMWRITE_JPEG_OPTIMIZE, 1),
        (cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444),
    ],
)
def test_a_jpegs_header_tells_the_shape_that_decoding_finds(
    size: tuple[int, int], options: tuple[int, ...]
) -> None:
    content = encoded(np.zeros((*size, 3), np.uint8), *options)
    assert jpeg_shape(content) == (*size, 3)
    with_a_comment = content[:2] + b"\xff\xfe\x00\x08\xff\xc0\x00\x11\x08\x00" + content[2:]
    assert jpeg_shape(with_a_comment) == (*size, 3)


def test_a_header_tells_nothing_of_what_is_no_jpeg_of_three_colours_or_is_cut_off() -> None:
    grey = encoded(COLOURS[..., 1].copy())
    png = bytes(cv2.imencode(".png", COLOURS)[1])
    assert [jpeg_shape(content) for content in (grey, png, b"", b"\xff\xd8")] == [None] * 4
    whole = encoded(COLOURS)
    found = {jpeg_shape(whole[:length]) for length in range(len(whole))}
    assert found == {None, COLOURS.shape}


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reading_of_a_header_fail(content: bytes) -> None:
    found = jpeg_shape(b"\xff\xd8" + content)
    assert found is None or min(found) > 0


def test_at_a_glance_a_jpeg_is_the_same_but_for_its_shades_and_others_are_decoded() -> None:
    read = decoder(COMPRESSED)
    assert isinstance(read, Compressed)
    said = bags.compressed(COLOURS, 1, "jpg")
    glanced, whole = read.glance(said), read.value(said)
    assert (glanced.content, glanced.suffix, glanced.shape) == (
        whole.content,
        whole.suffix,
        whole.shape,
    )
    assert glanced.shades is None
    assert read.glance(bags.compressed(COLOURS, 1, "png")).shades is not None
    said.data = np.frombuffer(encoded(COLOURS[..., 1].copy()), np.uint8)
    assert read.glance(said).suffix == "png"


def test_a_grey_or_transparent_file_becomes_one_of_three_colours() -> None:
    for pixels, expected in (
        (COLOURS[..., 1], np.dstack([COLOURS[..., 1]] * 3)),
        (np.dstack([COLOURS[..., ::-1], COLOURS[..., :1]]), COLOURS),
    ):
        said = bags.compressed(COLOURS, 1)
        said.data = cv2.imencode(".png", np.ascontiguousarray(pixels))[1].reshape(-1)
        assert (pixels_of(decoder(COMPRESSED).value(said)) == expected).all()


def test_an_image_that_was_cut_off_counts_as_not_recorded() -> None:
    said = bags.image(COLOURS, 1)
    said.data = said.data[:-1]
    assert decoder(IMAGE).problem(said) == "it has no pixels, or fewer than it says"

    for form in ("jpg", "png"):
        packed = bags.compressed(COLOURS, 1, form)
        packed.data = packed.data[:-80]
        assert "cut off" in decoder(COMPRESSED).problem(packed)

    packed.data = packed.data[:0]
    assert "empty" in decoder(COMPRESSED).problem(packed)


def test_what_is_no_colour_image_is_refused_with_what_would_be() -> None:
    depth = bags.image(np.zeros((4, 4), np.uint8), 1, "16UC1")
    with pytest.raises(
        DataError, match=r"/x has images of the encoding '16UC1'; what can be read is rgb8, bgr8"
    ):
        decoder(IMAGE).problem(depth)

    packed = bags.compressed(COLOURS, 1)
    packed.data = np.frombuffer(b"RIFF1234", np.uint8)
    with pytest.raises(DataError, match=r"/x has images that are neither JPEG nor PNG"):
        decoder(COMPRESSED).problem(packed)

    packed.data = cv2.imencode(".png", np.zeros((4, 4), np.uint16))[1].reshape(-1)
    with pytest.raises(DataError, match=r"of uint16 and not of 8 bits"):
        decoder(COMPRESSED).value(packed)


def test_joints_are_taken_by_their_names_whatever_their_order() -> None:
    read = decoder(JOINTS, take=("velocity", "position"), names=("joint_c", "joint_a"))
    assert read.names == (
        "joint_c.velocity",
        "joint_a.velocity",
        "joint_c.position",
        "joint_a.position",
    )
    said = bags.joints(1, [1, 2, 3])
    assert read.problem(said) == ""
    assert np.asarray(read.value(said)).tolist() == [30, 10, 3, 1]
    assert "no joint 'joint_c', but finger" in read.problem(bags.joints(1, [1], ["finger"]))
    assert "no velocity of each joint" in read.problem(bags.joints(1, [1, 2, 3], velocity=False))
    assert "not finite" in read.problem(bags.joints(1, [1, 2, np.nan]))


@pytest.mark.parametrize(
    ("kind", "said", "take", "names", "values"),
    [
        ("PoseStamped", bags.pose(1, 1, 2, 3), (), "x y z qx qy qz qw", [1, 2, 3, 0, 0, 0, 1]),
        ("PoseStamped", bags.pose(1, 1, 2, 3), ("orientation",), "qx qy qz qw", [0, 0, 0, 1]),
        ("TwistStamped", bags.twist(1, 4, 5, 6), ("angular", "linear"),
         "angular.x angular.y angular.z linear.x linear.y linear.z", [0, 0, 2, 4, 5, 6]),
        ("WrenchStamped", bags.wrench(1, 7, 8, 9), (),
         "force.x force.y force.z torque.x torque.y torque.z", [7, 8, 9, 1, 2, 3]),
    ],
)  # fmt: skip
def test_stamped_geometry_gives_its_parts(
    kind: str, said: Any, take: tuple[str, ...], names: str, values: list[float]
) -> None:
    read = decoder(f"geometry_msgs/msg/{kind}", take=take)
    assert read.names == tuple(names.split())
    assert read.problem(said) == ""
    assert np.asarray(read.value(said)).tolist() == values


def test_an_array_has_as_many_numbers_as_the_map_names() -> None:
    read = decoder(ARRAY, names=("left", "right"))
    assert read.names == ("left", "right")
    assert np.asarray(read.value(bags.numbers(3, 4))).tolist() == [3, 4]
    assert read.problem(bags.numbers(3)) == "it has 1 numbers, not the 2 that the map names"


@pytest.mark.parametrize(
    ("kind", "about", "words"),
    [
        ("std_msgs/msg/String", {}, r"f: /x is std_msgs/msg/String in cdr, what can be read is sensor_msgs/msg/Image"),
        (JOINTS, {}, r"names is missing: list the joints to take; `--suggest-map` finds them"),
        (ARRAY, {}, r"names is missing: list the numbers it holds"),
        (JOINTS, {"names": ("a",), "take": ("force",)}, r"has no force: it has position, velocity, effort"),
        (JOINTS, {"names": ("a", "a")}, r"/x takes something twice"),
        (IMAGE, {"take": ("position",)}, r"has no position: `take` is not for that type"),
        (IMAGE, {"names": ("a",)}, r"`names` is for JointState and Float64MultiArray"),
        (ARRAY, {"names": ("a",), "time": "header"}, r"which has no header: write time: log"),
    ],
)  # fmt: skip
def test_a_map_that_does_not_fit_a_type_is_refused(
    kind: str, about: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        decoder(kind, **about)
