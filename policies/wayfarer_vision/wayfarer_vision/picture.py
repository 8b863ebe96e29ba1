"""From a camera's image to an observation."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from wayfarer_core.calibration import Calibration
from wayfarer_core.errors import ConfigError


@dataclass(frozen=True)
class Crop:
    """The square of the camera image to keep, in pixels, and the quarter turns that make it
    upright.
    """

    left: int = 0
    top: int = 0
    size: int = 0  # 0: the largest square that fits
    quarter_turns: int = 0  # counter-clockwise

    def edge(self, height: int, width: int) -> int:
        """Return the square's edge in an image of this size [pixels].

        Raises ConfigError if it leaves the image.
        """
        edge = self.size or min(height - self.top, width - self.left)
        if edge < 1 or self.top + edge > height or self.left + edge > width:
            raise ConfigError(
                f"crop of {self.size} pixels from ({self.left}, {self.top}) does not fit an image "
                f"of {width}x{height}"
            )

        return edge


def observe(pixels: NDArray[np.uint8], crop: Crop, size: int) -> NDArray[np.uint8]:
    """Return RGB pixels (H, W, 3) cropped, turned upright and resized to (size, size, 3).

    Raises ConfigError for a crop that leaves the image.
    """
    edge = crop.edge(*pixels.shape[:2])
    square = np.rot90(
        pixels[crop.top : crop.top + edge, crop.left : crop.left + edge], crop.quarter_turns
    )
    if edge == size:
        return np.ascontiguousarray(square)

    # area averaging avoids aliasing of the cube's small faces
    way = cv2.INTER_AREA if edge > size else cv2.INTER_LINEAR

    return np.asarray(
        cv2.resize(np.ascontiguousarray(square), (size, size), interpolation=way), dtype=np.uint8
    )


class Rectifier:
    """Removes the lens distortion from pictures; the camera matrix stays the same."""

    def __init__(self, calibration: Calibration) -> None:
        self._size = (calibration.width, calibration.height)
        K = calibration.camera_matrix
        self._maps = cv2.initUndistortRectifyMap(
            K, calibration.distortion, None, K, self._size, cv2.CV_16SC2
        )

    def __call__(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return RGB pixels (H, W, 3) as a camera without distortion would see them.

        Black outside the original picture. Errors as in `check`.
        """
        self.check(*pixels.shape[:2])
        return np.asarray(cv2.remap(pixels, *self._maps, cv2.INTER_LINEAR), dtype=np.uint8)

    def check(self, height: int, width: int) -> None:
        """Raise ConfigError if a picture's size is not the calibration's."""
        if (width, height) != self._size:
            raise ConfigError(
                f"the camera sends {width}x{height} pixels, its calibration is for "
                f"{self._size[0]}x{self._size[1]}"
            )
