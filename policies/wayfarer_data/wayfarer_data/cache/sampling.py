"""Draws from the replay buffer: transitions for the learner, images for goals and novelty.

No image is copied twice.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from wayfarer_bags.episode import Episode
from wayfarer_core.errors import DataError

from wayfarer_data.cache.frames import FrameCache, Trajectory
from wayfarer_data.cache.resident import ResidentFrames
from wayfarer_data.cache.rows import Rows


@dataclass(frozen=True)
class Batch:
    """B transitions of the replay buffer, without goal or reward.

    Images are read at the first use.
    """

    frames: Callable[[Tensor], Tensor]  # rows (B,) -> images (B, C, H, W) uint8
    actions: Tensor  # (B, 3) float32 as executed, or (B,) int64
    ee_positions: Tensor  # (B, 3) float32 [m]
    next_ee_positions: Tensor  # (B, 3) float32 [m]
    terminated: Tensor  # (B,) bool: the task ended here; there is no next value
    truncated: Tensor  # (B,) bool: only the time limit ended here; the next state has a value
    rows: Tensor  # (B,) int64 rows of `states` in the cache; `next_states` are the rows after them
    episodes: Tensor  # (B,) int64 episode numbers
    steps: Tensor  # (B,) int64 step in the episode, from 0

    @cached_property
    def states(self) -> Tensor:
        """Images (B, C, H, W) uint8."""
        return self.frames(self.rows)

    @cached_property
    def next_states(self) -> Tensor:
        """The images after the actions (B, C, H, W) uint8."""
        return self.frames(self.rows + 1)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle the images, not the store, for another process."""
        return {
            **self.__dict__,
            "states": self.states,
            "next_states": self.next_states,
            "frames": None,
        }


@dataclass(frozen=True)
class Images:
    """Stored images and where they come from."""

    frames: NDArray[np.uint8]  # (B, C, H, W)
    episodes: NDArray[np.int64]  # (B,) episode numbers
    steps: NDArray[np.int64]  # (B,) observation in the episode, 0 .. T
    ee_positions: NDArray[np.float32]  # (B, 3) [m], base frame


class FrameStore(ABC):
    """Stored episodes to draw from.

    The growing buffer of one run (Replay), or several finished runs (Dataset).
    """

    index: Rows

    @abstractmethod
    def column(self, name: str) -> NDArray[Any]:
        """Return one of actions, ee_positions, object_poses, stamps: (rows, ...)."""

    @abstractmethod
    def frames(self, rows: Tensor | NDArray[np.int64]) -> Tensor:
        """Return the images of these rows (B, C, H, W) uint8."""

    def gatherer(self) -> Callable[[Tensor], Tensor]:
        """Return `frames` of the present episodes; later changes of the store do not matter."""
        return self.frames

    def sample(self, size: int, rng: np.random.Generator) -> Batch:
        """Draw `size` transitions uniformly, with replacement, over all valid steps."""
        return self.batch(self.index.draw(size, rng))

    def batch(self, rows: NDArray[np.int64]) -> Batch:
        """Return the transitions that begin at these rows (B,)."""
        positions = self.column("ee_positions")
        terminated, truncated = self.index.ends(rows)

        return Batch(
            frames=self.gatherer(),
            actions=torch.from_numpy(self.column("actions")[rows]),
            ee_positions=torch.from_numpy(positions[rows]),
            next_ee_positions=torch.from_numpy(positions[rows + 1]),
            terminated=torch.from_numpy(terminated),
            truncated=torch.from_numpy(truncated),
            rows=torch.from_numpy(rows),
            episodes=torch.from_numpy(self.index.episodes(rows)),
            steps=torch.from_numpy(self.index.steps(rows)),
        )

    def pairs(
        self, rows: NDArray[np.int64], goals: NDArray[np.int64], later: NDArray[np.int64]
    ) -> tuple[Tensor, Tensor]:
        """Return (s, g) and (s', g) for `rows`, `goals` and `later`, which is mostly `rows + 1`.

        On the channel axis the goal's image follows the other.

        Both are (B, 2C, H, W) and halves of one gathering in its final order: nothing is copied
        twice, s' follows s on the disk, and the goal is still in the processor's cache when it
        is copied again.
        """
        order = np.stack([rows, goals, later, goals], axis=1)  # (B, 4)
        images = self.frames(order.reshape(-1))  # (4B, C, H, W)
        both = images.view(len(rows), 2, -1, *images.shape[2:])  # (B, 2, 2C, H, W)
        return both[:, 0], both[:, 1]


