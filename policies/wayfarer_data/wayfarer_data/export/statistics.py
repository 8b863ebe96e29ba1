"""Statistics of vectors that come in parts, as LeRobot normalises with them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class Moments:
    """Smallest and largest value, mean and standard deviation of each component of (N, C) numbers."""

    def __init__(self, *trailing: int) -> None:
        """`trailing` are dimensions of length 1 that the result shall have behind C: an image's height and width."""
        self.count, self._trailing = 0, trailing
        self._sum = self._squares = self._least = self._most = np.zeros(0)

    def add(self, values: NDArray[Any]) -> None:
        """Take in more rows (N, C)."""
        if not len(values):
            return
        values = values.astype(np.float64)
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
        """Return them as lists (C, *trailing)."""
        mean = self._sum / self.count
        deviation = np.sqrt(np.maximum(self._squares / self.count - mean**2, 0.0))
        found = {"min": self._least, "max": self._most, "mean": mean, "std": deviation}
        return {
            **{name: value.reshape(-1, *self._trailing).tolist() for name, value in found.items()},
            "count": [self.count],
        }
