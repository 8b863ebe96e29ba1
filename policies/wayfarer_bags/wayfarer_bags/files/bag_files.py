"""The files of a bag of another recorder: MCAP or sqlite3, compressed or not.

They are found by their names.
"""

import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mcap.records import Attachment, Metadata
from wayfarer_core.errors import DataError

from wayfarer_bags.files.damage import reading
from wayfarer_bags.files.mcap_files import McapFile, Wanted, everything
from wayfarer_bags.files.recorded import Channel, Message
from wayfarer_bags.files.sqlite_bags import SqliteFile
from wayfarer_bags.files.unpacking import PACKED, plain_file, plain_message

SUFFIXES = (".mcap", ".db3")


class _Storage(Protocol):
    @property
    def channels(self) -> Mapping[int, Channel]:
        """The channels; in some files only those of the messages read so far."""

    def messages(
        self, wanted: Wanted = everything, places: Iterable[int] | None = None
    ) -> Iterator[Message]:
        """Yield messages in the order they were written."""

    def extras(self) -> Iterator[Attachment | Metadata]:
        """Yield attachments and metadata."""


@dataclass(frozen=True)
class BagFile:
    """One open file of a bag."""

    path: Path  # of the file on the disk, which may be compressed
    storage: _Storage

    def messages(
        self, wanted: Wanted = everything, places: Iterable[int] | None = None
    ) -> Iterator[Message]:
        """Yield the messages of some channels in the order they were written; only those at
        `places`, if given.

        Raises DataError if the file is damaged.
        """
        with reading(self.path):
            for message in self.storage.messages(wanted, places):
                plain = plain_message(message.cdr)
                yield message if plain is message.cdr else message._replace(cdr=plain)


def is_bag(path: Path) -> bool:
    """Say whether a path is a file of a bag, or a folder with one."""
    return (
        bool(files_of(path))
        if path.is_dir()
        else path.is_file() and plain_name(path).endswith(SUFFIXES)
    )


def plain_name(path: Path) -> str:
    """Return a file's name as it was before it was compressed."""
    return path.name.removesuffix(PACKED)


def files_of(path: Path) -> list[Path]:
    """Return a bag's files in the order they were written: by the numbers in their names.

    If a file exists compressed and plain (its recorder was killed while compressing), return the
    plain one.
    """
    if not path.is_dir():
        return [path]

    named = (
        file
        for file in path.iterdir()
        if plain_name(file).endswith(SUFFIXES) and file.name[0] != "."
    )
    files = [file for file in named if file.is_file()]
    found = {
        plain_name(file): file for file in sorted(files, key=lambda file: file.suffix != PACKED)
    }  # plain ones last

    return [found[name] for name in sorted(found, key=_in_order)]


@contextlib.contextmanager
def opened(path: Path) -> Iterator[list[BagFile]]:
    """Open all files of a bag. Raises DataError if one is damaged, or there is none."""
    files = files_of(path)
    if not files:
        raise DataError(f"{path} holds no file of a bag: {' or '.join(SUFFIXES)}")
    with contextlib.ExitStack() as stack:
        yield [BagFile(file, _opened(file, stack)) for file in files]


def _opened(file: Path, stack: contextlib.ExitStack) -> _Storage:
    plain = stack.enter_context(plain_file(file))
    with reading(file):
        if plain.suffix == ".db3":
            return stack.enter_context(SqliteFile(plain))

        mcap = stack.enter_context(McapFile(plain))
        if not mcap.size:
            raise DataError(f"{file} is empty")

        mcap.summary()

        return mcap


def _in_order(name: str) -> list[tuple[int, str]]:
    """Return a sort key that puts bag_2 before bag_10."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]
