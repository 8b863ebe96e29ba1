"""Steps of a run that a person chose."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.episode import ActionSource

_TOLD = 6  # stretches listed in words


@dataclass(frozen=True)
class Stretch:
    """Successive steps of one episode that a person chose."""

    episode: int
    first: int
    last: int


@dataclass(frozen=True)
class Hands:
    """All steps of a run that people chose."""

    steps: int
    stretches: list[Stretch]

    @classmethod
    def of(cls, episodes: Iterable[tuple[int, NDArray[np.uint8]]]) -> "Hands":
        """Find them in the sources (T,) of each episode; episodes are (number, sources)."""
        found: list[Stretch] = []
        for number, sources in episodes:
            by_hand = np.concatenate([[False], sources == ActionSource.HUMAN, [False]])
            # changes alternate between start and end of a stretch
            edges = np.flatnonzero(np.diff(by_hand)).tolist()
            found += [
                Stretch(number, a, b - 1) for k, (a, b) in enumerate(pairwise(edges)) if k % 2 == 0
            ]

        return cls(sum(of.last - of.first + 1 for of in found), found)

    def in_words(self, steps: int) -> str:
        """Describe them; `steps` is the number of all steps."""
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
