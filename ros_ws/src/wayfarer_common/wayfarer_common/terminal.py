"""Reads the keys of the process's terminal one by one, without waiting for the end of a
line.
"""

import os
import select
import sys
import termios
import tty
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from wayfarer_core.errors import ConfigError, DeviceError


class Terminal(Protocol):
    """A source of keys."""

    def read(self, timeout: float) -> str:
        """Wait at most `timeout` seconds; return the pressed keys, or "".

        DeviceError if the terminal is gone.
        """


class _Keys:
    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self, timeout: float) -> str:
        ready, _, _ = select.select([self._descriptor], [], [], max(timeout, 0.0))
        try:
            return os.read(self._descriptor, 1024).decode(errors="replace") if ready else ""
        except OSError as error:
            raise DeviceError(f"the keyboard's terminal is gone: {error.strerror}") from error


@contextmanager
def keys_of_terminal() -> Iterator[Terminal]:
    """Read the terminal's keys as they are pressed; Ctrl-C still works.

    ConfigError if there is no terminal.
    """
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigError("a keyboard needs a terminal: standard input is none")

    descriptor = sys.stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor, termios.TCSADRAIN)
        yield _Keys(descriptor)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
