"""Scores of predictions, beside the best constant guess."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wayfarer_core.cube import FACES


@dataclass(frozen=True)
class ColourScores:
    """Accuracy of the predicted colour of the upper face."""

    accuracy: float
    balanced_accuracy: float  # mean over the colours that occur in the test set
    per_colour: dict[str, float | None]  # None if the colour does not occur
    images: dict[str, int]  # test images of each colour
    guess_accuracy: float  # of always answering the training set's most frequent colour


@dataclass(frozen=True)
class PositionScores:
    """Errors of predicted positions."""

    mse_m2: float  # squared error, mean over images and axes [m^2]
    mse_m2_xyz: tuple[float, float, float]  # mean over images, for each axis [m^2]
    error_mm: float  # distance, mean over images [mm]
    median_error_mm: float
    guess_mse_m2: float  # of always answering the training set's mean position
    guess_error_mm: float


def score_colours(
    named: NDArray[Any], truth: NDArray[Any], trained_on: NDArray[Any]
) -> ColourScores:
    """Compare classes (N,), indices into FACES; `trained_on` are those of the training set (M,)."""
    right = named == truth
    counts = {face: int((truth == k).sum()) for k, face in enumerate(FACES)}
    per = {
        face: float(right[truth == k].mean()) if counts[face] else None
        for k, face in enumerate(FACES)
    }
    guess = np.bincount(trained_on, minlength=len(FACES)).argmax()

    return ColourScores(
        accuracy=float(right.mean()),
        balanced_accuracy=float(np.mean([share for share in per.values() if share is not None])),
        per_colour=per,
        images=counts,
        guess_accuracy=float((truth == guess).mean()),
    )


def score_positions(
    named: NDArray[np.floating[Any]],
    truth: NDArray[np.floating[Any]],
    trained_on: NDArray[np.floating[Any]],
) -> PositionScores:
    """Compare positions (N, 3) [m]; `trained_on` are those of the training set (M, 3)."""
    mse, error = _errors(named, truth)
    guess_mse, guess_error = _errors(trained_on.mean(axis=0, dtype=np.float64), truth)
    x, y, z = mse.tolist()

    return PositionScores(
        mse_m2=float(mse.mean()),
        mse_m2_xyz=(x, y, z),
        error_mm=float(error.mean()),
        median_error_mm=float(np.median(error)),
        guess_mse_m2=float(guess_mse.mean()),
        guess_error_mm=float(guess_error.mean()),
    )


def _errors(
    named: NDArray[Any], truth: NDArray[Any]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the squared error of each axis (3,) [m^2] and the distance of each image (N,) [mm]."""
    offset = np.asarray(named, dtype=np.float64) - np.asarray(truth, dtype=np.float64)  # (N, 3)
    return (offset**2).mean(axis=0), 1000.0 * np.linalg.norm(offset, axis=1)
