"""HDF5 files that are complete in the end, or do not exist.

On a full disk the HDF5 library would end the process; this module prevents that.
"""

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
from wayfarer_core.errors import DataError


class _Disk:
    """A file object for h5py.

    After the first failed write it keeps all later writes in memory and never fails.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("x+b", buffering=0)
        self.error: OSError | None = None  # of the failed write
        self._size = self._position = 0
        self._kept: list[tuple[int, bytes]] = []  # place and bytes of later writes

    def sync(self) -> None:
        """Wait until the disk has all. Raises OSError if a write failed."""
        if self.error is not None:
            raise self.error
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    # --- the file interface that h5py needs ---

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Set the position."""
        self._position = offset + (0, self._position, self._size)[whence]
        return self._position

    def tell(self) -> int:
        """Return the position."""
        return self._position

    def write(self, data: Any) -> int:
        """Write at the position."""
        content = bytes(data)
        start, self._position = self._position, self._position + len(content)
        self._size = max(self._size, self._position)
        done = self._put(start, content)
        if done < len(content):
            self._kept.append((start + done, content[done:]))

        return len(content)

    def _put(self, start: int, content: bytes) -> int:
        """Write to the disk; return the number of bytes written."""
        done = 0
        try:
            while self.error is None and done < len(content):
                done += os.pwrite(self._file.fileno(), content[done:], start + done)
        except OSError as error:
            self.error = error

        return done

    def readinto(self, buffer: Any) -> int:
        """Read at the position."""
        buffer[:] = self.read(len(buffer))
        return len(buffer)

    def read(self, size: int) -> bytearray:
        """Read at the position.

        Bytes that the disk did not take come from memory; bytes never written are 0.
        """
        start, behind = self._position, self._position + size
        data = bytearray(os.pread(self._file.fileno(), size, start).ljust(size, b"\0"))
        for place, content in self._kept:
            first, last = max(place, start), min(place + len(content), behind)
            if first < last:
                data[first - start : last - start] = content[first - place : last - place]

        self._position = behind

        return data

    def truncate(self, size: int | None = None) -> int:
        """Set the file's length."""
        self._size = self._position if size is None else size
        try:
            if self.error is None:
                os.ftruncate(self._file.fileno(), self._size)
        except OSError as error:
            self.error = error

        return self._size

    def flush(self) -> None:
        """Do nothing: every write is already flushed."""


@dataclass(frozen=True)
class Writing:
    """A file that is being written."""

    file: h5py.File
    disk: _Disk

    def check(self) -> None:
        """Raise OSError if a write has failed: call it now and then."""
        self.file.flush()
        self.disk.sync()


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Writing]:
    """Give an HDF5 file for writing. It gets its name when it is complete and on the disk.

    Raises DataError if the disk refuses; it leaves no file then, nor one of an earlier
    interrupted export.
    """
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.unlink(missing_ok=True)  # of an export that was killed
        with contextlib.closing(_Disk(unfinished)) as disk:
            with h5py.File(disk, "w", track_order=True) as file:
                yield Writing(file, disk)
            disk.sync()

        unfinished.rename(path)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            unfinished.unlink()
