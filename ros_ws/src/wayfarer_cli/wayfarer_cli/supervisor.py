"""Starts the nodes of a launch as processes, and ends them all when one ends or a signal comes."""

import contextlib
import ctypes
import os
import re
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from wayfarer_common.errors import ConfigError, WayfarerError

from wayfarer_cli.launch_file import Launch, NodeSpec

_TICK = 0.1  # s
# s each gets to end the nodes. SIGTERM, not SIGINT: Python answers an early SIGINT with a traceback
_PATIENCE = ((signal.SIGTERM, 4.0), (signal.SIGKILL, 1.0))
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class NodeDiedError(WayfarerError):
    """A node ended that the run cannot go on without."""


@dataclass
class _Process:
    spec: NodeSpec
    popen: subprocess.Popen[bytes]
    unfinished: bytes = b""  # the beginning of a line whose end has not come yet


class Supervisor:
    """One launch under way. Every node gets SIGTERM from the kernel, too, should this process be killed."""

    def __init__(
        self, launch: Launch, find_executable: Callable[[str, str], Path], write: Callable[[str], None]
    ) -> None:
        self._write = write
        self._lines = selectors.DefaultSelector()
        self._processes: list[_Process] = []
        self._signal = 0
        environment = os.environ | launch.environment
        executables = [find_executable(node.package, node.executable) for node in launch.nodes]
        self._domain = _claim_domain(environment)
        for node, executable in zip(launch.nodes, executables, strict=True):
            command = [str(executable), *node.arguments()]
            popen = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a terminal's Ctrl-C reaches us alone; we pass it on once
                preexec_fn=_die_with_parent,
            )
            process = _Process(node, popen)
            self._processes.append(process)
            if popen.stdout is not None:
                self._lines.register(popen.stdout, selectors.EVENT_READ, process)

    def run(self, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Pass the nodes' output on until one ends or a signal comes; then end all and return the exit code.

        Raises NodeDiedError, naming the node, where one ended with an error.
        """
        with self._catch_signals():
            try:
                while not self._signal:
                    ended = [p for p in self._processes if p.popen.poll() is not None and p.spec.ends_run]
                    if ended:
                        return self._judge(ended)
                    meanwhile()
                    self._pass_output(_TICK)
                return 128 + self._signal
            finally:
                self._end_all()
                self._domain.close()

    def _judge(self, ended: list[_Process]) -> int:
        self._pass_output(0.0)
        failed = [p for p in ended if p.popen.returncode != 0]
        if not failed:
            return 0
        words = [f"{p.spec.name} {_how(p.popen.returncode)}" for p in failed]
        raise NodeDiedError(f"{' and '.join(words)}: the run was ended; what it had stored is safe")

    @contextlib.contextmanager
    def _catch_signals(self) -> Iterator[None]:
        def note(number: int, _: object) -> None:
            self._signal = number

        old = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)

    def _end_all(self) -> None:
        for number, patience in _PATIENCE:
            for process in self._processes:
                if process.popen.poll() is None:
                    process.popen.send_signal(number)
            deadline = time.monotonic() + patience
            while any(p.popen.poll() is None for p in self._processes) and time.monotonic() < deadline:
                self._pass_output(0.02)
        for _ in range(2):  # what is left in the pipes, then their ends
            self._pass_output(0.0)

    def _pass_output(self, timeout: float) -> None:
        for key, _ in self._lines.select(timeout):
            chunk = os.read(key.fd, 65536)
            process: _Process = key.data
            *lines, process.unfinished = (process.unfinished + chunk).split(b"\n")
            if not chunk:
                self._lines.unregister(key.fileobj)
                lines = [process.unfinished] if process.unfinished else []  # last words without a line's end
            for line in lines:
                self._write(f"[{process.spec.name}] {line.decode(errors='replace')}")


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _how(code: int) -> str:
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _claim_domain(environment: dict[str, str]) -> socket.socket:
    """Hold this machine's claim to a ROS domain, so that two launches never hear each other.

    An abstract socket: no file, and gone with the process however it ends.
    """
    text = environment.get("ROS_DOMAIN_ID", "0")
    if not re.fullmatch("[0-9]+", text) or int(text) > 101:  # above lie Linux's ephemeral ports (ROS 2 docs)
        raise ConfigError(f"ROS_DOMAIN_ID={text!r} must be a number from 0 to 101")
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0wayfarer/domain/{int(text)}")
    except OSError as error:
        claim.close()
        raise ConfigError(
            f"ROS domain {text} is in use by another wayfarer launch on this machine: "
            "wait for it to end, or set ROS_DOMAIN_ID to another number from 0 to 101"
        ) from error
    return claim
