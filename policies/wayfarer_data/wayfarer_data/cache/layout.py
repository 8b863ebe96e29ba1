"""Order of an image's axes.

Cameras and bags have the channels last, networks and the cache have them first.
"""

import numpy as np
from numpy.typing import NDArray


def channels_first(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images (..., H, W, C) as (..., C, H, W), contiguous."""
    return np.ascontiguousarray(np.moveaxis(images, -1, -3))


def channels_last(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return images (..., C, H, W) as (..., H, W, C), contiguous."""
    return np.ascontiguousarray(np.moveaxis(images, -3, -1))
