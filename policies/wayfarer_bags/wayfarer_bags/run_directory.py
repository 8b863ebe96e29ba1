"""A run: a rosbag2 directory with one MCAP file per episode, metadata.yaml and run.yaml."""

import fcntl
import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import yaml
from wayfarer_core import plain_yaml
from wayfarer_core.atomic import NEW_SUFFIX, write_atomically
from wayfarer_core.errors import ConfigError, DataError

from wayfarer_bags import digests, metadata
from wayfarer_bags.bag import OPEN_SUFFIX, read_info
from wayfarer_bags.episode import End
from wayfarer_bags.metadata import summarise

DESCRIPTION = "run.yaml"
CHANGING = (DESCRIPTION, metadata.NAME)  # files that are rewritten while a run is recorded
_LOCK = "run.lock"
_BETWEEN_SESSIONS = 1_000_000_000  # ns between the sessions of a bag
_EPISODE = re.compile(rf"episode_(\d{{6,}})\.mcap({re.escape(OPEN_SUFFIX)})?")


class RunDirectory:
    """A run on disk. Opening it changes nothing."""

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            raise DataError(
                f"{path} is not a directory; a run is the directory given to `wayfarer collect "
                "--out`"
            )
        if not is_run(path):
            raise DataError(
                f"{path} is not a run: it has no run.yaml; see `wayfarer collect --help`"
            )

        self.path = path

    def episodes(self) -> dict[int, Path]:
        """Return the closed episode files by number, in order."""
        return self._files(closed=True)

    def require(self, number: int) -> Path:
        """Return the file of a closed episode. Raises ConfigError, listing the episodes."""
        files = self.episodes()
        if number not in files:
            raise ConfigError(
                f"{self.path} has no episode {number}; it has "
                f"{', '.join(map(str, files)) or 'none'}"
            )
        return files[number]

    def torn(self) -> dict[int, Path]:
        """Return the files of episodes that were never closed, by number."""
        return self._files(closed=False)

    def missing(self, noted: Iterable[str]) -> list[str]:
        """Return the episode files that `noted` or metadata.yaml names and that do not exist,
        neither open nor closed.
        """
        there = {file.name for file in self.episodes().values()}

        # a recorder that is killed while it closes a file has noted the digest but not yet renamed
        # the file
        there |= {file.name.removesuffix(OPEN_SUFFIX) for file in self.torn().values()}
        try:
            listed = self.listed()
        except DataError:
            listed = []

        return sorted(name for name in {*noted, *listed} - there if _EPISODE.fullmatch(name))

    def listed(self) -> list[str]:
        """Return the files that metadata.yaml names. DataError if it cannot be read."""
        return metadata.listed(metadata.read(self.path))

    def next_number(self) -> int:
        """Return the number of the next episode.

        One past every number in use, torn ones included.
        """
        return max([-1, *self.episodes(), *self.torn()]) + 1

    def episode_path(self, number: int) -> Path:
        """Return where the closed file of an episode lies, or will lie."""
        return self.path / f"episode_{number:06d}.mcap"

    def description(self) -> dict[str, Any]:
        """Return run.yaml, changed or not.

        DataError if it cannot be read, or has not the form of a run.yaml.
        """
        found, _ = self.read_description()
        return found

    def check_description(self) -> None:
        """Raise DataError if run.yaml does not match its digest, or as above."""
        _, changed = self.read_description()
        if changed:
            raise DataError(changed)

    def read_description(self) -> tuple[dict[str, Any], str]:
        """Return run.yaml, and in words that it does not match its digest; "" if it does.

        DataError as above.
        """
        path = self.path / DESCRIPTION
        content, changed = digests.content_of(path)
        plain_yaml.refuse_pointer(path, content)

        try:
            found = plain_yaml.parse(content)
        except ValueError as error:
            raise DataError(f"cannot read {path}: {error}") from error

        if not isinstance(found, dict):
            raise DataError(f"{path} is not a mapping")
        if wrong := next(_misshapen(found), ""):
            raise DataError(f"cannot read {path}: {wrong}")

        return found, changed

    def _files(self, closed: bool) -> dict[int, Path]:
        found = {}
        for path in self.path.iterdir():
            match = _EPISODE.fullmatch(path.name)
            if match and (match.group(2) is None) == closed:
                found[int(match.group(1))] = path

        return dict(sorted(found.items()))


