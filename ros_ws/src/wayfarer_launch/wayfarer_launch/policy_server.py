"""Policies in other processes.

Either a policy server that already runs, or one of LeRobot that is started and ended here.
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

_LOADING = 300.0  # s until a server must listen: large weights, a slow disk
_ANSWER = 30.0  # s for its description
_PATIENCE = 5.0  # s for its end
_LAST_WORDS = 8  # lines of its output in an error
# code for `python -c` in LeRobot's environment; it appends this package to its path
_START = (
    "import sys; sys.path.append(sys.argv.pop(1)); from wayfarer_serving.lerobot_server import "
    "main; main()"
)


@dataclass(frozen=True)
class Served:
    """A policy server that answers."""

    address: str
    policy: str  # name of its policy
    folder: Path | None  # of a LeRobot policy; None: the server was already running
    check: Callable[[], None]  # raises PolicyError if a server that was started here has ended


def lerobot_python() -> Path:
    """Return the path of the Python with LeRobot that `make` builds beside this one; it need not
    exist.
    """
    return Path(sys.prefix) / "loaders" / "bin" / "python"


@contextmanager
def served(wanted: str, python: Path | None = None) -> Iterator[Served]:
    """Provide a policy server inside the context; end it afterwards if it was started here.

    Args:
        wanted: external:ADDRESS, or lerobot:FOLDER, a pretrained_model folder of LeRobot.
        python: of the environment with lerobot; None: that of `make`.

    Raises:
        ConfigError: `wanted` is neither, or the Python or folder does not exist.
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

    It ends when its standard input closes, so when this process ends in any way.
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
                start_new_session=True,  # a terminal's Ctrl-C reaches only this process
            )
        except OSError as error:
            raise ConfigError(
                f"no Python with LeRobot at {python}: `make .venv/.loaders` makes one, "
                "--lerobot-python names another"
            ) from error

    def address(self) -> str:
        """Return its address when it listens.

        Raises PolicyError if it ends before, or takes too long.
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
        """Raise PolicyError with its last output if it has ended."""
        if self._process.poll() is not None:
            self._ended()

    def _ended(self) -> NoReturn:
        self.end()
        raise PolicyError(
            f"LeRobot's server ended with exit code {self._process.returncode}: {self._words()}"
        )

    def end(self) -> None:
        """Ask it to end, and wait."""
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
        """Keep its output pipe empty: a full pipe would block it."""

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
    """Return the environment without the variables of our own Python environment.

    LeRobot's has other libraries and packages.
    """
    environment = {
        key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONHOME")
    }
    libraries = environment.pop("LD_LIBRARY_PATH", "").split(os.pathsep)
    if others := [path for path in libraries if path and not path.startswith(f"{sys.prefix}/")]:
        environment["LD_LIBRARY_PATH"] = os.pathsep.join(others)

    return environment | {"PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}
