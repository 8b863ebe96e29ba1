"""Where a person acted, and how much of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.episode import ActionSource

_TOLD = 6  # stretches named in words


@dataclass(frozen=True)
class Stretch:
    """Steps of one episode that a person chose, one behind the other."""

    episode: int
    first: int
    last: int


@dataclass(frozen=True)
class Hands:
    """What people did in a run."""

    steps: int
    stretches: list[Stretch]

    @classmethod
    def of(cls, episodes: Iterable[tuple[int, NDArray[np.uint8]]]) -> "Hands":
        """Look at the sources (T,) of each episode, which comes with its number."""
        found: list[Stretch] = []
        for number, sources in episodes:
            by_hand = np.concatenate([[False], sources == ActionSource.HUMAN, [False]])
            # a stretch begins, and ends, by turns
            edges = np.flatnonzero(np.diff(by_hand)).tolist()
            found += [
                Stretch(number, a, b - 1) for k, (a, b) in enumerate(pairwise(edges)) if k % 2 == 0
            ]

        return cls(sum(of.last - of.first + 1 for of in found), found)

    def in_words(self, steps: int) -> str:
        """Say it, of so many steps in all."""
        if not self.stretches:
            return "none"

        places = ", ".join(f"{of.episode}/{of.first} to {of.last}" for of in self.stretches[:_TOLD])
        more = (
            f" and {len(self.stretches) - _TOLD} stretches more"
            if len(self.stretches) > _TOLD
            else ""
        )

        return (
            f"{self.steps} of {steps} ({100 * self.steps / max(steps, 1):.1f} %): episode/steps "
            f"{places}{more}"
        )
