"""Replacing files on disk so that a crash leaves either the old or the new file."""

import contextlib
import csv
import io
import os
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from wayfarer_core.errors import DataError

NEW_SUFFIX = ".new"  # of a file that waits to replace another


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file, and wait until the new one is on the disk. A reader, or a crash, finds either
    the old file or the new one.

    Raises DataError if the file cannot be written, for example on a full disk. The old file then
    stays.
    """
    stage(path, content.encode() if isinstance(content, str) else content)
    give_name(path)


def stage(path: Path, content: bytes) -> None:
    """Write the new content beside the file, and wait for the disk. DataError as above."""
    waiting = path.with_name(path.name + NEW_SUFFIX)
    try:
        with waiting.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        with contextlib.suppress(OSError):
            waiting.unlink()
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error


def give_name(path: Path) -> None:
    """Replace a file by its staged content. DataError as above."""
    try:
        path.with_name(path.name + NEW_SUFFIX).rename(path)
        sync_directory(path.parent)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error


def make_folder(folder: Path) -> Path:
    """Make a folder and its parents, and return it. DataError if that is not possible."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write into {folder}: {error.strerror or error}") from error

    return folder


def write_table(path: Path, kind: type[Any], lines: Iterable[Any]) -> None:
    """Write dataclasses of one kind as a CSV file with a header line.

    DataError where it cannot be written.
    """
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, fieldnames=[f.name for f in fields(kind)])
    writer.writeheader()
    writer.writerows(asdict(line) for line in lines)
    write_atomically(path, table.getvalue())


def sync_directory(folder: Path) -> None:
    """Wait until the file names of a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
