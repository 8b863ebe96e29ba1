"""Labels that people give episodes afterwards: success or failure, and a note.

They lie beside the bag, never in it.
"""

import fcntl
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from wayfarer_core.atomic import write_atomically
from wayfarer_core.errors import ConfigError, DataError

from wayfarer_bags.run_directory import RunDirectory

NAME = "labels.json"  # in a run's directory
_FORMAT = 1
_LONGEST = 16 << 20  # bytes of the file
_NOTE = 10_000  # letters of a note


@dataclass(frozen=True)
class Label:
    """The label of one episode."""

    success: bool | None = None  # None: not judged
    note: str = ""

    def __bool__(self) -> bool:
        """Whether it holds a judgement or a note."""
        return self.success is not None or bool(self.note)


def read_labels(run: Path) -> dict[int, Label]:
    """Return the labels of a run's episodes, by their numbers.

    DataError if the file is damaged.
    """
    path = run / NAME
    if not path.is_file():
        return {}

    try:
        if path.stat().st_size > _LONGEST:
            raise ValueError(f"it has more than {_LONGEST} bytes")

        content = json.loads(path.read_bytes())
        if content["format"] != _FORMAT:
            raise ValueError(
                f"it is of format {content['format']!r}, this Wayfarer reads {_FORMAT}"
            )

        return {int(number): _label(said) for number, said in content["episodes"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"cannot read {path}: {error}; mend or remove it") from error


def write_label(run: Path, episode: int, **said: Any) -> Label:
    """Set `success` or `note` of an episode, or both; the other stays.

    Return the whole label.

    ConfigError for an episode that does not exist, or a note that is too long; DataError if the
    file cannot be written.
    """
    RunDirectory(run).require(episode)
    if len(said.get("note", "")) > _NOTE:
        raise ConfigError(f"a note has {_NOTE} letters at most")

    try:
        with (run / f"{NAME}.lock").open("w") as lock:  # two people may label at once
            fcntl.flock(lock, fcntl.LOCK_EX)
            labels = read_labels(run)
            label = Label(**{**asdict(labels.get(episode, Label())), **said})
            write_labels(run, {**labels, episode: label})
    except OSError as error:
        raise DataError(f"cannot write {run / NAME}: {error.strerror or error}") from error

    return label


def write_labels(run: Path, labels: Mapping[int, Label]) -> None:
    """Replace all labels of a run. DataError if the file cannot be written."""
    said = {str(number): asdict(labels[number]) for number in sorted(labels) if labels[number]}
    content = json.dumps({"format": _FORMAT, "episodes": said}, indent=1, ensure_ascii=False)
    write_atomically(run / NAME, content + "\n")


def _label(said: Any) -> Label:
    success, note = said.get("success"), said.get("note", "")
    if success not in (True, False, None) or isinstance(success, int) != isinstance(success, bool):
        raise ValueError(f"success is {success!r}, and not true, false or null")
    if not isinstance(note, str) or len(note) > _NOTE:
        raise ValueError("a note is no text, or too long")

    return Label(success, note)
