"""What a damaged file makes the libraries raise, and how it becomes one error of ours."""

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

# What mcap, zstandard, rosbags and sqlite3 raise over bytes that are not what was written
DAMAGE = (
    *(McapError, ZstdError, TypesysError, SerdeError, struct.error),
    *(EOFError, ValueError, LookupError, AttributeError, TypeError, AssertionError),
    *(OverflowError, MemoryError),  # a length that says more than a machine can hold
    *(RuntimeError, sqlite3.Error),  # the first is lz4's
)


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a missing or damaged file makes the libraries raise into a DataError that names
    it.
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
