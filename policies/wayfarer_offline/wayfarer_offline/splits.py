"""Training and test rows of the supervised tasks (docs/method.md).

A share of every dataset is the common test set.

The test set is the same whichever dataset is trained on, and it is drawn from a seed, and each
dataset's own rows and its place among the datasets alone, so that jobs given the same datasets in
the same order agree on it. No row is in both sets. The same picture may be: with the arm out of
sight and the cube at its place a simulator makes it again and again. Such test rows are told from
unseen ones.
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
_CHUNK = 1000  # pictures looked at together


@dataclass(frozen=True)
class Split:
    """Rows to train on and to test on."""

    train: Rows  # of the one dataset that is trained on
    test: tuple[Rows, ...]  # of each dataset
    # of the test rows one after the other: whether the picture is not trained on, too
    unseen: NDArray[np.bool_]


def by_frame(dataset: Dataset, rows: Rows, share: float, rng: np.random.Generator) -> Rows:
    """Draw single images, as the paper does: neighbours in time of a test image are trained on."""
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
    """Draw the common test set of all datasets and what is left to train on of dataset `which`.

    `labelled` are the rows of each dataset that may be used. Raises ConfigError for an unknown
    name, DataError where nothing is left to train on, or a run is in two datasets: what is tested
    in one would be trained on in the other.
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
