"""An arm's library in a process of its own: it may stall or die, and the node goes on.

The node's end is `Child`, the other `serve`. They speak over two channels, so that the state can be
asked for while a command runs. Nobody outlives the node: a third channel, on which nothing is ever
said, ends the child by a signal when the node's end closes, even where a library call holds the
interpreter.
"""

import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import Any

from wayfarer_core.errors import DeviceError

from wayfarer_franka_bridge.drivers.driver import ConnectionLostError

_LOOK = 0.01  # s between two looks at whether a command is still wanted
_END = 2.0  # s, that a killed process may take
_UNWANTED = "unwanted"


class Child:
    """A process that runs a module's `main`, which serves an arm.

    Args:
        module: its name.
        settings: of the arm, or whatever the module's takes.

    """

    def __init__(self, module: str, settings: Any) -> None:
        self._states, states = Pipe()
        self._commands, commands = Pipe()
        end, self._lifeline = os.pipe()
        given = (states.fileno(), commands.fileno(), end)
        command = [sys.executable, "-m", module, *map(str, given)]
        self._process = subprocess.Popen(command, pass_fds=given)

        for ours in (states, commands):
            ours.close()

        os.close(end)
        self._asking, self._telling = threading.Lock(), threading.Lock()
        self._ends = threading.Lock()
        self._until = 0.0  # s, when the command that runs must have ended
        self._commands.send(settings)

    def tell(
        self, what: str, *given: Any, timeout: float, wanted: Callable[[], bool] | None = None
    ) -> Any:
        """Let the arm do something and return what it returns; raises what it raises.

        Args:
            what: the name of a method.
            given: its arguments.
            timeout: how long it may take [s]; where `wanted` is given, from when it no longer is.
            wanted: whether the command is still wanted; the arm is told when it no longer is.

        Raises:
            ConnectionLostError: the process died, or did not answer in time and was ended.

        """
        with self._telling:
            self._until = time.monotonic() + timeout
            self._send(self._commands, (what, *given))
            while wanted is not None and not self._commands.poll(_LOOK):
                self._until = time.monotonic() + timeout
                if not wanted():
                    self._send(self._commands, (_UNWANTED,))
                    break

            return self._answer(self._commands, what, lambda: self._until)

    def ask(self, what: str, timeout: float) -> Any:
        """As `tell`, on the other channel; a command that runs meanwhile may hold the answer up."""
        with self._asking:
            self._send(self._states, (what,))
            asked = time.monotonic()
            return self._answer(self._states, what, lambda: max(asked, self._until) + timeout)

    def _send(self, channel: Connection, message: tuple[Any, ...]) -> None:
        try:
            channel.send(message)
        except OSError as error:
            raise self._lost(f"{message[0]} could not be said") from error

    def _answer(self, channel: Connection, what: str, until: Callable[[], float]) -> Any:
        try:
            while not channel.poll(max(0.0, min(until() - time.monotonic(), 0.1))):
                if time.monotonic() > until():
                    raise self._lost(f"{what}: no answer in time")

            error, value = channel.recv()
        except (EOFError, OSError) as error:
            raise self._lost(what) from error

        if error is not None:
            raise error

        return value

    def _lost(self, what: str) -> ConnectionLostError:
        """End the process and return the error that tells of it."""
        died = self._process.poll()
        self.end()
        how = "was ended" if died is None else f"ended with exit code {died}"
        return ConnectionLostError(f"{what}; the process of the arm's library {how}")

    def end(self) -> None:
        """Kill the process, and its connection with it. May be called again, by any thread."""
        with self._ends:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait(_END)

            if self._lifeline >= 0:
                os.close(self._lifeline)
                self._lifeline = -1


def serve(make: Callable[[Any], Any]) -> None:
    """Serve the arm that `make` returns to the node that started this process; never returns."""
    states, commands, lifeline = (int(word) for word in sys.argv[1:4])
    _die_with(lifeline)
    for number in (signal.SIGINT, signal.SIGHUP):
        # A terminal's; the node gets them as well, and says what to do.
        signal.signal(number, signal.SIG_IGN)

    channel = Connection(commands)
    arm = make(channel.recv())
    threading.Thread(target=_answer_all, args=(arm, Connection(states)), daemon=True).start()
    _answer_all(arm, channel)
    os._exit(0)  # without destructors: one that finds its connection gone would end by SIGABRT


def _answer_all(arm: Any, channel: Connection) -> None:
    """Do what is asked until nobody can ask any more; what is no DeviceError ends the process."""
    while True:
        try:
            what, *given = channel.recv()
        except EOFError:
            return

        if what == _UNWANTED:  # it came when the command had ended
            continue

        if what == "home":
            given = [lambda: not channel.poll()]

        answer: tuple[DeviceError | None, Any]
        try:
            answer = (None, getattr(arm, what)(*given))
        except DeviceError as error:
            answer = (error, None)
        except BaseException:  # noqa: BLE001  not hidden: the process ends with it
            sys.excepthook(*sys.exc_info())
            os._exit(1)

        channel.send(answer)


def _die_with(lifeline: int) -> None:
    """Let the kernel end this process, by SIGIO, when the other end of a pipe is closed."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)

    try:
        os.read(lifeline, 1)  # nothing is ever written
    except BlockingIOError:
        return

    os._exit(1)  # the node has gone already
