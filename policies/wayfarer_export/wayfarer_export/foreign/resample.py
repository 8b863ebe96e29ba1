"""Frames at a fixed rate from values at any rate.

Only stamps count, and no value comes from the future. Pure.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Stamps = NDArray[np.int64]  # [ns]
_SECOND = 1_000_000_000


@dataclass(frozen=True)
class FrameStretch:
    """Successive frames, each with a value of every source."""

    times: Stamps  # (F,)
    chosen: NDArray[
        np.int64
    ]  # (F, S) index into each source's stamps: the latest that is not newer than the frame
    ages: Stamps  # (F, S) [ns] age of these values at the frame's time


def resample(
    stamps: Sequence[Stamps],
    max_ages: Sequence[int],
    rate: Fraction,
    bounds: Sequence[tuple[int, int]],
) -> list[FrameStretch]:
    """Return the stretches of frames at `rate` [Hz] in which every source has a value that is young
    enough.

    `stamps` are each source's, in order; `max_ages` [ns] theirs; `bounds` (first, before) are the
    stamps at which episodes begin and end, in order and disjoint. No value crosses from one episode
    to the next. A stretch begins when all sources have a value, and ends by the last value of all.
    """
    found = []
    for first, before in bounds:
        inside = [slice(*np.searchsorted(s, (first, before)).tolist()) for s in stamps]
        parts = [s[part] for s, part in zip(stamps, inside, strict=True)]
        if not all(len(part) for part in parts):
            continue

        last = max(int(part[-1]) for part in parts)
        covered = [(min(int(part[0]) for part in parts), last)]
        for part, age in zip(parts, max_ages, strict=True):
            covered = _both(covered, _covered(part, age))

        for start, end in covered:
            times = frame_times(start, end, rate)
            chosen = np.stack(
                [np.searchsorted(part, times, side="right") - 1 for part in parts], axis=1
            )
            ages = times[:, None] - np.stack(
                [part[k] for part, k in zip(parts, chosen.T, strict=True)], axis=1
            )
            found.append(FrameStretch(times, chosen + [part.start for part in inside], ages))

    return found


def frame_times(start: int, end: int, rate: Fraction) -> Stamps:
    """Return the times of frames from `start` to `end` [ns].

    Frame k is k / rate after the start, rounded down to ns.
    """
    count = (end - start) * rate.numerator // (_SECOND * rate.denominator) + 1
    step = _SECOND * rate.denominator
    # with Python's integers: the product exceeds 64 bits within hours
    return start + np.array([k * step // rate.numerator for k in range(count)], dtype=np.int64)


def gaps(stamps: Stamps, max_age: int) -> Stamps:
    """Return the indices of the stamps that get too old before the next one comes."""
    return np.flatnonzero(np.diff(stamps) > max_age)


def _covered(stamps: Stamps, max_age: int) -> list[tuple[int, int]]:
    """Return the spans, both ends included, in which the latest value is at most `max_age` old."""
    cuts = gaps(stamps, max_age)
    starts = stamps[np.concatenate([[0], cuts + 1])]
    ends = stamps[np.concatenate([cuts, [len(stamps) - 1]])] + max_age
    return list(zip(starts.tolist(), ends.tolist(), strict=True))


def _both(some: list[tuple[int, int]], others: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the spans that lie in both."""
    found, i, j = [], 0, 0
    while i < len(some) and j < len(others):
        start, end = max(some[i][0], others[j][0]), min(some[i][1], others[j][1])
        if start <= end:
            found.append((start, end))

        if some[i][1] < others[j][1]:
            i += 1
        else:
            j += 1

    return found
