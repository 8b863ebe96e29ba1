"""Frames in a device's memory, so that batches need not be copied there."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from wayfarer_data.cache.cache_index import Entry
from wayfarer_data.cache.frames import FrameCache

_SHARE = 0.7  # of the free memory; networks, batches and other programs need the rest
_LEAST_ROWS = 4096  # initial room, which doubles whenever it is full; rows copied at once


class ResidentFrames:
    """Follows a growing frame cache; copies only new episodes."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self._frames = self._nothing()  # (room, C, H, W)
        self._entries: list[Entry] = []  # episodes that are in it
        self._rows = 0

    def take_in(self, cache: FrameCache) -> bool:
        """Copy new episodes.

        If the device has no room for all frames, hold none from now on and return False.
        """
        if not cache.rows:
            return False

        if cache.entries[: len(self._entries)] != self._entries:
            # the cache was made anew; a gatherer of the old frames keeps them
            self._frames, self._entries, self._rows = self._nothing(), [], 0

        column: NDArray[np.uint8] = cache.column("frames")
        if len(self._frames) < cache.rows and not self._grow(cache.rows, column.shape[1:]):
            self._frames, self._entries, self._rows = self._nothing(), [], 0
            return False

        self._frames[self._rows : cache.rows].copy_(
            torch.from_numpy(np.array(column[self._rows : cache.rows]))
        )
        self._entries, self._rows = list(cache.entries), cache.rows

        return True

    def gather(self, rows: Tensor) -> Tensor:
        """Return frames (B, C, H, W) uint8 on the device."""
        return _select(self._frames, rows)

    def gatherer(self) -> Callable[[Tensor], Tensor]:
        """Return `gather` of the frames held now; later episodes do not change it."""
        return partial(_select, self._frames)

    def _nothing(self) -> Tensor:
        return torch.empty(0, dtype=torch.uint8, device=self.device)

    def _grow(self, rows: int, shape: Sequence[int]) -> bool:
        """Make room for `rows` frames and more; False if there is not enough memory."""
        room = max(_LEAST_ROWS, 2 * rows)
        if room * int(np.prod(shape)) > _SHARE * free_memory(self.device):
            return False

        grown = torch.empty((room, *shape), dtype=torch.uint8, device=self.device)
        if self._rows:
            grown[: self._rows].copy_(self._frames[: self._rows])

        self._frames = grown

        return True


def hold(
    parts: Sequence[NDArray[np.uint8]], device: torch.device
) -> Callable[[Tensor], Tensor] | None:
    """Copy the frames of finished runs, (rows, C, H, W) each, into a device's memory.

    Return how to gather frames there, by a row over all parts; None if there is no room for all.
    """
    if sum(part.nbytes for part in parts) > _SHARE * free_memory(device):
        return None

    rows = sum(len(part) for part in parts)
    frames = torch.empty((rows, *parts[0].shape[1:]), dtype=torch.uint8, device=device)
    filled = 0

    for part in parts:
        for start in range(0, len(part), _LEAST_ROWS):
            chunk = torch.from_numpy(np.array(part[start : start + _LEAST_ROWS]))
            frames[filled : filled + len(chunk)].copy_(chunk)
            filled += len(chunk)

    return partial(_select, frames)


def _select(frames: Tensor, rows: Tensor) -> Tensor:
    return frames.index_select(0, rows.to(frames.device))


def free_memory(device: torch.device) -> float:
    """Return the free bytes of a device; infinity for the host."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return float(free)

    return float("inf")
