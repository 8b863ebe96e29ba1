"""Sources of images for a camera without a ROS driver.

A V4L2 device, a video file, a folder of images.
"""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray
from wayfarer_core.errors import ConfigError, DataError, DeviceError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")
_OLDEST = 1.0  # s; an older capture time comes from another clock than ours


@dataclass(frozen=True, eq=False)
class Frame:
    """An image and its age."""

    pixels: NDArray[np.uint8]  # (H, W, 3) RGB
    age: float = 0.0  # s


class Source(Protocol):
    """Gives one image after another. The constructor opens it; one thread uses it."""

    def read(self) -> Frame | None:
        """Wait for the next image; None at the end of a file.

        Raises DeviceError if the device is lost, DataError for a single unreadable image.
        """

    def close(self) -> None:
        """Release the device or file."""


@dataclass(frozen=True)
class Wanted:
    """The wanted source and its settings."""

    kind: str  # one of SOURCES
    path: str  # device, file or folder
    rate: float  # pictures per second
    width: int  # pixels, V4L2 only
    height: int  # pixels, V4L2 only
    repeat: bool  # restart a file or folder at its end


class V4l2Source:
    """A camera device."""

    def __init__(self, wanted: Wanted) -> None:
        self._path = wanted.path
        if not Path(wanted.path).exists():
            raise DeviceError(f"no camera {wanted.path!r}: {_devices()}")

        self._capture = cv2.VideoCapture(wanted.path, cv2.CAP_V4L2)
        if not self._capture.isOpened():
            raise DeviceError(
                f"camera {wanted.path} cannot be opened: no V4L2 capture device, or in use; "
                f"{_devices()}"
            )

        for key, value in (
            (cv2.CAP_PROP_FRAME_WIDTH, wanted.width),
            (cv2.CAP_PROP_FRAME_HEIGHT, wanted.height),
            (cv2.CAP_PROP_FPS, wanted.rate),
            (cv2.CAP_PROP_BUFFERSIZE, 1),
        ):
            self._capture.set(key, value)

        got = tuple(
            int(self._capture.get(k)) for k in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        if got != (wanted.width, wanted.height):
            self._capture.release()
            raise ConfigError(
                f"camera {wanted.path} gives {got[0]}x{got[1]}, not "
                f"{wanted.width}x{wanted.height} pixels"
            )

    def read(self) -> Frame | None:
        """Wait for the next picture."""
        good, pixels = self._capture.read()
        if not good:
            raise DeviceError(f"camera {self._path} gives no more pictures: unplugged?")
        # the kernel stamps on this clock
        age = time.monotonic() - self._capture.get(cv2.CAP_PROP_POS_MSEC) * 1e-3

        return Frame(_rgb(pixels), age if 0.0 <= age <= _OLDEST else 0.0)

    def close(self) -> None:
        """Give the device back."""
        self._capture.release()


class FileSource:
    """Images from disk at a steady rate.

    `pictures` gives the reason instead of an image that cannot be read.
    """

    def __init__(
        self, pictures: Callable[[], Iterator[NDArray[np.uint8] | str]], wanted: Wanted
    ) -> None:
        self._make, self._repeat = pictures, wanted.repeat
        self._pictures = pictures()
        self._closed = threading.Event()
        self._period, self._due = 1.0 / wanted.rate, time.monotonic()

    def read(self) -> Frame | None:
        """Wait until the next picture is due."""
        pixels = next(self._pictures, None)
        if pixels is None and self._repeat:
            self._pictures = self._make()
            pixels = next(self._pictures, None)

        if pixels is None:
            return None

        now = time.monotonic()

        # after a delay do not hurry to catch up
        self._due = max(self._due + self._period, now - self._period)
        self._closed.wait(max(self._due - now, 0.0))
        if isinstance(pixels, str):
            raise DataError(pixels)

        return Frame(pixels)

    def close(self) -> None:
        """End a waiting `read`."""
        self._closed.set()


def video(wanted: Wanted) -> FileSource:
    """Return the images of a video file. Raises ConfigError if there are none."""
    path = Path(wanted.path)
    if not path.is_file():
        raise ConfigError(f"no video {wanted.path!r}: {_neighbours(path)}")

    def pictures() -> Iterator[NDArray[np.uint8]]:
        capture = cv2.VideoCapture(str(path))
        try:
            while (got := capture.read())[0]:
                yield _rgb(got[1])
        finally:
            capture.release()

    if next(pictures(), None) is None:
        raise ConfigError(f"video {path} holds no picture that OpenCV can read")

    return FileSource(pictures, wanted)


def folder(wanted: Wanted) -> FileSource:
    """Return the images of a folder in the order of their names. ConfigError if there are none."""
    path = Path(wanted.path)
    if not path.is_dir():
        raise ConfigError(f"no folder {wanted.path!r}: {_neighbours(path)}")

    files = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
    if not files:
        raise ConfigError(f"folder {path} holds no image: looked for {', '.join(SUFFIXES)}")

    def pictures() -> Iterator[NDArray[np.uint8] | str]:
        for file in files:
            pixels = cv2.imread(str(file))
            yield f"{file} is not an image that OpenCV can read" if pixels is None else _rgb(pixels)

    return FileSource(pictures, wanted)


SOURCES: dict[str, Callable[[Wanted], Source]] = {
    "v4l2": V4l2Source,
    "video": video,
    "folder": folder,
}


def _rgb(bgr: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def _devices() -> str:
    found = sorted(str(p) for p in Path("/dev").glob("video*"))
    return f"there are {', '.join(found)}" if found else "there is no /dev/video* at all"


def _neighbours(path: Path) -> str:
    """Return a text with the names beside a path that does not exist."""
    folder = path.absolute().parent
    if not folder.is_dir():
        return f"{folder} does not exist either"

    names = sorted(p.name for p in folder.iterdir())

    return (
        f"{folder} holds {', '.join(names[:10])}{' ...' * (len(names) > 10)}"
        if names
        else f"{folder} is empty"
    )
