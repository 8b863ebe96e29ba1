"""The files of a frame cache: each holds one column of a generation, flat, and only grows."""

import os
import secrets
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wayfarer_core.errors import DataError

_COPIED = 1 << 26  # bytes at a time from one generation to the next


def fresh_generation() -> str:
    """Return the name of a new generation, which none ever had."""
    return secrets.token_hex(4)


def file_of(folder: Path, name: str, generation: str) -> Path:
    """Return where a column of a generation lies."""
    return folder / f"{name}-{generation}.raw"


def mapped(path: Path, rows: int, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
    """Map the first rows of a column, (rows, *shape).

    DataError where there are fewer, FileNotFoundError without it.
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
    """Return the CRC-32 of columns' bytes, one behind the other: of rows that lie in one piece."""
    found = 0
    for column in columns:
        found = zlib.crc32(column.reshape(-1).view(np.uint8).data, found)
    return found


def write_at(path: Path, values: NDArray[Any], row: int) -> None:
    """Write rows behind the first `row`, over whatever a killed process left there, and wait for
    the disk.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b") as file:
        file.seek(row * values.dtype.itemsize * int(np.prod(values.shape[1:], dtype=int)))
        file.write(np.ascontiguousarray(values).data)
        file.flush()
        os.fsync(file.fileno())


def copy_to(values: NDArray[np.uint8], path: Path) -> None:
    """Write bytes to a new file, some at a time, and wait for the disk."""
    with path.open("xb") as file:
        for start in range(0, len(values), _COPIED):
            file.write(values[start : start + _COPIED].data)
        file.flush()
        os.fsync(file.fileno())
