"""The frame cache: what is learned from, memory-mapped, derived from a run's bags and shared by its processes.

A folder of flat files that only grow, one row for each observation (an episode of T steps has T + 1 rows), and a
small index that is rewritten atomically after the rows are safely on disk. One process appends; others open the
same folder and `refresh`: they see complete episodes only. Nothing here is worth keeping: `synchronise` makes it anew.
"""

import os
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from wayfarer_common.errors import DataError

from wayfarer_policies.replay.cache_index import INDEX, Entry, Index, Layout, Source, read_index, write_index
from wayfarer_policies.replay.episode import End, Episode


@dataclass(frozen=True)
class Trajectory:
    """One episode as it is learned from: T steps, T + 1 frames. Actions are floats (T, 3) or choices (T,)."""

    number: int
    frames: NDArray[np.uint8]  # (T + 1, C, H, W)
    actions: NDArray[np.float32] | NDArray[np.int64]  # (T, 3) as executed, or (T,)
    ee_positions: NDArray[np.float32]  # (T + 1, 3) [m] in the base frame; zeros where there is no arm
    valid: NDArray[np.bool_]  # (T,) steps that may be trained on
    known: NDArray[np.bool_]  # (T + 1,) frames that were really seen
    end: End
    object_poses: NDArray[np.float32] | None = None  # (T + 1, 7) truth for labels, NaN where unknown; None: no truth

    @classmethod
    def of(cls, episode: Episode) -> Self:
        """Take what learning needs; a step with a number that is not finite is not valid."""
        ee_positions = episode.ee_positions.astype(np.float32)
        here = np.isfinite(ee_positions).all(axis=1)  # (T + 1,)
        known = episode.seen & here
        return cls(
            number=episode.info.number,
            frames=np.ascontiguousarray(episode.images.transpose(0, 3, 1, 2)),
            actions=np.nan_to_num(episode.actions),
            ee_positions=np.nan_to_num(ee_positions),
            valid=episode.valid & known[:-1] & known[1:] & np.isfinite(episode.actions).all(axis=1),
            known=known,
            end=episode.info.end,
            object_poses=None if episode.object_poses is None else episode.object_poses.astype(np.float32),
        )


class FrameCache:
    """Every observation of a run on disk, mapped read-only; `append` is for the one process that owns the folder."""

    def __init__(self, folder: Path) -> None:
        """Open the cache in `folder`; a folder without an index is an empty cache. DataError if it is damaged."""
        self.folder = folder
        self.layout: Layout | None = None
        self.entries: list[Entry] = []
        self.sources: list[Source] = []  # those whose episodes are all here
        self._columns: dict[str, NDArray[Any]] = {}
        self._starts: list[int] = []  # first row of each episode
        self._places: dict[int, int] = {}  # episode number -> place in `entries`
        self.refresh()

    # --- reading ---

    def refresh(self) -> bool:
        """Look for new episodes; True if there are any. Earlier views stay as they are."""
        index = read_index(self.folder / INDEX)
        layout, entries, self.sources = index.layout, list(index.entries), list(index.sources)
        if entries == self.entries:
            return False
        rows = _rows(entries)
        columns = {name: self._map(name, rows, *of) for name, of in layout.columns.items()} if layout else {}
        self.layout, self.entries, self._columns = layout, entries, columns
        self._starts = [entry.start for entry in entries]
        self._places = {entry.number: place for place, entry in enumerate(entries)}
        return True

    def _map(self, name: str, rows: int, dtype: str, shape: tuple[int, ...]) -> NDArray[Any]:
        path = self.folder / f"{name}.raw"
        needed = rows * np.dtype(dtype).itemsize * int(np.prod(shape, dtype=int))
        held = path.stat().st_size if path.exists() else -1
        if held < needed:
            raise DataError(f"frame cache {path} holds {held} bytes, its index needs {needed}: remove {self.folder}")
        return np.memmap(path, dtype=dtype, mode="r", shape=(rows, *shape)) if rows else np.empty((0, *shape), dtype)

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self.entries)

    @property
    def rows(self) -> int:
        """Number of observations."""
        return _rows(self.entries)

    def column(self, name: str) -> NDArray[Any]:
        """Return one of frames, actions, ee_positions, object_poses, valid, known: (rows, ...), read-only."""
        if name not in self._columns:
            raise DataError(f"frame cache {self.folder} has no {name!r} yet: it holds {len(self)} episodes")
        return self._columns[name]

    def locate(self, row: int) -> tuple[Entry, int]:
        """Return the episode and the step of a row."""
        entry = self.entries[bisect_right(self._starts, row) - 1]
        return entry, row - entry.start

    def row(self, episode: int, step: int) -> int:
        """Return the row of an observation; DataError if that episode is not (or no longer) there."""
        place = self._places.get(episode)
        if place is None:
            raise DataError(f"episode {episode} is not in the frame cache {self.folder} (deleted?); it has {len(self)}")
        entry = self.entries[place]
        if not 0 <= step <= entry.steps:
            raise DataError(f"episode {episode} has observations 0 to {entry.steps}, not {step}")
        return entry.start + step

    # --- writing, by one process ---

    def append(self, episode: Episode | Trajectory, source: Source | None = None, complete: bool = True) -> Entry:
        """Add one finished episode; readers see it once this has returned. Its source may have more: not `complete`."""
        trajectory = episode if isinstance(episode, Trajectory) else Trajectory.of(episode)
        layout = _layout(trajectory)
        if self.layout is not None and layout != self.layout:
            raise DataError(f"episode {trajectory.number} has rows {layout}, the frame cache {self.layout}")
        if trajectory.number in self._places:
            raise DataError(f"episode {trajectory.number} is already in the frame cache {self.folder}")
        steps = len(trajectory.actions)
        source = source or Source(f"episode {trajectory.number}", 0, 0)
        entry = Entry(trajectory.number, self.rows, steps, int(trajectory.end), source)
        self.folder.mkdir(parents=True, exist_ok=True)
        for name, (dtype, shape) in layout.columns.items():
            column = np.full((steps + 1, *shape), np.nan if name == "object_poses" else 0, dtype)
            values = getattr(trajectory, name)
            if values is not None:
                column[: len(values)] = values  # actions and valid have T rows: the last one stays 0, not valid
            _write_at(self.folder / f"{name}.raw", column, entry.start)
        done = [*self.sources, source] if complete else self.sources
        write_index(self.folder / INDEX, Index(layout, [*self.entries, entry], done))
        self.refresh()
        return entry

    def skip(self, source: Source) -> None:
        """Remember that a source has no episode to learn from."""
        write_index(self.folder / INDEX, Index(self.layout, self.entries, [*self.sources, source]))
        self.refresh()


