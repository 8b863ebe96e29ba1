"""The frame cache: observations for learning, memory-mapped, shared by a run's processes.

It is a folder of flat files that only grow, one row per observation (an episode of T steps has
T + 1 rows), and a small index that is rewritten atomically after the rows are safely on disk. One
process appends. Others open the same folder and `refresh`: they see only complete episodes.

Written rows are never overwritten. If an episode is gone or has changed, a new generation of files
is made, and a process that has the old files open keeps them. Each episode's checksum is verified
before its first use. The cache need not be kept: `synchronise` makes it anew from the bags.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.episode import End, Episode
from wayfarer_bags.files.recorded import Source
from wayfarer_core.errors import DataError

from wayfarer_data.cache.cache_files import (
    checksum_of,
    copy_to,
    file_of,
    fresh_generation,
    mapped,
    write_at,
)
from wayfarer_data.cache.cache_index import INDEX, Entry, Index, Layout, read_index, write_index
from wayfarer_data.cache.layout import channels_first

# columns with NaN
_MAY_BE_UNKNOWN = (
    "object_poses",
    "ee_orientations",
    "joint_positions",
    "joint_velocities",
    "gripper_widths",
)


@dataclass(frozen=True)
class Trajectory:
    """One episode for learning: T steps, T + 1 frames.

    Actions are floats (T, A) or choices (T,).
    """

    number: int
    frames: NDArray[np.uint8]  # (T + 1, C, H, W)
    actions: NDArray[np.float32] | NDArray[np.int64]  # (T, A) as executed, or (T,)
    # (T + 1, 3) [m] in the base frame; zeros in a world without an arm
    ee_positions: NDArray[np.float32]
    valid: NDArray[np.bool_]  # (T,) steps that may be trained on
    known: NDArray[np.bool_]  # (T + 1,) frames that were recorded
    end: End
    # (T + 1, 7) truth for labels, NaN where unknown; None: no truth
    object_poses: NDArray[np.float32] | None = None
    # (T + 1,) [ns] time of the observation, 0 where unknown; None: all unknown
    stamps: NDArray[np.int64] | None = None
    # (T + 1, 4) quaternion xyzw, base frame, NaN where unknown
    ee_orientations: NDArray[np.float32] | None = None
    joint_positions: NDArray[np.float32] | None = None  # (T + 1, 7) [rad], NaN where unknown
    joint_velocities: NDArray[np.float32] | None = None  # (T + 1, 7) [rad/s], NaN where unknown
    gripper_widths: NDArray[np.float32] | None = None  # (T + 1, 1) [m], NaN where unknown
    # (T,) who chose the action: ActionSource; None: the policy chose all
    sources: NDArray[np.uint8] | None = None

    @classmethod
    def of(cls, episode: Episode) -> Self:
        """Take an episode's columns for learning; a step with a non-finite number is not valid."""
        ee_positions = episode.ee_positions.astype(np.float32)
        here = np.isfinite(ee_positions).all(axis=1)  # (T + 1,)
        known = episode.seen & here

        return cls(
            number=episode.info.number,
            frames=channels_first(episode.images),
            actions=np.nan_to_num(episode.actions),
            ee_positions=np.nan_to_num(ee_positions),
            valid=episode.valid & known[:-1] & known[1:] & np.isfinite(episode.actions).all(axis=1),
            known=known,
            end=episode.info.end,
            object_poses=_float32(episode.object_poses),
            stamps=episode.stamps,
            ee_orientations=_float32(episode.ee_orientations),
            joint_positions=_float32(episode.joint_positions),
            joint_velocities=_float32(episode.joint_velocities),
            gripper_widths=_float32(episode.gripper_widths),
            sources=episode.sources,
        )


