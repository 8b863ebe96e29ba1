"""Starts the nodes of a launch as processes, and ends them all when one ends or a signal comes."""

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wayfarer_common import lifetime
from wayfarer_common.surroundings import domain_of
from wayfarer_core.errors import WayfarerError

from wayfarer_launch.launch_file import Launch, NodeSpec

_TICK = 0.1  # s
# s for the nodes to end. SIGTERM, not SIGINT: Python answers an early SIGINT with a traceback
_PATIENCE = ((signal.SIGTERM, 4.0), (signal.SIGKILL, 1.0))
_SAFE_DOMAIN = 101  # higher domains use Linux's ephemeral ports (ROS 2 docs)


class NodeDiedError(WayfarerError):
    """A node ended without which the run cannot go on."""


@dataclass
class _Process:
    spec: NodeSpec
    popen: subprocess.Popen[bytes]
    unfinished: bytes = b""  # the beginning of an incomplete line


class Supervisor:
    """One launch. If this process is killed, the kernel sends SIGTERM to every node."""

    def __init__(
        self,
        launch: Launch,
        find_executable: Callable[[str, str], Path],
        write: Callable[[str], None],
    ) -> None:
        """Check whether all nodes can be started.

        Raises ConfigError for a missing program, an invalid domain, or a node that already runs in
        the domain.
        """
        self._write = write
        self._lines = selectors.DefaultSelector()
        self._processes: list[_Process] = []
        self._signal = 0
        self._programs = [
            (node, find_executable(node.package, node.executable)) for node in launch.nodes
        ]
        self._claims = contextlib.ExitStack()

        with contextlib.ExitStack() as claims:
            for node in (node for node in launch.nodes if node.name):
                domain = domain_of(_environment_of(node), _SAFE_DOMAIN)
                # the node itself claims the name after it has started
                lifetime.claim(domain, node.full_name).close()
                claims.enter_context(lifetime.claim(domain, node.full_name, kind="launch"))

            self._claims = claims.pop_all()

    def run(self, meanwhile: Callable[[], None] = lambda: None) -> int:
        """Start the nodes, pass their output on, end them all, return the exit code.

        It ends at a signal, when a node with on_exit="shutdown" ends, or when all have ended.
        Raises NodeDiedError, naming the node, if such a node ended with an error.
        """
        with self._claims, lifetime.caught(self._note):
            try:
                for node, program in self._programs:
                    self._start(node, program)

                while not self._signal:
                    ended = [p for p in self._processes if p.popen.poll() is not None]
                    ending = [p for p in ended if p.spec.ends_run]
                    if ending or len(ended) == len(self._processes):
                        return self._judge(ending or ended)

                    meanwhile()
                    self._pass_output(_TICK)

                return 128 + self._signal
            finally:
                self._end_all()

    def _start(self, node: NodeSpec, program: Path) -> None:
        popen = subprocess.Popen(
            [str(program), *node.arguments()],
            env=_environment_of(node),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a terminal's Ctrl-C reaches only us; we pass it on once
            preexec_fn=_end_with(os.getpid()),
        )
        process = _Process(node, popen)
        self._processes.append(process)

        if popen.stdout is not None:
            self._lines.register(popen.stdout, selectors.EVENT_READ, process)

    def _judge(self, ended: list[_Process]) -> int:
        self._pass_output(0.0)
        failed = [p for p in ended if p.popen.returncode != 0]
        if not failed:
            return 0

        words = [f"{p.spec.label} {_how(p.popen.returncode)}" for p in failed]
        raise NodeDiedError(f"{' and '.join(words)}: the run was ended; what it had stored is safe")

    def _note(self, number: int, _: object) -> None:
        self._signal = number

    def _end_all(self) -> None:
        for number, patience in _PATIENCE:
            for process in self._processes:
                if process.popen.poll() is None:
                    process.popen.send_signal(number)

            deadline = time.monotonic() + patience
            while (
                any(p.popen.poll() is None for p in self._processes) and time.monotonic() < deadline
            ):
                self._pass_output(0.02)

        for _ in range(2):  # the rest of the pipes, then their ends
            self._pass_output(0.0)

    def _pass_output(self, timeout: float) -> None:
        for key, _ in self._lines.select(timeout):
            chunk = os.read(key.fd, 65536)
            process: _Process = key.data
            *lines, process.unfinished = (process.unfinished + chunk).split(b"\n")

            if not chunk:
                self._lines.unregister(key.fileobj)
                # last output without a line's end
                lines = [process.unfinished] if process.unfinished else []

            for line in lines:
                self._write(f"[{process.spec.label}] {line.decode(errors='replace')}")


def _environment_of(node: NodeSpec) -> dict[str, str]:
    return os.environ | dict(node.environment)


def _end_with(launcher: int) -> Callable[[], None]:
    """Return a function that a new process runs before it becomes the node.

    It makes sure that the process does not outlive the launcher.
    """

    def ask() -> None:
        lifetime.signal_on_death_of_parent(signal.SIGTERM)
        if os.getppid() != launcher:  # the launcher died before we asked
            os._exit(1)

    return ask


def _how(code: int) -> str:
    return (
        f"was killed by {signal.Signals(-code).name}"
        if code < 0
        else f"ended with exit code {code}"
    )
