"""Choice of the steps to learn from: those of the policy, of people, or of both."""

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.episode import ActionSource
from wayfarer_core.errors import DataError

from wayfarer_data.cache.dataset import Dataset

SOURCES = (ALL, AUTONOMOUS, HUMAN, BALANCED) = "all", "policy", "human", "balanced"


def rows_by_source(
    dataset: Dataset, rows: NDArray[np.int64], sources: str
) -> list[NDArray[np.int64]]:
    """Return the steps to learn from: one array, or two if both sources have equal weight.

    DataError if there are none.
    """
    if sources == ALL:
        return [rows]

    by_hand = dataset.column("sources")[rows] == ActionSource.HUMAN
    parts = {AUTONOMOUS: rows[~by_hand], HUMAN: rows[by_hand]}
    wanted = [AUTONOMOUS, HUMAN] if sources == BALANCED else [sources]

    for name in wanted:
        if not len(parts[name]):
            raise DataError(
                f"{', '.join(map(str, dataset.runs))}: of the labelled steps none was chosen by "
                f"the {name}"
            )

    return [parts[name] for name in wanted]


def draw(halves: list[NDArray[np.int64]], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Draw steps (size,) uniformly, with replacement; of two arrays, half from each."""
    sizes = [size] if len(halves) == 1 else [size // 2, size - size // 2]
    return np.concatenate(
        [of[rng.integers(len(of), size=n)] for of, n in zip(halves, sizes, strict=True)]
    )
