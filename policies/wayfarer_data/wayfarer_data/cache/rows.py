"""An index of the cache's rows: a few numbers per row, from which all draws are made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.episode import End
from wayfarer_core.errors import DataError

from wayfarer_data.cache.cache_index import Entry

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Rows:
    """E episodes in R rows; an episode of T steps has T + 1 successive rows.

    Making it for 300,000 rows takes 20 ms.
    """

    starts: Ints  # (E,) first row of each episode
    lasts: Ints  # (E,) last row: the observation after the last action
    numbers: Ints  # (E,) episode number
    terminal: Bools  # (E,) the task ended it, not the time limit
    place: Ints  # (R,) episode of each row, as an index into the above
    transitions: Ints  # (N,) rows of trainable steps: r and r + 1 are s and s'
    known: Ints  # (K,) rows with an image
    known_before: Ints  # (R + 1,) number of known rows before each row
    unbroken: Ints  # (R,) number of successive trainable steps from each row on

    @classmethod
    def of(cls, entries: Sequence[Entry], valid: Bools, known: Bools) -> Self:
        """Make the index of one cache; `valid` and `known` are its columns (R,)."""
        return cls._make(
            np.array([entry.start for entry in entries], dtype=np.int64),
            np.array([entry.start + entry.steps for entry in entries], dtype=np.int64),
            np.array([entry.number for entry in entries], dtype=np.int64),
            np.array([entry.end == End.TERMINATED for entry in entries], dtype=bool),
            np.array(valid),
            np.array(known),
        )

    @classmethod
    def joined(cls, parts: Sequence["Rows"]) -> Self:
        """Concatenate the rows of several caches."""
        sizes = [len(part.place) for part in parts]
        offsets = np.cumsum([0, *sizes])[:-1].tolist()
        valid, known = (np.zeros(sum(sizes), dtype=bool) for _ in range(2))

        for part, offset in zip(parts, offsets, strict=True):
            valid[part.transitions + offset] = True
            known[part.known + offset] = True

        return cls._make(
            np.concatenate(
                [part.starts + offset for part, offset in zip(parts, offsets, strict=True)]
            ),
            np.concatenate(
                [part.lasts + offset for part, offset in zip(parts, offsets, strict=True)]
            ),
            np.concatenate([part.numbers for part in parts]),
            np.concatenate([part.terminal for part in parts]),
            valid,
            known,
        )

    @classmethod
    def _make(
        cls, starts: Ints, lasts: Ints, numbers: Ints, terminal: Bools, valid: Bools, known: Bools
    ) -> Self:
        return cls(
            starts=starts,
            lasts=lasts,
            numbers=numbers,
            terminal=terminal,
            place=np.repeat(np.arange(len(starts)), lasts - starts + 1),
            transitions=np.flatnonzero(valid),
            known=np.flatnonzero(known),
            known_before=np.concatenate([[0], np.cumsum(known)]).astype(np.int64),
            unbroken=_unbroken(valid),
        )

    def episodes(self, rows: Ints) -> Ints:
        """Return the episode number of each row (B,)."""
        return self.numbers[self.place[rows]]

    def steps(self, rows: Ints) -> Ints:
        """Return the step of each row in its episode (B,), from 0."""
        return rows - self.starts[self.place[rows]]

    def ends(self, rows: Ints) -> tuple[Bools, Bools]:
        """Say for each step whether the task ended with it, and whether only the time limit did.

        Both are (B,).
        """
        place = self.place[rows]
        last, terminal = rows + 1 == self.lasts[place], self.terminal[place]
        return last & terminal, last & ~terminal

    def draw(self, size: int, rng: np.random.Generator) -> Ints:
        """Draw rows of trainable steps (size,) uniformly, with replacement.

        DataError if there is none.
        """
        if not len(self.transitions):
            raise DataError("there is no valid step to draw from: collect an episode first")
        return self.transitions[rng.integers(len(self.transitions), size=size)]

    def future(self, rows: Ints, rng: np.random.Generator) -> Ints:
        """For each row draw a row with an image, uniformly from the row itself to the end of its
        episode.
        """
        first, behind = self._future_places(rows)
        return self.known[rng.integers(first, behind)]

    def near_future(self, rows: Ints, mean: float, rng: np.random.Generator) -> Ints:
        """For each row draw a later row with an image, at a geometrically distributed distance.

        `mean` is the distribution's mean, in images. A draw beyond the episode's end gives its last
        image.
        """
        first, behind = self._future_places(rows)
        # (B,)
        places: Ints = np.minimum(first + rng.geometric(1.0 / mean, size=len(rows)), behind - 1)
        rows_of_goals: Ints = self.known[places]
        return rows_of_goals

    def run_length(self, rows: Ints, most: int) -> Ints:
        """Return the number of successive trainable steps from each row on (B,), at most
        `most`.
        """
        length: Ints = np.minimum(self.unbroken[rows], most)
        return length

    def _future_places(self, rows: Ints) -> tuple[Ints, Ints]:
        """Return, as indices into `known`, the first at or after each row and the one after its
        episode's last: (B,).
        """
        return self.known_before[rows], self.known_before[self.lasts[self.place[rows]] + 1]


def _unbroken(valid: Bools) -> Ints:
    """Count the successive valid rows from each row on.

    An episode's last row is never valid.
    """
    ends = np.flatnonzero(~valid)  # rows that are not valid
    # (R,) index of the first of these at or after each row
    following = np.searchsorted(ends, np.arange(len(valid)))
    counts: Ints = np.append(ends, len(valid))[following] - np.arange(len(valid))
    return counts
