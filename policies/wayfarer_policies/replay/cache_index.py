"""The frame cache's index: which episodes lie in which rows, and which files they came from."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from wayfarer_common.errors import DataError

from wayfarer_policies.atomic import write_atomically

VERSION = 3  # of the files and of what they hold: 2 had poses of any age
INDEX = "index.json"


@dataclass(frozen=True)
class Source:
    """The bag file an episode came from; a file with another size or time of change is another source."""

    name: str
    size: int  # [bytes]
    mtime_ns: int  # [ns]

    @classmethod
    def of(cls, path: Path) -> Self:
        """Describe a file on disk."""
        status = path.stat()
        return cls(path.name, status.st_size, status.st_mtime_ns)


@dataclass(frozen=True)
class Entry:
    """Where an episode lies: rows start .. start + steps of every file."""

    number: int
    start: int
    steps: int
    end: int
    source: Source


@dataclass(frozen=True)
class Layout:
    """Shape and type of one row in each file; all episodes of a cache agree on it."""

    frame: tuple[int, ...]  # (C, H, W)
    action: tuple[int, ...]  # (3,) or ()
    action_type: str  # "float32" or "int64"

    @property
    def columns(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """File stem -> (dtype, shape of a row)."""
        return {
            "frames": ("uint8", self.frame),
            "actions": (self.action_type, self.action),
            "ee_positions": ("float32", (3,)),
            "object_poses": ("float32", (7,)),
            "valid": ("bool", ()),
            "known": ("bool", ()),
        }


@dataclass(frozen=True)
class Index:
    """What index.json says. A source is in `sources` once all its episodes are in `entries`; it may have none."""

    layout: Layout | None
    entries: Sequence[Entry]
    sources: Sequence[Source]


def write_index(path: Path, index: Index) -> None:
    """Replace the index atomically, once it is on the disk."""
    write_atomically(path, json.dumps({"version": VERSION, **asdict(index)}))


def read_index(path: Path) -> Index:
    """Read the index; without a file it is empty. DataError if it is damaged or of another version."""
    if not path.exists():
        return Index(None, [], [])
    try:
        content = json.loads(path.read_text())
        if content["version"] != VERSION:
            raise DataError(f"frame cache {path} has version {content['version']}, this is {VERSION}: remove it")
        of = content["layout"]
        layout = Layout(tuple(of["frame"]), tuple(of["action"]), of["action_type"]) if of else None
        entries = [Entry(**{**entry, "source": Source(**entry["source"])}) for entry in content["entries"]]
        return Index(layout, entries, [Source(**source) for source in content["sources"]])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"frame cache index {path} cannot be read ({error}): remove {path.parent}") from error
