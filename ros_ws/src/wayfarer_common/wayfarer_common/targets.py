"""Which messages on robot/target_pose no bridge follows, simulated or real. Pure."""

import numpy as np
from numpy.typing import NDArray

from wayfarer_common import names


def refusal(publishers: int, frame: str, position: NDArray[np.float64]) -> str:
    """Say why a target is refused; empty when it is not.

    Args:
        publishers: how many publish robot/target_pose; 0 is one that the graph has not told of yet.
        frame: of the message's header.
        position: of the target, (3,) [m].

    """
    if publishers > 1:
        return f"{names.TARGET_POSE} has {publishers} publishers, must have exactly 1: refusing all targets"
    if frame != names.BASE_FRAME:
        return f"target in frame {frame!r}, must be {names.BASE_FRAME!r}"
    if not np.isfinite(position).all():
        return "target is not finite"
    return ""
