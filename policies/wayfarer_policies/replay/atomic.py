"""Changing a file on disk so that a crash leaves either the old or the new one."""

import os
from pathlib import Path

from wayfarer_common.errors import DataError


def write_atomically(path: Path, text: str) -> None:
    """Write a text file so that a reader, or a crash, meets either the old or the new one."""
    temporary = path.with_name(path.name + ".new")
    try:
        with temporary.open("w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(path)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror}") from error


def sync_directory(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
