"""Which pose belongs to an observation.

The recorder counts by this rule what a reader will miss.
"""

import numpy as np
from numpy.typing import NDArray

# of the period between observations: in lock-step the pose before a lost one is a whole period old
_SHARE = 0.9


def latest_pose(poses: NDArray[np.int64], stamps: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the index of the last pose at or before each observation, (N,).

    -1 where none is younger than a period.

    `poses` (M,) are stamps in order, `stamps` (N,) those of successive observations, 0 where
    unknown; all [ns].
    """
    known = np.flatnonzero(stamps > 0)

    # of two with unknown ones between them several periods
    between = np.diff(stamps[known]) / np.diff(known)
    limit = _SHARE * max(float(np.median(between)), 0.0) if len(between) else 0.0
    latest = np.searchsorted(poses, stamps, side="right") - 1  # (N,)
    found = (stamps > 0) & (latest >= 0)
    found[found] = stamps[found] - poses[latest[found]] <= limit

    return np.where(found, latest, -1).astype(np.int64)
