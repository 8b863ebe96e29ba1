"""Stops that wait for an operator, on disk, so that they survive a restart of the node. Pure.

The file exists only while something waits, or recent recoveries count.
"""

import json
import os
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path

from wayfarer_core.atomic import make_folder, sync_directory, write_atomically
from wayfarer_core.errors import ConfigError, DataError

FILE = "waits_for_operator.json"
_ADVICE = "set ROS_HOME to a folder that can be written"


@dataclass(frozen=True)
class Stops:
    """All that waits for an operator. False if nothing does."""

    stopped: str = ""  # reason of a stop in force
    scene: bool = False  # somebody resets the scene
    hand: str = ""  # a user stop, or a person guided the arm
    exhausted: bool = False  # no automatic recovery is left
    recoveries: tuple[float, ...] = ()  # s on the wall clock, of the latest recoveries

    def __bool__(self) -> bool:
        """Whether there is something to keep."""
        return self != Stops()


def folder_of(domain: int, node: str) -> Path:
    """Return the folder for a node's stops, by its full name.

    It lies in ROS_HOME, which is ~/.ros unless it is set. Raises ConfigError if there is no
    such place.
    """
    try:
        home = Path(os.environ.get("ROS_HOME") or Path.home() / ".ros")
    except RuntimeError as error:
        raise ConfigError(f"a stop could not be kept: {error}; {_ADVICE}") from error

    return home / "wayfarer" / f"domain_{domain}" / node.strip("/")


class Keeper:
    """Keeps the stops of one node in its folder."""

    def __init__(self, folder: Path) -> None:
        """Read the stops; an unreadable file counts as a stop.

        Raises ConfigError if nothing could be kept there: a stop must not be forgotten.
        """
        self._file = folder / FILE
        try:
            make_folder(folder)
        except DataError as error:
            raise ConfigError(f"a stop could not be kept: {error}; {_ADVICE}") from error

        if not os.access(folder, os.W_OK | os.X_OK):
            raise ConfigError(
                f"a stop could not be kept: no right to write into {folder}; {_ADVICE}"
            )

        self.stops = self._saved = self._read()

    def force(self, **changes: object) -> None:
        """Put a stop in force at once; `save` then writes it to disk."""
        self.stops = replace(self.stops, **changes)  # type: ignore[arg-type]

    def save(self) -> None:
        """Write the stops; the disk has them when this returns. Raises DataError otherwise."""
        if self.stops == self._saved:
            return

        if self.stops:
            write_atomically(self._file, json.dumps(asdict(self.stops)))
        else:
            self._remove()

        self._saved = self.stops

    def lift(self, **changes: object) -> None:
        """Lift a stop.

        Raises DataError if the disk does not take it; then nothing has changed.
        """
        before = self.stops
        self.force(**changes)
        try:
            self.save()
        except DataError:
            self.stops = before
            raise

    def _remove(self) -> None:
        try:
            self._file.unlink(missing_ok=True)
            sync_directory(self._file.parent)
        except OSError as error:
            raise DataError(f"cannot remove {self._file}: {error.strerror}") from error

    def _read(self) -> Stops:
        try:
            content = json.loads(self._file.read_text(encoding="utf-8"))
            said = Stops(**{**content, "recoveries": tuple(map(float, content["recoveries"]))})
        except FileNotFoundError:
            return Stops()
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return self._unreadable()

        typed = all(
            type(value) is type(getattr(Stops(), key)) for key, value in asdict(said).items()
        )

        return said if typed and all(map(isfinite, said.recoveries)) else self._unreadable()

    def _unreadable(self) -> Stops:
        return Stops(stopped=f"{self._file} cannot be read: a stop may be in force")
