"""The content of the view, collected from the nodes' messages.

Positions in the base frame [m]. Pure.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wayfarer_core.reason import Reason
from wayfarer_core.safety import Workspace

Vector = NDArray[np.float64]

_POSES = 1000  # number of poses kept: some seconds


@dataclass(frozen=True, eq=False)
class Wanted:
    """Where an action would have led that was changed or refused, and the reason."""

    position: Vector  # (3,) [m]
    reasons: Reason
    refused: bool  # False: the gate changed it, and the arm follows the changed target


class Scene:
    """The box, the target, the unchanged aim of the last action, and the goal.

    None means unknown.
    """

    def __init__(self) -> None:
        self.workspace: Workspace | None = None
        self.target: Vector | None = None  # (3,) [m]
        self.wanted: Wanted | None = None  # of the last action, if the gate changed or refused it
        self.goal: Vector | None = None  # (3,) end effector in the goal image [m]
        self._poses: deque[tuple[int, Vector]] = deque(maxlen=_POSES)  # stamp [ns] and position

    def moved(self, stamp: int, position: Vector) -> None:
        """Take the end effector's position at a time [ns]."""
        self._poses.append((stamp, position))

    def executed(
        self, stamp: int, requested: Vector, target: Vector | None, reasons: Reason
    ) -> None:
        """Take control's record of an action (3,).

        Args:
            stamp: of the observation that the action answers [ns].
            requested: the policy's action, in action units.
            target: the commanded target (3,) [m]; None if there is none.
            reasons: why it differs from the requested one.
        """
        if target is not None:
            self.target = target
        self.wanted = self._wanted(stamp, requested, target is None, reasons)

    def _wanted(
        self, stamp: int, requested: Vector, refused: bool, reasons: Reason
    ) -> Wanted | None:
        """Measure an action from the first pose at or after the observation, as control
        does.
        """
        start = next((position for at, position in self._poses if at >= stamp), None)
        if (
            not reasons
            or start is None
            or self.workspace is None
            or not np.isfinite(requested).all()
        ):
            return None
        return Wanted(self.workspace.displaced(start, requested), reasons, refused)