def synchronise(
    folder: Path,
    sources: Sequence[Source],
    load: Callable[[Source], Iterable[Episode | Trajectory]],
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> FrameCache:
    """Open the cache and make it hold exactly the episodes of `sources`, in their order.

    Episodes of unchanged sources are kept; from the first difference on (or from the start if the cache is damaged),
    rows are written anew from `load(source)`, which yields the source's episodes: one, several or none. `progress`
    is told how many sources are done, and of how many.
    """
    cache = _opened(folder, sources)
    progress(len(cache.sources), len(sources))
    for source in sources[len(cache.sources) :]:
        last: Episode | Trajectory | None = None
        for episode in load(source):
            if last is not None:
                cache.append(last, source, complete=False)
            last = episode
        if last is not None:
            cache.append(last, source)
        else:
            cache.skip(source)
        progress(len(cache.sources), len(sources))
    return cache


def _opened(folder: Path, sources: Sequence[Source]) -> FrameCache:
    """Open the cache without what no longer belongs to it."""
    try:
        cache = FrameCache(folder)
    except DataError:
        (folder / INDEX).unlink()
        cache = FrameCache(folder)
    kept = list(takewhile(lambda pair: pair[0] == pair[1], zip(cache.sources, sources, strict=False)))
    done = {source for source, _ in kept}
    entries = [entry for entry in cache.entries if entry.source in done]
    if len(kept) < len(cache.sources) or len(entries) < len(cache.entries):
        layout = cache.layout if entries else None
        write_index(folder / INDEX, Index(layout, entries, [source for source, _ in kept]))
        cache = FrameCache(folder)
    return cache


def _rows(entries: Sequence[Entry]) -> int:
    return entries[-1].start + entries[-1].steps + 1 if entries else 0


def _layout(trajectory: Trajectory) -> Layout:
    frames, actions, steps = trajectory.frames, trajectory.actions, len(trajectory.actions)
    lengths = [len(frames), len(trajectory.ee_positions), len(trajectory.known), len(trajectory.valid) + 1]
    if frames.ndim != 4 or frames.dtype != np.uint8 or lengths != [steps + 1] * 4:
        raise DataError(
            f"episode {trajectory.number}: {steps} actions need {steps + 1} frames uint8 (C, H, W), positions and "
            f"marks; got frames {frames.dtype} {frames.shape}, lengths {lengths}"
        )
    action_type = "float32" if np.issubdtype(actions.dtype, np.floating) else "int64"
    return Layout(tuple(frames.shape[1:]), tuple(actions.shape[1:]), action_type)


def _write_at(path: Path, values: NDArray[Any], row: int) -> None:
    """Write rows behind the first `row`, over whatever a killed process left there, and wait for the disk."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    with os.fdopen(descriptor, "r+b") as file:
        file.seek(row * values.dtype.itemsize * int(np.prod(values.shape[1:], dtype=int)))
        file.write(np.ascontiguousarray(values).data)
        file.flush()
        os.fsync(file.fileno())
