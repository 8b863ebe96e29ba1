"""Keeps a hand connected and its newest state at hand, so that no caller waits for it. Pure.

One thread reads, one commands. What is asked for is done once; asked again it is going on, or done.
"""

import contextlib
import threading
from collections.abc import Callable
from dataclasses import replace

from wayfarer_core.errors import DeviceError
from wayfarer_core.targets import Grip, Gripping

from wayfarer_franka_bridge.drivers.child import Child
from wayfarer_franka_bridge.drivers.driver import ConnectionLostError, HandSettings, HandState
from wayfarer_franka_bridge.threads import Threads

_LIBRARY = "wayfarer_franka_bridge.drivers.hand_library"
_READ_EVERY = 0.02  # s
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0  # s between two attempts to connect, doubling
# How long the hand's process may take for an answer [s]
_CONNECT, _STATE, _BEGIN = 10.0, 3.0, 5.0
_END = 2.0  # s a closing hand waits for its fingers to stand

_NOT_YET = "the gripper is not connected yet"


class HandLink:
    """A hand's process and two threads.

    Args:
        settings: of the hand.
        give_up: called, from a thread, with an error that trying again cannot mend.

    """

    def __init__(self, settings: HandSettings, give_up: Callable[[BaseException], None]) -> None:
        self._settings = settings
        self._change = threading.Condition()  # guards all below
        self._child: Child | None = None
        self._asked: Gripping | None = None  # what it shall do; None: nothing new
        self._doing: Gripping | None = None  # what it was told last, unless that failed
        self.state: HandState | None = None
        self.refusal = _NOT_YET  # why no gripper can be moved; empty where it can
        loops = {"hand reader": self._read, "hand commander": self._command}
        self._threads = Threads(loops, self._wake, give_up)
        self._closing = self._threads.closing

    def open(self) -> None:
        """Start connecting."""
        self._threads.start()

    def follow(self, gripping: Gripping) -> None:
        """Let it do something from now on."""
        if gripping.grip is Grip.KEEP:
            return

        with self._change:
            self._asked = gripping
            self._change.notify_all()

    def close(self) -> None:
        """Stop it, and let go of the connection."""
        self.follow(Gripping(Grip.STOP))
        with self._change:
            self._change.wait_for(lambda: self._asked is None or bool(self.refusal), _END)

        self._threads.end()
        self._let_go("it was closed")
        self._threads.join(_END)

    # --- threads ---

    def _read(self) -> None:
        """Connect, and read, until closing."""
        wait = _FIRST_WAIT
        while not self._closing.is_set():
            try:
                self._connect()
                wait = _FIRST_WAIT
                while not self._closing.wait(_READ_EVERY):
                    self._hear()
            except ConnectionLostError as error:
                self._let_go(str(error))
                self._closing.wait(wait)
                wait = min(2 * wait, _LONGEST_WAIT)

    def _connect(self) -> None:
        child = Child(_LIBRARY, self._settings)
        with self._change:
            self._child = child

        child.tell("connect", timeout=_CONNECT)
        with self._change:
            self.refusal, self._asked, self._doing = "", None, None

    def _hear(self) -> None:
        child = self._child
        if child is None:
            raise ConnectionLostError(self.refusal)

        state: HandState = child.ask("state", timeout=_STATE)
        with self._change:
            self.state = state
            if state.failure:
                self._doing = None  # asked for once more, it is tried once more

    def _command(self) -> None:
        """Do what was asked for last."""
        while not self._closing.is_set():
            with self._change:
                self._change.wait_for(lambda: self._asked is not None or self._closing.is_set())
                asked, child = self._asked, self._child
                again = asked == self._doing

            if asked is not None and child is not None and not again:
                self._do(child, asked)

            with self._change:
                if self._asked is asked:  # else it was asked for something else meanwhile
                    self._asked = None

                self._change.notify_all()

    def _do(self, child: Child, asked: Gripping) -> None:
        try:
            if asked.grip is Grip.STOP:
                child.tell("stop", timeout=_BEGIN)
            else:
                child.tell("begin", asked, timeout=_BEGIN)
        except DeviceError as error:
            self._let_go(str(error))
            return

        with self._change:
            self._doing = asked

    def _let_go(self, why: str) -> None:
        with self._change:
            child, self._child = self._child, None
            self.refusal = self.refusal if child is None and self.refusal else why
            if self.state is not None:
                self.state = replace(self.state, failure="")

        if child is not None:
            with contextlib.suppress(OSError):
                child.end()

    def _wake(self) -> None:
        with self._change:
            self._change.notify_all()
