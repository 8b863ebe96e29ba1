"""Finds the pose that belongs to an observation.

The recorder uses the same rule to count the steps that a reader will find lost.
"""

import numpy as np
from numpy.typing import NDArray

# share of the period between observations: a pose one whole period old belongs to the step before
_SHARE = 0.9


def latest_pose(poses: NDArray[np.int64], stamps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of the last pose at or before each observation, (N,).

    -1 if none is young enough.

    `poses` (M,) are stamps in order, `stamps` (N,) those of successive observations, 0 if
    unknown; all [ns].
    """
    known = np.flatnonzero(stamps > 0)

    # two observations with unknown ones between them are several periods apart
    between = np.diff(stamps[known]) / np.diff(known)
    limit = _SHARE * max(float(np.median(between)), 0.0) if len(between) else 0.0
    latest = np.searchsorted(poses, stamps, side="right") - 1  # (N,)
    found = (stamps > 0) & (latest >= 0)
    found[found] = stamps[found] - poses[latest[found]] <= limit

    return np.where(found, latest, -1).astype(np.int64)
