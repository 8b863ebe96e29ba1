import re
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from wayfarer_camera import sources
from wayfarer_camera.sources import SOURCES, Wanted
from wayfarer_core.errors import ConfigError, DataError, DeviceError

FAST = Wanted("folder", "", rate=200.0, width=64, height=48, repeat=False)


def picture(number: int) -> NDArray[np.uint8]:
    """Plain RGB pixels; the number stands in the red channel."""
    pixels = np.full((48, 64, 3), (0, 90, 200), np.uint8)
    pixels[..., 0] = 40 * number
    return pixels


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for k in (2, 0, 1):
        cv2.imwrite(str(folder / f"{k}.png"), cv2.cvtColor(picture(k), cv2.COLOR_RGB2BGR))

    (folder / "notes.txt").write_text("not an image")

    return folder


def reds(source: sources.Source, count: int) -> list[int]:
    frames = [source.read() for _ in range(count)]
    return [-1 if frame is None else round(frame.pixels[..., 0].mean() / 40) for frame in frames]


def test_a_folder_gives_its_images_by_name_as_rgb_and_ends(images: Path) -> None:
    source = SOURCES["folder"](replace(FAST, path=str(images)))
    frame = source.read()
    assert frame is not None
    assert (frame.pixels == picture(0)).all()
    assert frame.age == 0.0
    assert reds(source, 3) == [1, 2, -1]


def test_a_folder_begins_again_where_that_is_wanted(images: Path) -> None:
    assert reds(SOURCES["folder"](replace(FAST, path=str(images), repeat=True)), 7) == [
        0,
        1,
        2,
        0,
        1,
        2,
        0,
    ]


def test_images_come_at_the_rate_that_is_wanted(images: Path) -> None:
    source = SOURCES["folder"](replace(FAST, path=str(images), rate=20.0, repeat=True))
    start = time.monotonic()
    assert reds(source, 5) == [0, 1, 2, 0, 1]
    assert time.monotonic() - start >= 4 / 20.0


def test_a_video_gives_its_pictures_in_order(tmp_path: Path) -> None:
    path = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (64, 48))
    for k in range(4):
        writer.write(cv2.cvtColor(picture(k), cv2.COLOR_RGB2BGR))

    writer.release()
    assert reds(SOURCES["video"](replace(FAST, kind="video", path=str(path))), 5) == [
        0,
        1,
        2,
        3,
        -1,
    ]
    assert reds(SOURCES["video"](replace(FAST, kind="video", path=str(path), repeat=True)), 5) == [
        0,
        1,
        2,
        3,
        0,
    ]


def test_what_is_not_there_is_named_with_what_is(images: Path) -> None:
    with pytest.raises(ConfigError, match=r"no folder '.*image': .* holds images"):
        SOURCES["folder"](replace(FAST, path=str(images.parent / "image")))

    with pytest.raises(
        ConfigError, match=r"no video '.*3.mp4': .* holds 0.png, 1.png, 2.png, notes.txt"
    ):
        SOURCES["video"](replace(FAST, path=str(images / "3.mp4")))

    with pytest.raises(ConfigError, match="/nowhere does not exist either"):
        SOURCES["folder"](replace(FAST, path="/nowhere/images"))

    with pytest.raises(
        DeviceError, match=r"no camera '/dev/video99': there (are /dev/video|is no /dev/video)"
    ):
        SOURCES["v4l2"](replace(FAST, path="/dev/video99"))


def test_files_that_hold_no_pictures_are_refused(images: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ConfigError, match=r"empty holds no image: looked for \.png"):
        SOURCES["folder"](replace(FAST, path=str(tmp_path / "empty")))
    with pytest.raises(ConfigError, match=r"notes.txt holds no picture that OpenCV can read"):
        SOURCES["video"](replace(FAST, path=str(images / "notes.txt")))


def test_a_file_in_a_folder_that_is_no_picture_is_told_of_and_the_next_one_comes(
    images: Path,
) -> None:
    (images / "1.png").write_text("no image")
    source = SOURCES["folder"](replace(FAST, path=str(images)))
    first = reds(source, 1)
    with pytest.raises(DataError, match=r"1.png is not an image that OpenCV can read"):
        source.read()

    assert len({*first, *reds(source, 1)}) == 2


def test_a_device_that_is_no_camera_is_refused() -> None:
    with pytest.raises(DeviceError, match="camera /dev/null cannot be opened"):
        SOURCES["v4l2"](replace(FAST, path="/dev/null"))


class Device:
    """cv2.VideoCapture as a V4L2 camera has it.

    Stamps on the steady clock, BGR, and an end when it is unplugged.
    """

    size = (64, 48)
    stamp_age = 0.02  # s
    pictures = 2

    def __init__(self, path: str, backend: int) -> None:
        assert (path, backend) == ("/dev/null", cv2.CAP_V4L2)
        self.asked: dict[int, float] = {}
        self.left = self.pictures
        self.released = False

    def isOpened(self) -> bool:  # noqa: N802
        return True

    def set(self, key: int, value: float) -> bool:
        self.asked[key] = value
        return True

    def get(self, key: int) -> float:
        if key == cv2.CAP_PROP_POS_MSEC:
            return 1e3 * (time.monotonic() - self.stamp_age)
        return float(self.size[key == cv2.CAP_PROP_FRAME_HEIGHT])

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        self.left -= 1

        return (
            (True, cv2.cvtColor(picture(self.left), cv2.COLOR_RGB2BGR))
            if self.left >= 0
            else (False, None)
        )

    def release(self) -> None:
        self.released = True


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> type[Device]:
    real = {key: getattr(cv2, key) for key in dir(cv2) if key.isupper() or key == "cvtColor"}
    monkeypatch.setattr(sources, "cv2", SimpleNamespace(**real, VideoCapture=Device))
    return Device


def test_a_camera_s_pictures_carry_their_capture_time_and_its_loss_is_an_error(
    device: type[Device],
) -> None:
    source = SOURCES["v4l2"](replace(FAST, kind="v4l2", path="/dev/null"))
    frame = source.read()
    assert frame is not None
    assert (frame.pixels == picture(1)).all()
    assert 0.019 < frame.age < 1.0
    assert reds(source, 1) == [0]

    with pytest.raises(DeviceError, match="camera /dev/null gives no more pictures: unplugged"):
        source.read()


def test_a_capture_time_on_another_clock_is_not_believed(
    device: type[Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    for age in (1e9, -1e9):
        monkeypatch.setattr(device, "stamp_age", age)
        frame = SOURCES["v4l2"](replace(FAST, kind="v4l2", path="/dev/null")).read()
        assert frame is not None
        assert frame.age == 0.0


def test_a_camera_that_cannot_do_the_size_is_refused_with_what_it_does(
    device: type[Device],
) -> None:
    with pytest.raises(
        ConfigError, match=re.escape("camera /dev/null gives 64x48, not 640x480 pixels")
    ):
        SOURCES["v4l2"](replace(FAST, kind="v4l2", path="/dev/null", width=640, height=480))
