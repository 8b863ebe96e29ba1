"""Policies in other processes.

A policy server that is there, or one of LeRobot that is started and ended here.
"""

import os
import selectors
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import wayfarer_serving
from wayfarer_core.errors import ConfigError, PolicyError
from wayfarer_core.options import ExternalOptions
from wayfarer_serving.client import ask
from wayfarer_serving.server import LISTENING

KINDS = ("external:ADDRESS", "lerobot:FOLDER")

_LOADING = 300.0  # s a server may take until it listens: large weights, a slow disk
_ANSWER = 30.0  # s it may take to say who it is
_PATIENCE = 5.0  # s it gets to end
_LAST_WORDS = 8  # lines
# What `python -c` runs in LeRobot's environment: this package comes behind all that is there.
_START = (
    "import sys; sys.path.append(sys.argv.pop(1)); from wayfarer_serving.lerobot_server import "
    "main; main()"
)


@dataclass(frozen=True)
class Served:
    """A policy server that answers."""

    address: str
    policy: str  # what it calls its policy
    folder: Path | None  # of a LeRobot policy; None: somebody else started the server
    check: Callable[[], None]  # raises PolicyError once a server that was started here has ended


def lerobot_python() -> Path:
    """Return the Python of the environment with LeRobot that `make` builds beside this one, there
    or not.
    """
    return Path(sys.prefix) / "loaders" / "bin" / "python"


@contextmanager
def served(wanted: str, python: Path | None = None) -> Iterator[Served]:
    """Have a policy server answer meanwhile; one that was started here has ended afterwards.

    Args:
        wanted: external:ADDRESS, or lerobot:FOLDER, a pretrained_model folder of LeRobot.
        python: of the environment in which lerobot is installed; None: that of `make`.

    Raises:
        ConfigError: it is neither, or there is no such Python or folder.
        PolicyError: the server does not start, or does not answer.

    """
    kind, _, rest = wanted.partition(":")
    if kind == "external" and rest:
        yield Served(rest, _name(rest), None, lambda: None)
    elif kind == "lerobot" and rest:
        folder = Path(rest)
        if not folder.is_dir():
            raise ConfigError(
                f"--policy {wanted}: there is no folder {folder}; lerobot-train makes a "
                "pretrained_model"
            )

        server = _LeRobot(folder, python or lerobot_python())
        try:
            address = server.address()
            yield Served(address, _name(address), folder, server.check)
        finally:
            server.end()
    else:
        raise ConfigError(f"--policy {wanted!r} must be {' or '.join(KINDS)}")


def _name(address: str) -> str:
    return ask(ExternalOptions(policy_address=address, policy_timeout=_ANSWER)).policy


class _LeRobot:
    """The server's process.

    It reads its standard input's end when this process is gone, however that ended.
    """

    def __init__(self, folder: Path, python: Path) -> None:
        package = str(Path(wayfarer_serving.__file__).parents[1])
        words = [str(folder.resolve()), "--address", "127.0.0.1:0", "--end-with-input"]
        self._said: deque[str] = deque(maxlen=_LAST_WORDS)
        self._reader: threading.Thread | None = None

        try:
            self._process = subprocess.Popen(
                [str(python), "-c", _START, package, *words],
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a terminal's Ctrl-C reaches us alone
            )
        except OSError as error:
            raise ConfigError(
                f"no Python with LeRobot at {python}: `make .venv/.loaders` makes one, "
                "--lerobot-python names another"
            ) from error

    def address(self) -> str:
        """Return where it listens, once it does.

        Raises PolicyError where it ends instead, or takes too long.
        """
        deadline = time.monotonic() + _LOADING
        unfinished = b""
        with selectors.DefaultSelector() as waiting:
            output = self._output()
            waiting.register(output, selectors.EVENT_READ)
            while waiting.select(max(0.0, deadline - time.monotonic())):
                if not (chunk := os.read(output, 65536)):
                    self._ended()

                *lines, unfinished = (unfinished + chunk).split(b"\n")
                for line in lines:
                    self._said.append(line.decode(errors="replace"))
                    if self._said[-1].startswith(LISTENING):
                        self._listen_on(output)
                        return self._said[-1].removeprefix(LISTENING)

        raise PolicyError(f"LeRobot's server did not listen within {_LOADING:g} s: {self._words()}")

    def check(self) -> None:
        """Raise PolicyError with its last words where it has ended."""
        if self._process.poll() is not None:
            self._ended()

    def _ended(self) -> NoReturn:
        self.end()
        raise PolicyError(
            f"LeRobot's server ended with exit code {self._process.returncode}: {self._words()}"
        )

    def end(self) -> None:
        """Let it end, and wait for that."""
        if self._process.poll() is None:
            self._process.terminate()

        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(_PATIENCE)

        if self._reader is not None:
            self._reader.join(_PATIENCE)

        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def _listen_on(self, output: int) -> None:
        """Keep its pipe empty: a full one would stop it."""

        def read() -> None:
            while chunk := os.read(output, 65536):
                self._said.extend(chunk.decode(errors="replace").splitlines())

        self._reader = threading.Thread(target=read, name="lerobot", daemon=True)
        self._reader.start()

    def _output(self) -> int:
        if self._process.stdout is None:
            raise PolicyError("LeRobot's server has no output")
        return self._process.stdout.fileno()

    def _words(self) -> str:
        return " / ".join(line for line in self._said if line.strip()) or "it said nothing"


def _environment() -> dict[str, str]:
    """Return the surroundings less what is this environment's own.

    LeRobot's has other libraries and packages.
    """
    environment = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")
    }
    libraries = environment.pop("LD_LIBRARY_PATH", "").split(os.pathsep)
    if others := [path for path in libraries if path and not path.startswith(f"{sys.prefix}/")]:
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(others)

    return environment | {"PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}
