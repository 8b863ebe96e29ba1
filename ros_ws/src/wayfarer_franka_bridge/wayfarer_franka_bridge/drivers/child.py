"""Runs an arm's library in another process: if that stalls or dies, the node goes on.

`Child` is the node's side, `serve` the other. They use two channels, so that the state can be
asked for while a command runs. The child never outlives the node: a third channel carries no data;
when the node's end closes, the child ends by a signal, even if a library call holds the
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

_LOOK = 0.01  # s between two checks whether a command is still wanted
_END = 2.0  # s for a killed process to end
_UNWANTED = "unwanted"


class Child:
    """A process that runs a module's `main`, which serves an arm.

    Args:
        module: name of the module.
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
        self._until = 0.0  # s, deadline of the running command
        self._commands.send(settings)

    def tell(
        self, what: str, *given: Any, timeout: float, wanted: Callable[[], bool] | None = None
    ) -> Any:
        """Call a method of the arm; return its result or raise its error.

        Args:
            what: name of the method.
            given: its arguments.
            timeout: longest duration [s]; with `wanted`, from the time when it is no longer wanted.
            wanted: whether the command is still wanted; the arm is told when it is not.

        Raises:
            ConnectionLostError: the process died, or did not answer in time and was killed.

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
        """Like `tell`, on the other channel; a running command may delay the answer."""
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
        """End the process and return the error for it."""
        died = self._process.poll()
        self.end()
        how = "was ended" if died is None else f"ended with exit code {died}"
        return ConnectionLostError(f"{what}; the process of the arm's library {how}")

    def end(self) -> None:
        """Kill the process, with its connection. Any thread may call it, also again."""
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
        # from a terminal: the node gets them as well, and decides
        signal.signal(number, signal.SIG_IGN)

    channel = Connection(commands)
    arm = make(channel.recv())
    threading.Thread(target=_answer_all, args=(arm, Connection(states)), daemon=True).start()
    _answer_all(arm, channel)
    os._exit(0)  # no destructors: one with a lost connection would end by SIGABRT


def _answer_all(arm: Any, channel: Connection) -> None:
    """Handle calls until the channel closes; an error other than DeviceError ends the process."""
    while True:
        try:
            what, *given = channel.recv()
        except EOFError:
            return

        if what == _UNWANTED:  # it came after the command had ended
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
        os.read(lifeline, 1)  # returns only when it is closed
    except BlockingIOError:
        return

    os._exit(1)  # the node is already gone
