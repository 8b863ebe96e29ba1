"""Training and test rows of the supervised tasks (docs/method.md).

A share of every dataset forms the common test set.

The test set is the same whichever dataset is trained on. It depends only on a seed, each dataset's
rows, and the order of the datasets, so jobs with the same datasets in the same order agree on it.
No row is in both sets. But the same picture may be in both: while the arm is out of sight and the
cube at its place, a simulator renders it again and again. Test rows with such pictures are marked;
the others are "unseen".
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.run_directory import refuse_repeats
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_data.cache.dataset import Dataset

Rows = NDArray[np.int64]
_CHUNK = 1000  # pictures processed together


@dataclass(frozen=True)
class Split:
    """Rows to train on and to test on."""

    train: Rows  # of the dataset that is trained on
    test: tuple[Rows, ...]  # of each dataset
    # for the test rows one after the other: whether their exact picture is not trained on
    unseen: NDArray[np.bool_]


def by_frame(dataset: Dataset, rows: Rows, share: float, rng: np.random.Generator) -> Rows:
    """Draw single images, as the paper does; a test image's neighbours may be trained on."""
    del dataset
    return np.sort(rng.choice(rows, size=_count(len(rows), share), replace=False))


def by_episode(dataset: Dataset, rows: Rows, share: float, rng: np.random.Generator) -> Rows:
    """Draw whole episodes until they hold the share.

    A test image has no neighbour in the training set.
    """
    episode = dataset.index.place[rows]  # (N,)
    order = rng.permutation(np.unique(episode))
    sizes = np.cumsum([(episode == one).sum() for one in order])
    taken = order[: int(np.searchsorted(sizes, _count(len(rows), share))) + 1]

    return rows[np.isin(episode, taken)]


SPLITS: dict[str, Callable[[Dataset, Rows, float, np.random.Generator], Rows]] = {
    "frames": by_frame,
    "episodes": by_episode,
}


def draw_split(
    datasets: Sequence[Dataset],
    labelled: Sequence[Rows],
    which: int,
    name: str,
    share: float,
    seed: int,
) -> Split:
    """Draw the common test set of all datasets, and the training rows of dataset `which`.

    `labelled` are the usable rows of each dataset. Raises ConfigError for an unknown split,
    DataError if no training row is left, or if a run is in two datasets: its test rows in one
    would be training rows in the other.
    """
    refuse_repeats([run for dataset in datasets for run in dataset.runs])
    if name not in SPLITS:
        raise ConfigError(f"split {name!r}: choose from {', '.join(SPLITS)}")

    test = tuple(
        SPLITS[name](dataset, rows, share, np.random.default_rng([seed, k]))
        for k, (dataset, rows) in enumerate(zip(datasets, labelled, strict=True))
    )
    train = np.setdiff1d(labelled[which], test[which])
    if not len(train):
        raise DataError(
            f"{', '.join(map(str, datasets[which].runs))}: of {len(labelled[which])} labelled "
            "images none is left to train on beside the test set"
        )

    seen = set(_digests(datasets[which], train))
    tested = [
        digest
        for dataset, rows in zip(datasets, test, strict=True)
        for digest in _digests(dataset, rows)
    ]

    return Split(train, test, np.array([digest not in seen for digest in tested], dtype=bool))


def _count(rows: int, share: float) -> int:
    return max(1, round(share * rows))


def _digests(dataset: Dataset, rows: Rows) -> list[bytes]:
    found = []
    for start in range(0, len(rows), _CHUNK):
        frames = dataset.frames(rows[start : start + _CHUNK]).numpy()
        found += [hashlib.blake2b(frame.tobytes(), digest_size=16).digest() for frame in frames]

    return found