class RunWriter(RunDirectory):
    """A run that is being recorded. Its lock admits one writer at a time."""

    def __init__(self, path: Path) -> None:
        """Create the directory, or continue the run in it.

        Raises ConfigError if the directory holds something else.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)

            # open files of a recorder that was killed at once
            ours = {DESCRIPTION, DESCRIPTION + NEW_SUFFIX, _LOCK}
            if not (path / DESCRIPTION).exists() and any(
                item.name not in ours for item in path.iterdir()
            ):
                raise ConfigError(
                    f"{path} exists and is not a run: choose a new or an empty directory"
                )

            self._lock = lock(path / _LOCK)
        except OSError as error:
            raise ConfigError(f"cannot write to {path}: {error.strerror}") from error

        try:
            if not (path / DESCRIPTION).exists():
                write_atomically(path / DESCRIPTION, "{}\n")

            super().__init__(path)
            digests.settle(path, CHANGING)
            self.check_description()
            self._summaries = [summarise(file) for file in self.episodes().values()]
        except BaseException:  # the traceback would keep this frame, and the lock, alive
            self.release()
            raise

    def shift(self, now: int) -> int:
        """Return the offset [ns] that makes times of a clock at `now` follow those of the run.

        A simulator's clock starts again when the run is continued; in a bag time must not go back.
        """
        end = max((summary.end for summary in self._summaries), default=0)
        return 0 if now >= end else end + _BETWEEN_SESSIONS - now

    def describe(self, description: Mapping[str, Any]) -> None:
        """Replace run.yaml, and note its digest."""
        digests.write_noted(
            self.path / DESCRIPTION, yaml.safe_dump(dict(description), sort_keys=False)
        )

    def add(self, file: Path) -> None:
        """Add a closed episode file to metadata.yaml."""
        self.add_all([file])

    def add_all(self, files: Iterable[Path]) -> None:
        """Add closed episode files to metadata.yaml."""
        self._summaries.extend(summarise(file) for file in files)
        self.write_metadata()

    def write_metadata(self) -> None:
        """Rewrite metadata.yaml atomically, and note its digest."""
        metadata.write(self.path, self._summaries)

    def release(self) -> None:
        """Let another process write to this run."""
        self._lock.close()


def is_run(path: Path) -> bool:
    """Say whether a directory is a run.

    It is one if run.yaml exists or is noted.
    """
    if (path / DESCRIPTION).is_file():
        return True
    noted, _ = digests.read_or_say(path)
    return DESCRIPTION in noted


def finished(path: Path) -> tuple[int, int]:
    """Count a run's episodes that ended without an abort, and their steps, by their end records.

    0 if there is no run.
    """
    if not (path / "run.yaml").is_file():
        return 0, 0
    infos = [read_info(file) for file in RunDirectory(path).episodes().values()]
    steps = [info.steps for info in infos if info.end in (End.TERMINATED, End.TRUNCATED)]

    return len(steps), sum(steps)


def refuse_repeats(runs: Sequence[Path]) -> None:
    """Raise DataError if two paths lead to the same run."""
    if len({run.resolve() for run in runs}) < len(runs):
        raise DataError(f"a run is given twice: {', '.join(map(str, runs))}")


def _misshapen(description: dict[str, Any]) -> Iterator[str]:
    """Say which parts of run.yaml have not the form that its readers need."""
    sections = description.get("configuration") or {}
    sessions, parts = description.get("sessions") or [], description.get("merged_from") or []
    for name, found in (("sessions", sessions), ("merged_from", parts)):
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            yield f"its {name} are no list of mappings"
            return

    mappings = {"configuration": sections}
    if isinstance(sections, dict):
        mappings |= {f"configuration of {node!r}": of for node, of in sections.items()}

    for k, session in enumerate(sessions):
        mappings |= {
            f"{key} of session {k}": session.get(key) or {} for key in ("versions", "collector")
        }

    for name, of in mappings.items():
        if not isinstance(of, dict) or not all(isinstance(key, str) for key in of):
            yield f"its {name} is no mapping of names"


def configuration_digest(configuration: Mapping[str, Any]) -> str:
    """Return the digest that run.yaml notes as `configuration_sha256`."""
    return hashlib.sha256(yaml.safe_dump(configuration, sort_keys=True).encode()).hexdigest()


def lock(path: Path) -> TextIO:
    """Keep other recorders off a run while the file is open.

    ConfigError if one is writing to it.
    """
    file = path.open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise ConfigError(
            f"another recorder is writing to {path.parent}: one run takes one recorder"
        ) from error

    return file
