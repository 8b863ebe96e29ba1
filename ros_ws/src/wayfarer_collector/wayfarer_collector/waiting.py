"""Waiting from the collector's thread for what the executor's thread brings, always with a
deadline.
"""

import threading
import time
from collections.abc import Callable
from typing import Any

from rclpy.task import Future
from wayfarer_core.errors import DeviceError, WayfarerError

_POLL = 0.05  # s

OnFeedback = Callable[[Any], None]  # hears an action's feedback


class InterruptedWaitError(WayfarerError):
    """The node is ending: whatever was waited for does not matter any more."""


class SilenceError(DeviceError):
    """What was waited for did not come in time."""


class RefusedError(DeviceError):
    """A node answered that it cannot do what it was asked for."""


class Waiter:
    """Waits until the deadline, or until the node ends.

    Knows whether an operator has asked to stop.
    """

    def __init__(self) -> None:
        self._closing, self._stopping = threading.Event(), threading.Event()

    @property
    def stopped(self) -> bool:
        """Whether what is under way should come to its end."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Ask for an end of what is under way."""
        self._stopping.set()

    def close(self) -> None:
        """End every wait at once."""
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
        """Wait so long, or until something is asked to end."""
        end = time.monotonic() + seconds

        def over() -> bool:
            return self.stopped or time.monotonic() > end

        self.until(over, seconds + 1.0, lambda: "a pause did not end")

    # quoted: in Jazzy it is no generic
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
