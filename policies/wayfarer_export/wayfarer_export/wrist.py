"""Reads the hand camera's images from the bags: the frame cache holds only the policy's."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import Episode
from wayfarer_bags.files.recorded import contract_name
from wayfarer_bags.foreign import ForeignBag
from wayfarer_bags.metadata import summarise
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core import names
from wayfarer_core.errors import DataError

Images = NDArray[np.uint8]  # (T + 1, H, W, 3)


class _Recording(Protocol):
    recorded: set[int]  # numbers of the episodes with such images

    def read(self, number: int) -> Episode:
        """Read an episode."""


class WristImages:
    """Those of some recordings; meant to be asked for one episode after the other."""

    def __init__(self, recordings: Sequence[Path]) -> None:
        """Find the episodes with such images; DataError for a damaged file."""
        self._recordings: list[_Recording] = [
            _Bag(path) if ForeignBag.holds(path) else _Run(path) for path in recordings
        ]
        self._last: tuple[tuple[int, int], Images] | None = None  # recording and number

    def holds(self, recording: int, number: int) -> bool:
        """Say whether an episode has them: then before and after each of its valid steps."""
        return number in self._recordings[recording].recorded

    def of(self, recording: int, number: int) -> Images:
        """Return an episode's, zeros where one is missing. DataError if it has none."""
        place = recording, number
        if self._last is None or self._last[0] != place:
            images = self._recordings[recording].read(number).wrist_images
            if images is None:
                raise DataError(f"episode {number} has no images of the wrist")
            self._last = place, images

        return self._last[1]


class _Run:
    """A run: each file is one episode."""

    def __init__(self, path: Path) -> None:
        self._files = RunDirectory(path).episodes()
        self.recorded = {n for n, file in self._files.items() if _holds_any(file)}

    def read(self, number: int) -> Episode:
        return read_episode(self._files[number])


class _Bag:
    """A bag of another recorder, which must be read in its own order."""

    def __init__(self, path: Path) -> None:
        self._bag = ForeignBag(path)
        self._rest: Iterator[Episode] = iter(())
        there = self._bag.counts().get(names.WRIST_OBSERVATION, 0) > 0
        self.recorded = (
            {e.info.number for e in self._all() if e.wrist_seen is not None} if there else set()
        )

    def read(self, number: int) -> Episode:
        for episodes in (self._rest, self._all()):
            self._rest = episodes
            for episode in episodes:
                if episode.info.number == number:
                    return episode

        raise DataError(f"{self._bag.path} has no episode {number}")

    def _all(self) -> Iterator[Episode]:
        return self._bag.load(self._bag.sources()[0])


def _holds_any(file: Path) -> bool:
    return any(
        count and contract_name(topic) == names.WRIST_OBSERVATION
        for topic, (_, _, count) in summarise(file).channels.items()
    )
