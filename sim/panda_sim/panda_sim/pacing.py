"""Time: a cycle every millisecond by absolute deadlines, and precedence where it is allowed."""

import contextlib
import gc
import os
import time

from panda_sim.arm.limits import DT

_LATE = 0.05  # s behind its time table at which the pace begins a new one instead of hurrying
_PRIORITY = 1


class Pace:
    """Deadlines a millisecond apart: a late cycle is caught up, and time keeps to the wall's."""

    def __init__(self) -> None:
        self._due = time.perf_counter()

    def wait(self) -> None:
        """Wait for the next deadline; begin a new time table where the old one is out of reach."""
        self._due += DT
        ahead = self._due - time.perf_counter()
        if ahead > 0.0:
            time.sleep(ahead)
        elif ahead < -_LATE:
            self._due = time.perf_counter()


def take_precedence() -> None:
    """Go ahead of what else the machine does, where that is allowed.

    No garbage collection comes between, either.
    """
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(_PRIORITY))
    gc.collect()
    gc.freeze()
    gc.disable()
