"""The arm's latest pose, and whether it can be trusted. Pure."""

from dataclasses import dataclass

import numpy as np
from wayfarer_core import names
from wayfarer_core.rotation import is_rotation
from wayfarer_core.safety import Pose

_SLEW = 0.005  # s; a clock that lags by less between two checks was not set back
_LONGEST_DELAY = 10.0  # s that a pose may wait in queues: 1,000 of them at 100 Hz


@dataclass(frozen=True)
class Moment:
    """One moment on both clocks."""

    stamp: int  # ns, on the clock that poses are stamped with
    steady: float  # s, on one that never jumps


class Whereabouts:
    """Keeps the newest pose, and judges its age.

    The age is that of its stamp and, on the wall clock, also the time since it was received. After
    the wall clock was set back, an old pose may have a stamp that looks current. So no pose is
    trusted until every such pose is too old, or cannot arrive any more.
    """

    def __init__(self, max_age: float, simulated: bool) -> None:
        """Accept poses not older than `max_age` [s].

        `simulated`: the clock is a simulator's, which can stand still.
        """
        self._max_age, self._simulated = max_age, simulated
        self._pose: Pose | None = None
        self._heard = 0.0  # s, steady
        self._lead: float | None = None  # s by which the wall clock is ahead of the steady clock
        self._believed_from = -np.inf  # s, steady; poses are trusted from then on
        self.stamp = -1  # ns, of the newest pose
        self.complaint = ""  # about the newest message, if it was no valid pose

    def hear(self, frame: str, pose: Pose, stamp: int, now: Moment) -> bool:
        """Take a message; say whether it is a valid pose."""
        self.watch(now)
        if frame not in names.BASE_FRAMES:
            self.complaint = (
                f"{names.CURRENT_POSE} is in frame {frame!r}, must be {names.BASE_FRAME!r}"
            )
        elif not np.isfinite(pose.position).all():
            self.complaint = f"{names.CURRENT_POSE} is not finite"
        elif not is_rotation(pose.quaternion):
            self.complaint = f"{names.CURRENT_POSE} has a quaternion that is not of length 1"
        else:
            self.complaint = ""
            self._pose, self._heard, self.stamp = pose, now.steady, stamp

        return not self.complaint

    def watch(self, now: Moment) -> None:
        """Check whether the wall clock was set back; call it often."""
        if self._simulated:
            return

        lead, before = now.stamp * 1e-9 - now.steady, self._lead
        self._lead = lead
        if before is not None and lead < before - _SLEW:
            self._pose = None
            doubt = min(before - lead + self._max_age, _LONGEST_DELAY)
            self._believed_from = max(self._believed_from, now.steady + doubt)

    def at(self, now: Moment) -> Pose | None:
        """Return the arm's pose; None if it is unknown or too old."""
        self.watch(now)
        age = (now.stamp - self.stamp) * 1e-9
        if self._pose is None or age > self._max_age:
            return None
        if self._simulated:  # a pose may arrive before the clock message of its time
            return self._pose

        too_old = now.steady - self._heard > self._max_age or now.steady < self._believed_from

        return None if too_old or age < -self._max_age else self._pose
