"""Judges by the measured pose whether the arm follows a target: CRISP does not report it. Pure."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wayfarer_core.reason import Reason
from wayfarer_core.targets import TAKEN, Refusal

Vector = NDArray[np.float64]

AFTER = 0.25  # s from a target to its verdict, which a newer target brings at once
AT_IT = 0.02  # m; an arm that is nearer to a target has reached it
NEARER = 0.2  # share of the distance by which the arm must otherwise have come nearer
_FRESH = 0.25  # s, greatest age of the pose for a verdict; control's own max_age


@dataclass(frozen=True)
class _Judged:
    stamp: int  # ns
    position: Vector  # (3,) m
    distance: float  # m from the arm when the target came
    due: float  # s


@dataclass(frozen=True)
class Verdict:
    """The verdict on the target with a stamp [ns]."""

    stamp: int
    refusal: Refusal


class Judge:
    """Times in seconds on a steady clock, positions in metres in the base frame."""

    def __init__(self) -> None:
        self._here: Vector | None = None  # (3,)
        self._heard = -np.inf
        self._open: _Judged | None = None

    def pose(self, position: Vector, now: float) -> None:
        """Take the arm's position (3,)."""
        self._here, self._heard = position, now

    def target(self, stamp: int, position: Vector, now: float) -> list[Verdict]:
        """Take a target (3,); return the verdicts that are due with it."""
        verdicts = self._close(now)
        here = self._place(now)
        if here is None:
            return [*verdicts, Verdict(stamp, Refusal("nobody tells where the arm is", _NO_POSE))]

        self._open = _Judged(stamp, position, float(np.linalg.norm(position - here)), now + AFTER)

        return verdicts

    def due(self, now: float) -> list[Verdict]:
        """Return verdicts whose time has come. Call it often."""
        return self._close(now) if self._open is not None and now >= self._open.due else []

    def _close(self, now: float) -> list[Verdict]:
        judged, self._open = self._open, None
        if judged is None:
            return []

        here = self._place(now)
        if here is None:
            return [
                Verdict(judged.stamp, Refusal("nobody tells any more where the arm is", _NO_POSE))
            ]

        left = float(np.linalg.norm(judged.position - here))
        if left <= max(AT_IT, (1.0 - NEARER) * judged.distance):
            return [Verdict(judged.stamp, TAKEN)]

        now_mm, then_mm = 1e3 * left, 1e3 * judged.distance
        text = f"the arm does not follow: {now_mm:.0f} mm from its target, {then_mm:.0f} mm before"

        return [Verdict(judged.stamp, Refusal(text))]

    def _place(self, now: float) -> Vector | None:
        return self._here if now - self._heard <= _FRESH else None


_NO_POSE = Reason.REFUSED | Reason.NO_POSE
