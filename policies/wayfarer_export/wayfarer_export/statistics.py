"""Statistics of values that come in parts; LeRobot normalises with them."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray


class Moments:
    """Smallest and largest value, mean and standard deviation of each component of (N, C)
    numbers.
    """

    def __init__(self) -> None:
        self.count = 0
        self._sum = self._squares = self._least = self._most = np.zeros(0)

    def add(self, values: Any) -> None:
        """Add rows (N, C); rows with a NaN are ignored."""
        values = values[np.isfinite(values).all(axis=1)].astype(np.float64)
        if not len(values):
            return

        parts = values.sum(axis=0), (values**2).sum(axis=0), values.min(axis=0), values.max(axis=0)
        if self.count:
            parts = (
                self._sum + parts[0],
                self._squares + parts[1],
                np.minimum(self._least, parts[2]),
                np.maximum(self._most, parts[3]),
            )

        self._sum, self._squares, self._least, self._most = parts
        self.count += len(values)

    def as_json(self) -> dict[str, Any]:
        """Return them as lists (C,)."""
        mean = self._sum / self.count
        deviation = np.sqrt(np.maximum(self._squares / self.count - mean**2, 0.0))
        return _json(self.count, min=self._least, max=self._most, mean=mean, std=deviation)


class _Shaded(Protocol):
    @property
    def shades(self) -> NDArray[np.int64] | None:
        """Histogram of the shades, (3, 256); None if unknown."""


class Shades:
    """The same for images' pixels, scaled to 0 .. 1, from histograms.

    It is exact for any number of pixels, over images with known shades.
    """

    def __init__(self) -> None:
        self._counts = np.zeros((3, 256), np.int64)

    @property
    def count(self) -> int:
        """Number of pixels."""
        return int(self._counts[0].sum())

    def add(self, images: Any) -> None:
        """Add images."""
        pictures: Sequence[_Shaded] = images
        for picture in pictures:
            if picture.shades is not None:
                self._counts += picture.shades

    def as_json(self) -> dict[str, Any]:
        """Return them as lists (3, 1, 1): an image's channels, height and width."""
        shade, there = np.arange(256) / 255, self._counts > 0
        mean = self._counts @ shade / self.count
        spread = (self._counts * (shade - mean[:, None]) ** 2).sum(axis=1) / self.count
        least = np.where(there, shade, np.inf).min(axis=1)
        most = np.where(there, shade, -np.inf).max(axis=1)
        found = {"min": least, "max": most, "mean": mean, "std": np.sqrt(spread)}

        return _json(self.count, **{name: value.reshape(3, 1, 1) for name, value in found.items()})


def _json(count: int, **values: NDArray[np.float64]) -> dict[str, Any]:
    return {**{name: value.tolist() for name, value in values.items()}, "count": [count]}
