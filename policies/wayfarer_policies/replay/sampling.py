"""Draw from the replay buffer: transitions for the learner, images for goals and novelty. Nothing is copied twice."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from wayfarer_common.errors import DataError

from wayfarer_policies.replay.episode import End, Episode
from wayfarer_policies.replay.frames import FrameCache, Trajectory


@dataclass(frozen=True)
class Batch:
    """B transitions drawn from the replay buffer, without any goal or reward."""

    states: Tensor  # (B, C, H, W) uint8
    actions: Tensor  # (B, 3) float32 as executed, or (B,) int64
    next_states: Tensor  # (B, C, H, W) uint8
    ee_positions: Tensor  # (B, 3) float32 [m]
    next_ee_positions: Tensor  # (B, 3) float32 [m]
    terminated: Tensor  # (B,) bool: the task ended here, there is no next value
    truncated: Tensor  # (B,) bool: only the time ended here; the next state has a value
    rows: Tensor  # (B,) int64 rows of `states` in the cache; `next_states` are the rows after them
    episodes: Tensor  # (B,) int64 episode numbers
    steps: Tensor  # (B,) int64 step in the episode, from 0


@dataclass(frozen=True)
class Images:
    """Stored images and where they come from."""

    frames: NDArray[np.uint8]  # (B, C, H, W)
    episodes: NDArray[np.int64]  # (B,) episode numbers
    steps: NDArray[np.int64]  # (B,) observation in the episode, 0 .. T


class Replay:
    """The replay buffer R over a frame cache. `refresh` (or `add`, in the process that owns the cache) brings news."""

    def __init__(self, cache: FrameCache) -> None:
        self.cache = cache
        self._read_marks()

    def refresh(self) -> None:
        """Take in the episodes another process has appended."""
        if self.cache.refresh():
            self._read_marks()

    def add(self, episode: Episode | Trajectory) -> None:
        """Store a finished episode."""
        self.cache.append(episode)
        self._read_marks()

    def _read_marks(self) -> None:
        """Recompute what the draws need: a few numbers per row (300,000 rows take about 20 ms)."""
        entries, rows = self.cache.entries, self.cache.rows
        starts = np.array([entry.start for entry in entries], dtype=np.int64)  # (episodes,)
        lasts = np.array([entry.start + entry.steps for entry in entries], dtype=np.int64)  # (episodes,)
        numbers = np.array([entry.number for entry in entries], dtype=np.int64)
        terminal = np.array([entry.end == End.TERMINATED for entry in entries], dtype=bool)
        place = np.repeat(np.arange(len(entries)), lasts - starts + 1)  # (rows,)
        self._start, self._last, self._number = starts[place], lasts[place], numbers[place]  # (rows,)
        self._ends_task = terminal[place]  # (rows,)
        empty = np.zeros(0, dtype=bool)
        known = np.array(self.cache.column("known")) if rows else empty  # (rows,)
        self._transitions = np.flatnonzero(self.cache.column("valid") if rows else empty)  # rows of trainable steps
        self._known = np.flatnonzero(known)  # rows of images that were seen
        self._known_before = np.concatenate([[0], np.cumsum(known)]).astype(np.int64)  # (rows + 1,)

    @property
    def episodes(self) -> int:
        """Number of finished episodes."""
        return len(self.cache)

    @property
    def transitions(self) -> int:
        """Number of steps that may be trained on."""
        return len(self._transitions)

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Draw `size` transitions uniformly, with replacement, over all valid steps."""
        rows = self._transitions[rng.integers(self._required(len(self._transitions)), size=size)]  # (B,)
        positions = self.cache.column("ee_positions")
        last = rows + 1 == self._last[rows]  # (B,)
        ends_task = self._ends_task[rows]
        return Batch(
            states=self.frames(rows),
            actions=torch.from_numpy(self.cache.column("actions")[rows]),
            next_states=self.frames(rows + 1),
            ee_positions=torch.from_numpy(positions[rows]),
            next_ee_positions=torch.from_numpy(positions[rows + 1]),
            terminated=torch.from_numpy(last & ends_task),
            truncated=torch.from_numpy(last & ~ends_task),
            rows=torch.from_numpy(rows),
            episodes=torch.from_numpy(self._number[rows]),
            steps=torch.from_numpy(rows - self._start[rows]),
        )

    def future_rows(self, rows: Tensor, rng: np.random.Generator) -> Tensor:
        """For each row draw one uniformly from itself to the end of its episode, over the images that were seen."""
        here = rows.numpy()
        first = self._known_before[here]  # (B,) place of the row itself among the known ones
        behind = self._known_before[self._last[here] + 1]  # (B,) place behind the episode's last known one
        return torch.from_numpy(self._known[rng.integers(first, behind)])  # (B,)

    def frames(self, rows: Tensor | NDArray[np.int64]) -> Tensor:
        """Return the images of these rows (B, C, H, W) uint8."""
        where = rows.numpy() if isinstance(rows, Tensor) else rows
        return torch.from_numpy(self.cache.column("frames")[where])

    def image(self, episode: int, step: int) -> NDArray[np.uint8]:
        """Return one stored image (C, H, W); DataError if its episode is gone."""
        return np.array(self.cache.column("frames")[self.cache.row(episode, step)])

    def sample_images(self, size: int, rng: np.random.Generator) -> Images:
        """Draw the next-state images of `size` random transitions, all different where there are enough: R'."""
        count = self._required(len(self._transitions))
        return self._images(self._transitions[rng.choice(count, size=min(size, count), replace=False)] + 1)

    def last_images(self, episodes: int) -> Images:
        """Return the next-state images of the last `episodes` episodes, in order."""
        entries = self.cache.entries[-episodes:]
        first = entries[0].start if entries else 0
        recent = self._transitions[np.searchsorted(self._transitions, first) :]
        self._required(len(recent))
        return self._images(recent + 1)

    def last(self, episodes: int) -> Images:
        """Return what the novelty is fitted to; the word of Algorithm 1."""
        return self.last_images(episodes)

    def _images(self, rows: NDArray[np.int64]) -> Images:
        return Images(self.cache.column("frames")[rows], self._number[rows], rows - self._start[rows])

    def _required(self, count: int) -> int:
        if count == 0:
            raise DataError(f"the replay buffer {self.cache.folder} holds no valid step: collect an episode first")
        return count
