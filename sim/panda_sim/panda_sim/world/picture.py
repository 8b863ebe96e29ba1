"""Lets other processes draw the world.

The compiled model is one file, its present state another.

The state file holds a counter, the wall clock [ns], and all joint positions. The counter is odd
while the file is being written, so that a reader takes no incomplete state.
"""

import mmap
import struct
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WORLD, STATE = "world.mjb", "state"
_HEAD = 16  # bytes of counter and clock


class StateWriter:
    """Writes the state file."""

    def __init__(self, path: Path, positions: int) -> None:
        self._size = _HEAD + 8 * positions
        path.write_bytes(bytes(self._size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), self._size)
        self._count = 0

    def write(self, qpos: NDArray[np.float64]) -> None:
        """Write a state."""
        self._memory[:8] = struct.pack("q", self._count + 1)
        self._memory[8 : self._size] = struct.pack("q", time.time_ns()) + qpos.tobytes()
        self._count += 2
        self._memory[:8] = struct.pack("q", self._count)


class StateReader:
    """Reads the state file. It outlives its writer, and continues with the next one."""

    def __init__(self, path: Path, positions: int) -> None:
        self._path, self._size = path, _HEAD + 8 * positions
        self._last = 0

    def read(self) -> tuple[int, NDArray[np.float64]] | None:
        """Return the time [ns] and the joint positions of a state not returned before.

        None if there is none, or no file: a new writer may be about to make one.
        """
        try:
            data = self._path.read_bytes()
            whole = len(data) == self._size and data == self._path.read_bytes()
        except FileNotFoundError:
            return None

        if not whole:
            return None

        count, stamp = struct.unpack("qq", data[:_HEAD])
        if count % 2 or count in (0, self._last):  # being written, none yet, or returned already
            return None

        self._last = count

        return stamp, np.frombuffer(data[_HEAD:])
