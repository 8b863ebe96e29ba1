"""Changing a file on disk so that a crash leaves either the old or the new one."""

import contextlib
import csv
import io
import os
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from wayfarer_core.errors import DataError

NEW_SUFFIX = ".new"  # of what shall take a file's place


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader, or a crash, meets either the old or the new one, and the disk
    has the new one.

    Raises DataError where it cannot be written: the disk is full, say. The old one is then still
    there.
    """
    stage(path, content.encode() if isinstance(content, str) else content)
    give_name(path)


def stage(path: Path, content: bytes) -> None:
    """Write what shall take a file's place beside it, and wait for the disk. DataError as above."""
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
    """Put what was staged for a file in its place. DataError as above."""
    try:
        path.with_name(path.name + NEW_SUFFIX).rename(path)
        sync_directory(path.parent)
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}") from error


def make_folder(folder: Path) -> Path:
    """Make a folder, and those it lies in; return it. DataError where that cannot be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write into {folder}: {error.strerror or error}") from error

    return folder


def write_table(path: Path, kind: type[Any], lines: Iterable[Any]) -> None:
    """Write dataclasses of one kind as a CSV file, with a head.

    DataError where it cannot be written.
    """
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, fieldnames=[f.name for f in fields(kind)])
    writer.writeheader()
    writer.writerows(asdict(line) for line in lines)
    write_atomically(path, table.getvalue())


def sync_directory(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
