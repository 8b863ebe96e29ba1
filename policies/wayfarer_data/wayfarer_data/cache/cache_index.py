"""The index of a frame cache.

It says in which rows of which files each episode lies, and from which bag files it comes.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wayfarer_bags.files.recorded import Source
from wayfarer_bags.joints import ARM_JOINTS
from wayfarer_core.atomic import write_atomically
from wayfarer_core.errors import DataError

VERSION = 7  # of the files and of what they hold: 6 knew of no gripper
INDEX = "index.json"
_BEFORE = b', "index": '  # the digest covers what follows


@dataclass(frozen=True)
class Entry:
    """Where an episode lies: rows `start` to `start + steps` of every file."""

    number: int
    start: int
    steps: int
    end: int
    source: Source
    checksum: int  # CRC-32 of these rows, file by file


@dataclass(frozen=True)
class Layout:
    """Shape and type of a row in each file; equal for all episodes of a cache."""

    frame: tuple[int, ...]  # (C, H, W)
    action: tuple[int, ...]  # (3,), with a gripper (4,), or ()
    action_type: str  # "float32" or "int64"

    @property
    def columns(self) -> dict[str, tuple[str, tuple[int, ...]]]:
        """File stem -> (dtype, shape of a row)."""
        return {
            "frames": ("uint8", self.frame),
            "actions": (self.action_type, self.action),
            "ee_positions": ("float32", (3,)),
            "ee_orientations": ("float32", (4,)),
            "joint_positions": ("float32", (ARM_JOINTS,)),
            "joint_velocities": ("float32", (ARM_JOINTS,)),
            "gripper_widths": ("float32", (1,)),
            "object_poses": ("float32", (7,)),
            "stamps": ("int64", ()),
            "sources": ("uint8", ()),
            "valid": ("bool", ()),
            "known": ("bool", ()),
        }


@dataclass(frozen=True)
class Index:
    """The content of index.json.

    A source is in `sources` when all its episodes are in `entries`; it may have none.
    """

    generation: str  # part of the files' names; never used again
    layout: Layout | None
    entries: Sequence[Entry]
    sources: Sequence[Source]


def write_index(path: Path, index: Index) -> None:
    """Replace the index atomically, and wait until it is on the disk."""
    content = json.dumps(asdict(index)).encode()
    head = json.dumps({"version": VERSION, "sha256": hashlib.sha256(content).hexdigest()}).encode()
    write_atomically(path, head[:-1] + _BEFORE + content + b"}")


def read_index(path: Path) -> Index:
    """Read the index; empty if there is no file.

    DataError if it is damaged or of another version.
    """
    if not path.exists():
        return Index("", None, [], [])

    try:
        data = path.read_bytes()
        whole = json.loads(data)
        if whole["version"] != VERSION:
            raise DataError(
                f"frame cache {path} has version {whole['version']}, this is {VERSION}: remove it"
            )
        if whole["sha256"] != hashlib.sha256(data.partition(_BEFORE)[2][:-1]).hexdigest():
            raise ValueError("it is not as it was written")

        return _index(whole["index"])
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(
            f"frame cache index {path} cannot be read ({error}): remove {path.parent}"
        ) from error


def _index(content: Any) -> Index:
    of = content["layout"]
    layout = Layout(tuple(of["frame"]), tuple(of["action"]), of["action_type"]) if of else None
    entries = [
        Entry(**{**entry, "source": Source(**entry["source"])}) for entry in content["entries"]
    ]

    return Index(
        content["generation"], layout, entries, [Source(**source) for source in content["sources"]]
    )
