"""Threads that end together, and jobs that one thread runs for another. Pure."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from concurrent.futures import TimeoutError as NotInTime

from wayfarer_core.errors import DeviceError


class Threads:
    """A few loops, each in a thread, until `closing`.

    Args:
        loops: by name; each returns soon after `closing` is set.
        wake: called after `closing` is set, to wake a loop that waits for something else.
        give_up: called with the error that ended a loop; all other loops then end, too.

    """

    def __init__(
        self,
        loops: dict[str, Callable[[], None]],
        wake: Callable[[], None],
        give_up: Callable[[BaseException], None],
    ) -> None:
        self.closing = threading.Event()
        self._wake, self._give_up = wake, give_up
        self._threads = [
            threading.Thread(target=self._live, args=(loop,), name=name, daemon=True)
            for name, loop in loops.items()
        ]

    def start(self) -> None:
        """Start them all."""
        for thread in self._threads:
            thread.start()

    def end(self, error: BaseException | None = None) -> None:
        """Ask all loops to end, because of an error or not."""
        if error is not None:
            self._give_up(error)
        self.closing.set()
        self._wake()

    def join(self, seconds: float) -> None:
        """Wait this long for each to end; a blocked one is left behind."""
        for thread in self._threads:
            if thread.is_alive():
                thread.join(seconds)

    def _live(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:  # noqa: BLE001  not hidden: the process ends with it
            self.end(error)


class Job:
    """A job for another thread."""

    def __init__(self, work: Callable[[], None]) -> None:
        self._work = work
        self._done: Future[None] = Future()

    @property
    def done(self) -> bool:
        """Whether it has ended, or will never begin."""
        return self._done.done()

    def run(self) -> None:
        """Run it, unless nobody waits any more.

        A DeviceError goes to the waiting thread; another error is raised here, too.
        """
        if not self._done.set_running_or_notify_cancel():
            return

        try:
            self._work()
        except DeviceError as error:
            self._done.set_exception(error)
        except BaseException as error:
            self._done.set_exception(error)
            raise
        else:
            self._done.set_result(None)

    def wait(self, timeout: float, what: str) -> None:
        """Wait until it is done.

        Raises its error; DeviceError if it takes longer than `timeout` [s].
        """
        try:
            self._done.result(timeout)
        except (NotInTime, CancelledError) as error:
            self._done.cancel()  # if it has not started
            raise DeviceError(f"{what}: the robot did not answer within {timeout:g} s") from error
