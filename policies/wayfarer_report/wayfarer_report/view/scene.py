"""What there is to show, and where: kept from what the nodes say.

Positions in the base frame [m]. Pure.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wayfarer_core.reason import Reason
from wayfarer_core.safety import Workspace

Vector = NDArray[np.float64]

_POSES = 1000  # that are kept: some seconds of them


@dataclass(frozen=True, eq=False)
class Wanted:
    """Where an action would have led that was changed or refused, and why it did not."""

    position: Vector  # (3,) [m]
    reasons: Reason
    refused: bool  # False: it was changed, and the arm follows what was made of it


class Scene:
    """The box, the target, what the last action would have been, and the goal.

    None what is not known.
    """

    def __init__(self) -> None:
        self.workspace: Workspace | None = None
        self.target: Vector | None = None  # (3,) [m]
        self.wanted: Wanted | None = (
            None  # of the last action, where it was not done as it was meant
        )
        self.goal: Vector | None = None  # (3,) end effector in the goal image [m]
        self._poses: deque[tuple[int, Vector]] = deque(maxlen=_POSES)  # stamp [ns] and position

    def moved(self, stamp: int, position: Vector) -> None:
        """Hear where the end effector was at a time [ns]."""
        self._poses.append((stamp, position))

    def executed(
        self, stamp: int, requested: Vector, target: Vector | None, reasons: Reason
    ) -> None:
        """Hear what control made of an action (3,), by the stamp [ns] of the observation that it
        answers.

        Args:
            stamp: of the observation.
            requested: as the policy sent it, in action units.
            target: what was commanded (3,) [m]; None where nothing was.
            reasons: why it is not what was requested.
        """
        if target is not None:
            self.target = target
        self.wanted = self._wanted(stamp, requested, target is None, reasons)

    def _wanted(
        self, stamp: int, requested: Vector, refused: bool, reasons: Reason
    ) -> Wanted | None:
        """Actions are measured from the first pose at or after the observation, as control measures
        them.
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
