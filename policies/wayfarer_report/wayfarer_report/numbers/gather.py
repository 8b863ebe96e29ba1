"""Reads from a run's bags, in one pass, all that a report shows.

This changes nothing in the run.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import Episode, place_of
from wayfarer_bags.files.recorded import contract_name
from wayfarer_bags.foreign import ForeignBag
from wayfarer_bags.metadata import summarise
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core import names
from wayfarer_core.cube import TRACKER, TRUTH
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_offline.pose_labels import (
    Tracker,
    TrackerOf,
    calibrated_tracker,
    tracked,
)

from wayfarer_report.numbers.records import EpisodeRecord, Frame, GoalPictures, RunRecord

OnProgress = Callable[[int, int], None]  # files read, of all
SAMPLE = 2000  # images kept of a run, evenly spread: enough for a contact sheet and for RND
GOALS = 24  # number of goals shown


def quiet(_done: int, _all: int) -> None:
    """Report no progress."""


@dataclass(frozen=True)
class _Bags:
    """A run, or a bag of another recorder, before reading."""

    counts: Mapping[str, int]  # messages by the contract's name of their topic
    episodes: Iterable[Episode]
    description: dict[str, Any]  # run.yaml
    files: dict[int, Path]  # of a run's episodes
    torn: list[Path]


def read_run(
    path: Path, on_progress: OnProgress = quiet, tracker_of: TrackerOf = calibrated_tracker
) -> RunRecord:
    """Read a whole run, or a bag of another recorder. `on_progress` gets the number of files read.

    Without a recorded cube pose the tracker of the run's camera gives it. Raises
    DataError if `path` is neither, or damaged.
    """
    bags = (
        _of_bag(ForeignBag(path))
        if ForeignBag.holds(path)
        else _of_run(RunDirectory(path), on_progress)
    )

    # one of this many observations is kept
    every = max(1, -(-bags.counts.get(names.OBSERVATION_IMAGE, 0) // SAMPLE))
    tracker, blind = (
        (None, "") if bags.counts.get(names.OBJECT_POSE) else _tracker(path, tracker_of)
    )
    records: list[EpisodeRecord] = []
    frames: list[Frame] = []
    before = 0

    for episode in bags.episodes:
        records.append(record_of(episode, tracker))
        kept = [k for k in range(-before % every, len(episode.seen), every) if episode.seen[k]]
        # RND needs images of equal size
        if not frames or frames[0].pixels.shape == episode.images.shape[1:]:
            frames += [Frame(episode.info.number, k, episode.images[k].copy()) for k in kept]
        before += len(episode.seen)

    return RunRecord(
        path=path,
        description=bags.description,
        episodes=records,
        frames=frames,
        goals=_goals(bags.files, records),
        size_bytes=sum(
            f.stat().st_size for f in (path.iterdir() if path.is_dir() else [path]) if f.is_file()
        ),
        torn=[_torn(file) for file in bags.torn],
        poses_from=TRUTH if tracker is None else TRACKER,
        blind=blind,
    )


def _of_run(run: RunDirectory, on_progress: OnProgress) -> _Bags:
    files = run.episodes()
    counts: Counter[str] = Counter()
    for file in files.values():
        counts.update(
            {
                contract_name(topic): count
                for topic, (_, _, count) in summarise(file).channels.items()
            }
        )

    return _Bags(
        counts,
        _told(files.values(), on_progress),
        run.description(),
        files,
        list(run.torn().values()),
    )


def _told(files: Collection[Path], on_progress: OnProgress) -> Iterator[Episode]:
    for done, file in enumerate(files, start=1):
        yield read_episode(file)
        on_progress(done, len(files))


def _of_bag(bag: ForeignBag) -> _Bags:
    return _Bags(bag.counts(), bag.load(bag.sources()[0]), {}, {}, [])


def _tracker(path: Path, tracker_of: TrackerOf) -> tuple[Tracker | None, str]:
    """Return the tracker, or the reason why there is none."""
    try:
        tracker = tracker_of(path)
    # a run from another machine can be read without its calibration
    except ConfigError as error:
        return None, str(error)

    return (
        tracker,
        "" if tracker is not None else "run.yaml names no camera calibration for the cube tracker",
    )


def record_of(episode: Episode, tracker: Tracker | None = None) -> EpisodeRecord:
    """Return the record of an episode; without a tracker the cube's pose is the recorded one."""
    unknown = np.full((len(episode.seen), 7), np.nan)
    poses = episode.object_poses if tracker is None else tracked(episode, tracker)
    asked, answered = episode.observed_at[:-1], episode.answered_at  # (T,)
    both = (asked > 0) & (answered >= asked)
    times = np.concatenate([episode.observed_at, answered])
    times = times[times > 0]

    return EpisodeRecord(
        info=episode.info,
        stamps=episode.stamps,
        requested=episode.requested,
        executed=episode.actions,
        reasons=episode.reasons,
        sources=episode.sources,
        valid=episode.valid,
        ee_positions=episode.ee_positions,
        object_poses=unknown if poses is None else poses,
        answer_ms=(answered - asked)[both].astype(np.float64) * 1e-6,
        wall_s=float(np.ptp(times)) * 1e-9 if len(times) else 0.0,
    )


def _goals(files: dict[int, Path], records: Sequence[EpisodeRecord]) -> list[GoalPictures]:
    """Return the pictures of at most GOALS goals, evenly spread.

    A goal whose episode is missing has none.
    """
    with_goal = [record.info for record in records if place_of(record.info.goal) is not None]
    chosen = (
        [with_goal[k] for k in np.unique(np.linspace(0, len(with_goal) - 1, GOALS).astype(int))]
        if with_goal
        else []
    )
    pictures = []

    for info in chosen:
        episode, step = place_of(info.goal) or (0, 0)
        goal = _pixels(files.get(episode), step)
        if goal is not None:
            final = _pixels(files[info.number], info.steps)
            pictures.append(GoalPictures(info.number, info.goal, info.goal_novelty, goal, final))

    return pictures


def _pixels(file: Path | None, step: int) -> NDArray[np.uint8] | None:
    if file is None:
        return None
    episode = read_episode(file)
    return episode.images[step].copy() if step < len(episode.seen) and episode.seen[step] else None


def _torn(file: Path) -> tuple[str, int]:
    try:
        return file.name, read_episode(file, with_images=False).steps
    except DataError:
        return file.name, 0
