"""Real time: a cycle every millisecond by absolute deadlines, and real-time priority."""

import contextlib
import gc
import os
import time

from panda_sim.arm.limits import DT

_LATE = 0.05  # s; if it is later than this, it starts new deadlines instead of catching up
_PRIORITY = 1


class Pace:
    """Deadlines a millisecond apart: after a late cycle it catches up with real time."""

    def __init__(self) -> None:
        self._due = time.perf_counter()

    def wait(self) -> None:
        """Wait for the next deadline; start new ones if it is too late to catch up."""
        self._due += DT
        ahead = self._due - time.perf_counter()
        if ahead > 0.0:
            time.sleep(ahead)
        elif ahead < -_LATE:
            self._due = time.perf_counter()


def take_precedence() -> None:
    """Take real-time priority, if this is allowed.

    Also disable garbage collection.
    """
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(_PRIORITY))
    gc.collect()
    gc.freeze()
    gc.disable()
