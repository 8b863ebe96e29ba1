"""The replay buffer of a run: its bags, and the frame cache that learner and novelty share."""

import fcntl
from collections.abc import Iterator, Sequence
from pathlib import Path

from wayfarer_common.errors import DataError

from wayfarer_policies.replay.bag import read_episode, read_info
from wayfarer_policies.replay.frames import Source, Trajectory, synchronise
from wayfarer_policies.replay.run_directory import RunDirectory
from wayfarer_policies.replay.sampling import Replay


class RunBuffer:
    """Opens a run's replay buffer. Whoever comes first brings the cache up to date; the others wait for it."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._empty: dict[Source, bool] = {}

    def open(self) -> Replay:
        """Return the buffer with every closed episode in it that holds a step. DataError where there is no run yet."""
        directory = RunDirectory(self._run)
        folder = self._run / "cache"
        try:
            folder.mkdir(exist_ok=True)
            with (folder / "lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                return Replay(synchronise(folder, self._sources(directory), self._load))
        except OSError as error:
            raise DataError(f"frame cache {folder}: {error.strerror}") from error

    def _sources(self, directory: RunDirectory) -> list[Source]:
        return [source for path in directory.episodes().values() if self._holds_steps(source := Source.of(path))]

    def _holds_steps(self, source: Source) -> bool:
        if source not in self._empty:
            self._empty[source] = read_info(self._run / source.name).steps == 0
        return not self._empty[source]

    def _load(self, missing: Sequence[Source]) -> Iterator[Trajectory]:
        return (Trajectory.of(read_episode(self._run / source.name)) for source in missing)