class FrameCache:
    """Every observation of a run on disk, mapped read-only.

    Only the process that owns the folder may call `append`.
    """

    def __init__(self, folder: Path, checked: set[tuple[str, Entry]] | None = None) -> None:
        """Open the cache in `folder`; a folder without an index is an empty cache.

        DataError if it is damaged.

        `checked` holds the episodes of generations whose checksums this process has already
        verified; newly verified ones are added.
        """
        self.folder = folder
        self.generation = ""
        self.layout: Layout | None = None
        self.entries: list[Entry] = []
        self.sources: list[Source] = []  # whose episodes are all in the cache
        self._checked = set() if checked is None else checked
        self._columns: dict[str, NDArray[Any]] = {}
        self._places: dict[int, int] = {}  # episode number -> place in `entries`
        self.refresh()

    # --- reading ---

    def refresh(self) -> bool:
        """Look for new episodes; return True if there are any.

        Views returned before do not change. DataError if the cache is damaged.
        """
        index, columns = self._read()
        news = (index.generation, list(index.entries)) != (self.generation, self.entries)
        self.generation, self.layout, self.sources = (
            index.generation,
            index.layout,
            list(index.sources),
        )

        if news:
            self.entries, self._columns = list(index.entries), columns
            self._places = {entry.number: place for place, entry in enumerate(self.entries)}

        return news

    def _read(self) -> tuple[Index, dict[str, NDArray[Any]]]:
        """Return the index and its columns, both of one generation."""
        while True:
            index = read_index(self.folder / INDEX)
            if (index.generation, list(index.entries)) == (self.generation, self.entries):
                return index, self._columns

            try:
                columns = self._map_all(index)
            except FileNotFoundError as error:
                if read_index(self.folder / INDEX).generation == index.generation:
                    raise DataError(
                        f"frame cache {error.filename} is gone: remove {self.folder}"
                    ) from error

                # another process has meanwhile made a new generation and deleted this one
                continue

            self._check(index, columns)

            return index, columns

    def _map_all(self, index: Index) -> dict[str, NDArray[Any]]:
        rows = _rows(index.entries)
        layout = index.layout.columns if index.layout else {}

        return {
            name: mapped(file_of(self.folder, name, index.generation), rows, *of)
            for name, of in layout.items()
        }

    def _check(self, index: Index, columns: dict[str, NDArray[Any]]) -> None:
        """Compare each episode that is new to this process with its checksum.

        DataError if they differ.
        """
        for entry in index.entries:
            key = index.generation, entry
            if key in self._checked:
                continue

            behind = entry.start + entry.steps + 1
            if (
                checksum_of(column[entry.start : behind] for column in columns.values())
                != entry.checksum
            ):
                raise DataError(
                    f"frame cache {self.folder} holds another episode {entry.number} than was "
                    "written: remove it"
                )

            self._checked.add(key)

    def __len__(self) -> int:
        """Return the number of episodes."""
        return len(self.entries)

    @property
    def rows(self) -> int:
        """Number of observations."""
        return _rows(self.entries)

    def file(self, name: str) -> Path:
        """Return the path of a column's file in this generation."""
        return file_of(self.folder, name, self.generation)

    def column(self, name: str) -> NDArray[Any]:
        """Return a column, for example frames or actions: (rows, ...), read-only."""
        if name not in self._columns:
            raise DataError(
                f"frame cache {self.folder} has no {name!r} yet: it holds {len(self)} episodes"
            )

        return self._columns[name]

    def row(self, episode: int, step: int) -> int:
        """Return the row of an observation.

        DataError if the cache does not (or no longer) hold that episode.
        """
        place = self._places.get(episode)
        if place is None:
            raise DataError(
                f"episode {episode} is not in the frame cache {self.folder} (deleted?); it has "
                f"{len(self)}"
            )

        entry = self.entries[place]
        if not 0 <= step <= entry.steps:
            raise DataError(f"episode {episode} has observations 0 to {entry.steps}, not {step}")

        return entry.start + step

    # --- writing, by one process ---

    def append(
        self, episode: Episode | Trajectory, source: Source | None = None, complete: bool = True
    ) -> Entry:
        """Add one finished episode; readers see it when this returns.

        `complete` is false if its source has more episodes.
        """
        trajectory = episode if isinstance(episode, Trajectory) else Trajectory.of(episode)
        layout = _layout(trajectory)
        if self.layout is not None and layout != self.layout:
            raise DataError(
                f"episode {trajectory.number} has rows {layout}, the frame cache {self.layout}"
            )
        if trajectory.number in self._places:
            raise DataError(
                f"episode {trajectory.number} is already in the frame cache {self.folder}"
            )

        columns = _columns(trajectory, layout)
        source = source or Source(f"episode {trajectory.number}", 0, 0)
        about = trajectory.number, self.rows, len(trajectory.actions), int(trajectory.end), source
        entry = Entry(*about, checksum=checksum_of(columns.values()))
        generation = self.generation or fresh_generation()
        self.folder.mkdir(parents=True, exist_ok=True)

        for name, column in columns.items():
            write_at(file_of(self.folder, name, generation), column, entry.start)

        self._checked.add((generation, entry))  # written here, so it need not be verified
        done = [*self.sources, source] if complete else self.sources
        write_index(self.folder / INDEX, Index(generation, layout, [*self.entries, entry], done))
        self.refresh()

        return entry

    def skip(self, source: Source) -> None:
        """Note that a source has no episode to learn from."""
        generation = self.generation or fresh_generation()
        write_index(
            self.folder / INDEX,
            Index(generation, self.layout, self.entries, [*self.sources, source]),
        )
        self.refresh()

    def begin_anew(self, entries: Sequence[Entry], sources: Sequence[Source]) -> None:
        """Start a new generation of files with the first episodes of this one, and delete all
        other files.
        """
        generation, kept = fresh_generation(), self.entries[: len(entries)]
        for name in self._columns if kept else ():
            column = self.column(name)[: _rows(kept)].reshape(-1).view(np.uint8)
            copy_to(column, file_of(self.folder, name, generation))

        self._checked |= {(generation, entry) for entry in kept}
        write_index(
            self.folder / INDEX, Index(generation, self.layout if kept else None, kept, sources)
        )
        for file in self.folder.glob("*.raw"):
            if not file.stem.endswith(generation):
                file.unlink(missing_ok=True)

        self.refresh()


