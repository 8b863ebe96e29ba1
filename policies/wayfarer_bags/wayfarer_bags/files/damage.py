"""Turns the libraries' errors about damaged files into our DataError."""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mcap.exceptions import McapError
from rosbags.serde import SerdeError
from rosbags.typesys import TypesysError
from wayfarer_core.errors import DataError
from zstandard import ZstdError

from wayfarer_bags.files.recorded import UnreadableError

# What mcap, zstandard, rosbags and sqlite3 raise for damaged bytes
DAMAGE = (
    *(McapError, ZstdError, TypesysError, SerdeError, struct.error),
    *(EOFError, ValueError, LookupError, AttributeError, TypeError, AssertionError),
    *(OverflowError, MemoryError),  # a length that is larger than a machine can hold
    *(RuntimeError, sqlite3.Error),  # the first is lz4's
)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn every error that the libraries raise for a missing or damaged file into a DataError with
    the file's name.
    """
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except UnreadableError as error:
        raise DataError(f"{path} {error}") from error
    except DAMAGE as error:
        raise DataError(
            f"{path} is damaged: {type(error).__name__}: {' '.join(str(error).split())}"
        ) from error
