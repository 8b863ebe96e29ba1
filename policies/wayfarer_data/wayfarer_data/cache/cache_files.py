"""The files of a frame cache. Each holds one column of a generation, and only grows."""

import os
import secrets
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wayfarer_core.errors import DataError

_COPIED = 1 << 26  # bytes copied at a time from one generation to the next


def fresh_generation() -> str:
    """Return the name of a new generation, never used before."""
    return secrets.token_hex(4)


def file_of(folder: Path, name: str, generation: str) -> Path:
    """Return where a column of a generation lies."""
    return folder / f"{name}-{generation}.raw"


def mapped(path: Path, rows: int, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Map the first rows of a column, (rows, *shape).

    DataError if there are fewer; FileNotFoundError if there is no file.
    """
    needed = rows * np.dtype(dtype).itemsize * int(np.prod(shape, dtype=int))
    if (held := path.stat().st_size) < needed:
        raise DataError(
            f"frame cache {path} holds {held} bytes, its index needs {needed}: remove {path.parent}"
        )

    return (
        np.memmap(path, dtype=dtype, mode="r", shape=(rows, *shape))
        if rows
        else np.empty((0, *shape), dtype)
    )


def checksum_of(columns: Iterable[NDArray[Any]]) -> int:
    """Return the CRC-32 of the columns' bytes, one column after the other; each is contiguous."""
    found = 0
    for column in columns:
        found = zlib.crc32(column.reshape(-1).view(np.uint8).data, found)
    return found


def write_at(path: Path, values: NDArray[Any], row: int) -> None:
    """Write rows from `row` on, over anything that a killed process left there, and wait for
    the disk.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b") as file:
        file.seek(row * values.dtype.itemsize * int(np.prod(values.shape[1:], dtype=int)))
        file.write(np.ascontiguousarray(values).data)
        file.flush()
        os.fsync(file.fileno())


def copy_to(values: NDArray[np.uint8], path: Path) -> None:
    """Write bytes to a new file, a part at a time, and wait for the disk."""
    with path.open("xb") as file:
        for start in range(0, len(values), _COPIED):
            file.write(values[start : start + _COPIED].data)
        file.flush()
        os.fsync(file.fileno())
