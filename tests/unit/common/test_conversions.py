import numpy as np
import pytest
from builtin_interfaces.msg import Time
from franka_msgs.msg import Errors
from geometry_msgs.msg import Pose
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from wayfarer_common.conversions import (
    active_errors,
    array_to_image,
    base_pose,
    image_to_array,
    position_of,
    quaternion_of,
    set_pose,
    to_nanoseconds,
    to_stamp,
)
from wayfarer_core import names
from wayfarer_core.errors import DataError

coordinate = st.floats(allow_nan=False)


def noise(height: int = 5, width: int = 7, channels: int = 3) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def message_of(pixels: NDArray[np.uint8], encoding: str, padding: int = 0) -> Image:
    height, width, channels = pixels.shape
    rows = np.pad(pixels.reshape(height, -1), ((0, 0), (0, padding)), constant_values=99)
    message = Image(height=height, width=width, encoding=encoding, step=width * channels + padding)
    message.data = rows.tobytes()

    return message


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_a_stamp_keeps_every_nanosecond(nanoseconds: int) -> None:
    stamp = to_stamp(nanoseconds)
    assert stamp.nanosec < 1_000_000_000
    assert to_nanoseconds(stamp) == nanoseconds


def test_a_time_before_the_epoch_keeps_its_nanoseconds_positive() -> None:
    assert to_stamp(-1) == Time(sec=-1, nanosec=999_999_999)
    assert to_nanoseconds(to_stamp(-1)) == -1


@settings(max_examples=50)
@given(st.integers(1, 40), st.integers(1, 40))
def test_pixels_come_back_from_a_message_as_they_went_in(height: int, width: int) -> None:
    pixels = noise(height, width)
    message = array_to_image(pixels, Time(sec=3, nanosec=4), "camera")
    assert (message.height, message.width, message.encoding) == (height, width, "rgb8")
    assert message.header.stamp == Time(sec=3, nanosec=4)
    assert message.header.frame_id == "camera"
    assert (image_to_array(deserialize_message(serialize_message(message), Image)) == pixels).all()


def test_an_rgb_message_is_read_without_a_copy() -> None:
    message = array_to_image(noise(), Time(), "")
    first, second = image_to_array(message), image_to_array(message)
    assert np.shares_memory(first, second)


@pytest.mark.parametrize("padding", [0, 5])
@pytest.mark.parametrize(
    ("encoding", "channels", "order"),
    [
        ("rgb8", 3, [0, 1, 2]),
        ("bgr8", 3, [2, 1, 0]),
        ("rgba8", 4, [0, 1, 2]),
        ("bgra8", 4, [2, 1, 0]),
    ],
)
def test_every_encoding_is_read_as_rgb_with_or_without_padded_rows(
    encoding: str, channels: int, order: list[int], padding: int
) -> None:
    pixels = noise(channels=channels)
    read = image_to_array(message_of(pixels, encoding, padding))
    assert read.shape == (5, 7, 3)
    assert (read == pixels[:, :, order]).all()


def test_a_grey_image_is_read_as_three_equal_channels() -> None:
    pixels = noise(channels=1)
    read = image_to_array(message_of(pixels, "mono8", padding=1))
    assert read.shape == (5, 7, 3)
    assert (read == pixels).all()


@pytest.mark.parametrize("encoding", ["", "yuv422", "16UC1", "RGB8"])
def test_an_unknown_encoding_is_refused_with_the_known_ones(encoding: str) -> None:
    message = message_of(noise(), encoding)
    with pytest.raises(
        DataError, match=f"'{encoding}' is not one of rgb8, bgr8, rgba8, bgra8, mono8"
    ):
        image_to_array(message)


@pytest.mark.parametrize(
    ("field", "value"), [("height", 6), ("width", 8), ("step", 22), ("step", 0)]
)
def test_a_message_whose_size_does_not_fit_its_data_is_refused(field: str, value: int) -> None:
    message = message_of(noise(), "rgb8")
    setattr(message, field, value)
    with pytest.raises(DataError, match="cannot hold 105 bytes"):
        image_to_array(message)


@pytest.mark.parametrize("size", [(0, 0), (0, 4), (4, 0)])
def test_a_picture_with_nothing_in_it_is_refused_as_such(size: tuple[int, int]) -> None:
    with pytest.raises(
        DataError, match=f"image of {size[0]}x{size[1]} pixels: there is nothing in it"
    ):
        image_to_array(Image(width=size[0], height=size[1], encoding="rgb8"))


@pytest.mark.parametrize(
    "pixels", [np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))]
)
def test_pixels_that_are_not_rgb_bytes_are_refused(pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(DataError, match="expected RGB uint8"):
        array_to_image(pixels, Time(), "")


def test_a_view_with_strides_is_written_in_the_order_it_is_seen() -> None:
    upside_down = noise()[::-1]
    assert (image_to_array(array_to_image(upside_down, Time(), "")) == upside_down).all()


@given(st.tuples(*[coordinate] * 3), st.tuples(*[coordinate] * 4))
def test_a_pose_gives_back_its_position_and_orientation(
    position: tuple[float, ...], quaternion: tuple[float, ...]
) -> None:
    pose = Pose()
    set_pose(pose, np.array(position), np.array(quaternion))
    assert position_of(pose).tolist() == list(position)
    assert quaternion_of(pose).tolist() == list(quaternion)


def test_a_pose_of_the_base_frame_says_where_and_when() -> None:
    message = base_pose(np.array([0.1, 0.2, 0.3]), np.array([1.0, 0.0, 0.0, 0.0]), 1_500_000_000)
    assert (message.header.frame_id, to_nanoseconds(message.header.stamp)) == (
        names.BASE_FRAME,
        1_500_000_000,
    )
    assert position_of(message.pose).tolist() == [0.1, 0.2, 0.3]
    assert quaternion_of(message.pose).tolist() == [1.0, 0.0, 0.0, 0.0]


def test_a_quaternion_is_written_in_the_order_xyzw() -> None:
    pose = Pose()
    set_pose(pose, np.zeros(3), np.array([0.1, 0.2, 0.3, 0.4]))
    q = pose.orientation
    assert (q.x, q.y, q.z, q.w) == (0.1, 0.2, 0.3, 0.4)


def test_a_robot_without_errors_reports_none() -> None:
    assert active_errors(Errors()) == []


def test_each_error_flag_is_reported_by_its_name() -> None:
    flags = list(Errors.get_fields_and_field_types())
    for flag in flags:
        assert active_errors(Errors(**{flag: True})) == [flag]
    assert active_errors(Errors(**dict.fromkeys(flags, True))) == flags
    assert len(flags) == 36
