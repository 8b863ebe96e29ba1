"""Which messages on robot/target_pose every bridge refuses, simulated or real."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wayfarer_core import names
from wayfarer_core.reason import Reason
from wayfarer_core.rotation import is_rotation


@dataclass(frozen=True)
class Refusal:
    """Why a bridge refuses a target. False if it does not refuse."""

    text: str = ""
    reasons: Reason = Reason.REFUSED

    def __bool__(self) -> bool:
        """Whether the target is refused."""
        return bool(self.text)


TAKEN = Refusal()


def refusal(
    publishers: int, frame: str, position: NDArray[np.float64], quaternion: NDArray[np.float64]
) -> Refusal:
    """Say why a target is refused, by every bridge; false if it is not.

    Args:
        publishers: of robot/target_pose; 0: the ROS graph does not show any yet.
        frame: of the message's header.
        position: of the target, (3,) [m].
        quaternion: of the target, xyzw (4,).

    """
    if publishers > 1:
        return Refusal(f"{too_many(publishers)}: refusing all targets")
    if frame not in names.BASE_FRAMES:
        return Refusal(f"target in frame {frame!r}, must be {names.BASE_FRAME!r}")
    if not np.isfinite(position).all():
        return Refusal("target is not finite", Reason.REFUSED | Reason.NOT_FINITE)

    if not is_rotation(quaternion):
        shown = np.round(quaternion, 3).tolist()
        return Refusal(
            f"target's quaternion {shown} is not of length 1", Reason.REFUSED | Reason.NOT_FINITE
        )

    return TAKEN


def too_many(publishers: int) -> str:
    """Say that robot/target_pose has more than one publisher."""
    return f"{names.TARGET_POSE} has {publishers} publishers, must have exactly 1"