def synchronise(
    folder: Path,
    sources: Sequence[Source],
    load: Callable[[Source], Iterable[Episode | Trajectory]],
    progress: Callable[[int, int], None] = lambda _done, _all: None,
    checked: set[tuple[str, Entry]] | None = None,
) -> FrameCache:
    """Open the cache and make it hold exactly the episodes of `sources`, in their order.

    Episodes of unchanged sources are kept. From the first difference on (from the start if the
    cache is damaged) rows are written anew, into new files. `load(source)` yields a
    source's episodes: one, several or none. `progress` gets the number of sources done and of
    all. `checked` is FrameCache's.
    """
    cache = _opened(folder, sources, checked)
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


def _opened(
    folder: Path, sources: Sequence[Source], checked: set[tuple[str, Entry]] | None
) -> FrameCache:
    """Open the cache without episodes that no longer belong to it."""
    try:
        cache = FrameCache(folder, checked)
    except DataError:
        write_index(folder / INDEX, Index("", None, [], []))
        cache = FrameCache(folder, checked)
        cache.begin_anew([], [])

    kept = list(
        takewhile(lambda pair: pair[0] == pair[1], zip(cache.sources, sources, strict=False))
    )
    done = {source for source, _ in kept}
    entries = [entry for entry in cache.entries if entry.source in done]

    if len(kept) < len(cache.sources) or len(entries) < len(cache.entries):
        cache.begin_anew(entries, [source for source, _ in kept])

    return cache


def _float32(values: NDArray[np.float64] | None) -> NDArray[np.float32] | None:
    return None if values is None else values.astype(np.float32)


def _rows(entries: Sequence[Entry]) -> int:
    return entries[-1].start + entries[-1].steps + 1 if entries else 0


def _layout(trajectory: Trajectory) -> Layout:
    frames, actions, steps = trajectory.frames, trajectory.actions, len(trajectory.actions)
    lengths = [
        len(frames),
        len(trajectory.ee_positions),
        len(trajectory.known),
        len(trajectory.valid) + 1,
    ]
    if frames.ndim != 4 or frames.dtype != np.uint8 or lengths != [steps + 1] * 4:
        raise DataError(
            f"episode {trajectory.number}: {steps} actions need {steps + 1} frames uint8 (C, H, "
            f"W), positions and marks; got frames {frames.dtype} {frames.shape}, lengths {lengths}"
        )

    action_type = "float32" if np.issubdtype(actions.dtype, np.floating) else "int64"

    return Layout(tuple(frames.shape[1:]), tuple(actions.shape[1:]), action_type)


def _columns(trajectory: Trajectory, layout: Layout) -> dict[str, NDArray[Any]]:
    """Return an episode's rows in each file, (T + 1, ...)."""
    steps, found = len(trajectory.actions), {}
    for name, (dtype, shape) in layout.columns.items():
        column = np.full((steps + 1, *shape), np.nan if name in _MAY_BE_UNKNOWN else 0, dtype)
        values = getattr(trajectory, name)
        if values is not None:
            # actions, sources and valid have T rows: the last one stays 0, not valid
            column[: len(values)] = values

        found[name] = column

    return found
