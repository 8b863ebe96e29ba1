"""Everything a report shows of one run, read from its bags in one go. Opening a run changes nothing in it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wayfarer_common import names
from wayfarer_common.errors import DataError

from wayfarer_policies.replay.bag import messages, read_episode
from wayfarer_policies.replay.episode import Episode, EpisodeInfo
from wayfarer_policies.replay.message_types import base_types
from wayfarer_policies.replay.run_directory import FileSummary, RunDirectory, summarise

SAMPLE = 2000  # images kept of a run, evenly spread over it: enough for a contact sheet and for RND
GOALS = 24  # goals shown


@dataclass(frozen=True)
class EpisodeRecord:
    """One episode without its images."""

    info: EpisodeInfo
    stamps: NDArray[np.int64]  # (T + 1,) [ns] on the robot's clock; 0 where not known
    requested: NDArray[np.float32]  # (T, 3)
    executed: NDArray[np.float32]  # (T, 3)
    reasons: NDArray[np.uint16]  # (T,)
    valid: NDArray[np.bool_]  # (T,)
    ee_positions: NDArray[np.float64]  # (T + 1, 3) [m]
    object_poses: NDArray[np.float64]  # (N, 7) those that are known; none without a truth topic
    answer_ms: NDArray[np.float64]  # (A,) from recording an observation to recording its action [ms of wall clock]
    wall_s: float  # between the first and the last message [s of wall clock]


@dataclass(frozen=True)
class Frame:
    """An observation and where it comes from."""

    episode: int
    step: int
    pixels: NDArray[np.uint8]  # (H, W, 3)


@dataclass(frozen=True)
class GoalPictures:
    """A goal, as it was stored, and what the camera saw when the episode that set out for it ended."""

    episode: int  # that set out
    name: str  # "episode/step" of the goal
    novelty: float  # when it was chosen
    goal: NDArray[np.uint8]  # (H, W, 3)
    final: NDArray[np.uint8] | None  # None where the last observation is missing


@dataclass(frozen=True)
class RunRecord:
    """One run, ready to be summed up and drawn."""

    path: Path
    description: dict[str, Any]  # run.yaml
    episodes: list[EpisodeRecord]
    frames: list[Frame]  # at most SAMPLE, in the order of time
    goals: list[GoalPictures]  # at most GOALS
    size_bytes: int
    torn: list[tuple[str, int]]  # file and steps readable of episodes whose recorder was killed

    @property
    def has_truth(self) -> bool:
        """Whether any cube pose is known."""
        return any(len(episode.object_poses) for episode in self.episodes)


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
    poses = episode.object_poses if episode.object_poses is not None else np.zeros((0, 7))
    return EpisodeRecord(
        info=episode.info,
        stamps=episode.stamps,
        requested=episode.requested,
        executed=episode.actions,
        reasons=episode.reasons,
        valid=episode.valid,
        ee_positions=episode.ee_positions,
        object_poses=poses[np.isfinite(poses).all(axis=1)],
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
