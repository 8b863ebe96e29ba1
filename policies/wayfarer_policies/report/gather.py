"""Everything a report shows of one run, read from its bags in one go. Opening a run changes nothing in it."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from wayfarer_common import names
from wayfarer_common.errors import DataError

from wayfarer_policies.replay.bag import messages, read_episode
from wayfarer_policies.replay.episode import Episode
from wayfarer_policies.replay.message_types import base_types
from wayfarer_policies.replay.run_directory import FileSummary, RunDirectory, summarise
from wayfarer_policies.report.records import EpisodeRecord, Frame, GoalPictures, RunRecord
from wayfarer_policies.report.statistics import known_poses

SAMPLE = 2000  # images kept of a run, evenly spread over it: enough for a contact sheet and for RND
GOALS = 24  # goals shown


def read_run(path: Path, tell: Callable[[int, int], None] = lambda _done, _all: None) -> RunRecord:
    """Read a run whole. Raises DataError where it is none, or an episode is damaged. `tell` hears of files read."""
    run = RunDirectory(path)
    files = run.episodes()
    summaries = [summarise(file) for file in files.values()]
    total = sum(_images_in(summary) for summary in summaries)
    every = max(1, -(-total // SAMPLE))  # of the observations, one in so many is kept
    records: list[EpisodeRecord] = []
    frames: list[Frame] = []
    before = 0
    for done, (file, summary) in enumerate(zip(files.values(), summaries, strict=True), start=1):
        episode = read_episode(file)
        records.append(_record(episode, file, summary))
        kept = [k for k in range(-before % every, len(episode.seen), every) if episode.seen[k]]
        if not frames or frames[0].pixels.shape == episode.images.shape[1:]:  # one size can be judged together
            frames += [Frame(episode.info.number, k, episode.images[k].copy()) for k in kept]
        before += len(episode.seen)
        tell(done, len(files))
    return RunRecord(
        path=path,
        description=run.description(),
        episodes=records,
        frames=frames,
        goals=_goals(files, records),
        size_bytes=sum(f.stat().st_size for f in path.iterdir() if f.is_file()),
        torn=[_torn(file) for file in run.torn().values()],
    )


def _images_in(summary: FileSummary) -> int:
    return sum(count for topic, (_, _, count) in summary.channels.items() if topic.endswith(names.OBSERVATION_IMAGE))


def _record(episode: Episode, file: Path, summary: FileSummary) -> EpisodeRecord:
    return EpisodeRecord(
        info=episode.info,
        stamps=episode.stamps,
        requested=episode.requested,
        executed=episode.actions,
        reasons=episode.reasons,
        valid=episode.valid,
        ee_positions=episode.ee_positions,
        object_poses=known_poses(episode),
        answer_ms=_answer_times(file, summary),
        wall_s=(summary.end - summary.start) * 1e-9,
    )


def _answer_times(file: Path, summary: FileSummary) -> NDArray[np.float64]:
    """Return how long after an observation its action was recorded [ms], for each action whose image was (A,)."""
    wanted = (names.OBSERVATION_IMAGE, names.POLICY_ACTION)
    topics = [topic for topic in summary.channels if topic.endswith(wanted)]
    seen: dict[int, int] = {}
    times = []
    for message in messages(file, base_types(), topics):
        if message.name == names.OBSERVATION_IMAGE:
            seen[message.stamp] = message.log_time
        elif (since := seen.get(message.stamp)) is not None:
            times.append((message.log_time - since) * 1e-6)
    return np.array(times, dtype=float)


def _goals(files: dict[int, Path], records: Sequence[EpisodeRecord]) -> list[GoalPictures]:
    """Return the pictures of at most GOALS goals, evenly spread; a goal whose episode is gone has none."""
    with_goal = [record.info for record in records if _place(record.info.goal) is not None]
    chosen = (
        [with_goal[k] for k in np.unique(np.linspace(0, len(with_goal) - 1, GOALS).astype(int))] if with_goal else []
    )
    pictures = []
    for info in chosen:
        episode, step = _place(info.goal) or (0, 0)
        goal = _pixels(files.get(episode), step)
        if goal is not None:
            final = _pixels(files[info.number], info.steps)
            pictures.append(GoalPictures(info.number, info.goal, info.goal_novelty, goal, final))
    return pictures


def _place(goal: str) -> tuple[int, int] | None:
    """Read "episode/step"; None for anything else."""
    episode, _, step = goal.partition("/")
    return (int(episode), int(step)) if episode.isdecimal() and step.isdecimal() else None


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