class Replay(FrameStore):
    """The replay buffer R over a frame cache.

    `refresh` finds new episodes; in the process that owns the cache, `add` stores them.
    """

    def __init__(self, cache: FrameCache, resident: ResidentFrames | None = None) -> None:
        """`resident` holds the cache's frames on a device.

        Without it they are read from the cache on disk.
        """
        self.cache, self._resident = cache, resident
        self._read_marks()

    def refresh(self) -> None:
        """Find the episodes that another process has appended."""
        if self.cache.refresh():
            self._read_marks()

    def add(self, episode: Episode | Trajectory) -> None:
        """Store a finished episode."""
        self.cache.append(episode)
        self._read_marks()

    def _read_marks(self) -> None:
        empty = np.zeros(0, dtype=bool)
        valid, known = (
            self.cache.column(name) if self.cache.rows else empty for name in ("valid", "known")
        )
        self.index = Rows.of(self.cache.entries, valid, known)

    @property
    def episodes(self) -> int:
        """Number of finished episodes."""
        return len(self.cache)

    @property
    def transitions(self) -> int:
        """Number of steps that may be trained on."""
        return len(self.index.transitions)

    def column(self, name: str) -> NDArray[Any]:
        """Return a column of the cache (rows, ...)."""
        return self.cache.column(name)

    def frames(self, rows: Tensor | NDArray[np.int64]) -> Tensor:
        """Return the images of these rows (B, C, H, W) uint8, on the device that holds them."""
        return self.gatherer()(torch.as_tensor(rows))

    def gatherer(self) -> Callable[[Tensor], Tensor]:
        """Return `frames` of the cache's present generation.

        So a batch keeps its images when the cache is made anew.
        """
        if self._resident is not None:
            return self._resident.gatherer()
        return partial(_gather, self.cache.column("frames"))

    def sample_images(self, size: int, rng: np.random.Generator) -> Images:
        """Draw R': the next-state images of `size` random transitions, all different if there are
        enough.
        """
        count = self._required(self.transitions)
        return self._images(
            self.index.transitions[rng.choice(count, size=min(size, count), replace=False)] + 1
        )

    def last_images(self, episodes: int) -> Images:
        """Return the next-state images of the last `episodes` episodes, in order."""
        entries = self.cache.entries[-episodes:]
        first = entries[0].start if entries else 0
        recent = self.index.transitions[np.searchsorted(self.index.transitions, first) :]
        self._required(len(recent))

        return self._images(recent + 1)

    def images_after(self, number: int) -> Images:
        """Return the next-state images of all episodes with a higher number, in order.

        There may be none.
        """
        rows = self.index.transitions
        return self._images(rows[self.index.episodes(rows) > number] + 1)

    def last(self, episodes: int) -> Images:
        """Return the images that the novelty is fitted to; the name is Algorithm 1's."""
        return self.last_images(episodes)

    def _images(self, rows: NDArray[np.int64]) -> Images:
        return Images(
            frames=self.cache.column("frames")[rows],
            episodes=self.index.episodes(rows),
            steps=self.index.steps(rows),
            ee_positions=self.cache.column("ee_positions")[rows],
        )

    def _required(self, count: int) -> int:
        if count == 0:
            raise DataError(
                f"the replay buffer {self.cache.folder} holds no valid step: collect an episode "
                "first"
            )

        return count


def _gather(frames: NDArray[np.uint8], rows: Tensor) -> Tensor:
    return torch.from_numpy(np.take(np.asarray(frames), rows.numpy(), axis=0))
