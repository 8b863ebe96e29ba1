"""Waits, in the collector's thread, for results from the executor's thread, always with a
deadline.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from rclpy.task import Future
from wayfarer_core.errors import DeviceError, WayfarerError

_POLL = 0.05  # s

OnFeedback = Callable[[Any], None]  # gets an action's feedback


class InterruptedWaitError(WayfarerError):
    """The node is ending, so the wait is over."""


class SilenceError(DeviceError):
    """What was awaited did not come in time."""


class RefusedError(DeviceError):
    """A node answered that it cannot do this."""


class Waiter:
    """Waits until a deadline, or until the node ends.

    It also knows whether an operator has asked for a stop.
    """

    def __init__(self) -> None:
        self._closing, self._stopping = threading.Event(), threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether present work should end."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Ask for the end of present work."""
        self._stopping.set()

    def close(self) -> None:
        """End every wait now."""
        self._stopping.set()
        self._closing.set()

    def until(
        self, condition: Callable[[], bool], timeout: float, complaint: Callable[[], str]
    ) -> None:
        """Return once the condition holds.

        Raises SilenceError with `complaint` after `timeout` seconds.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            if self._closing.wait(_POLL):
                raise InterruptedWaitError("the node is ending")
            if time.monotonic() > deadline:
                raise SilenceError(f"waited {timeout:g} s: {complaint()}")

    def pause(self, seconds: float) -> None:
        """Wait for this time, or until a stop is asked for."""
        end = time.monotonic() + seconds

        def over() -> bool:
            return self.stopped or time.monotonic() > end

        self.until(over, seconds + 1.0, lambda: "a pause did not end")

    # quoted: in Jazzy Future is not generic
    def result_of(self, future: "Future[Any]", timeout: float, what: str) -> Any:
        """Return the future's result. Raises SilenceError naming `what` after `timeout` seconds."""
        done = threading.Event()
        future.add_done_callback(lambda _: done.set())
        deadline = time.monotonic() + timeout

        while not done.wait(_POLL):
            if self._closing.is_set():
                raise InterruptedWaitError("the node is ending")
            if time.monotonic() > deadline:
                raise SilenceError(f"{what} gave no answer within {timeout:g} s")

        return future.result()
