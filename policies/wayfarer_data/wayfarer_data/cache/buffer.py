"""The frame cache of a recording: where it lies, and how it is updated.

Learner and novelty share the cache of a run.
"""

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import torch
from wayfarer_bags import digests
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import Episode
from wayfarer_bags.files.recorded import Source
from wayfarer_bags.foreign import ForeignBag
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.errors import DataError
from wayfarer_core.fault import DISCARDED

from wayfarer_data.cache.cache_index import Entry
from wayfarer_data.cache.frames import FrameCache, synchronise
from wayfarer_data.cache.resident import ResidentFrames
from wayfarer_data.cache.sampling import Replay

FORMAT = 1  # version of run.yaml
Progress = Callable[[int, int], None]  # files done, files in all


class EpisodeSources(Protocol):
    """Bag files and the episodes in them."""

    def sources(self) -> list[Source]:
        """Return the files as they are now, without reading them."""

    def load(self, source: Source) -> Iterable[Episode]:
        """Read the episodes of a file that have at least one step with images.

        DataError if it is damaged.
        """


class _Run:
    """A run: every closed file is one episode."""

    def __init__(self, path: Path) -> None:
        self._directory = RunDirectory(path)
        self._noted: dict[str, str] | None = None
        description, changed = self._directory.read_description()
        form = description.get("format", FORMAT)
        if form != FORMAT:
            raise DataError(
                f"{path / 'run.yaml'} is of format {form!r}, this Wayfarer reads {FORMAT}"
            )
        if changed:
            raise DataError(changed)

    def sources(self) -> list[Source]:
        return [Source.of(path) for path in self._directory.episodes().values()]

    def load(self, source: Source) -> Iterable[Episode]:
        path = self._directory.path / source.name
        if self._noted is None:  # a file's digest is noted before the file gets its name
            self._noted = digests.read(self._directory.path)

        digests.check(path, self._noted.get(path.name))
        episode = read_episode(path)

        return [episode] if episode.steps and episode.seen.any() else []


def recording(path: Path) -> EpisodeSources:
    """Return the run in the directory `path`, or a rosbag2 bag of another recorder.

    DataError if there is none.
    """
    return ForeignBag(path) if ForeignBag.holds(path) else _Run(path)


class RunBuffer:
    """Opens a run's replay buffer.

    The first process to open it updates the cache; the others wait.
    """

    def __init__(self, run: Path, device: str = "cpu") -> None:
        """With another device than the CPU, hold the frames in its memory as long as there is
        room.
        """
        self._run = run
        self._resident = None if device == "cpu" else ResidentFrames(torch.device(device))
        # episodes of the cache whose checksums this process has verified
        self._checked: set[tuple[str, Entry]] = set()

    def open(self, progress: Progress = lambda _done, _all: None) -> Replay:
        """Return the buffer with every closed episode that has a step.

        DataError if there is no run yet.
        """
        cache = self.cache(progress)
        held = self._resident is not None and self._resident.take_in(cache)
        return Replay(cache, self._resident if held else None)

    def cache(self, progress: Progress = lambda _done, _all: None) -> FrameCache:
        """Return the cache, up to date."""
        bags = recording(self._run)
        folder = cache_folder(self._run)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                return synchronise(
                    folder, bags.sources(), lambda of: _kept(bags.load(of)), progress, self._checked
                )
        except OSError as error:
            raise DataError(f"frame cache {folder}: {error.strerror}") from error


def _kept(episodes: Iterable[Episode]) -> Iterable[Episode]:
    """Leave out episodes that a person has discarded: their files stay, but nothing learns from
    them.
    """
    return (episode for episode in episodes if episode.info.reason != DISCARDED)


def cache_folder(run: Path) -> Path:
    """Return where a run's cache lies.

    Inside the run, or in the user's cache folder if the run is read-only.
    """
    if run.is_dir() and os.access(run, os.W_OK):
        return run / "cache"
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "wayfarer" / hashlib.sha256(str(run.resolve()).encode()).hexdigest()[:16]
