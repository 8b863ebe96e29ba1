"""The figures of `wayfarer bag info`, read without images."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import Episode
from wayfarer_bags.labels import read_labels
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.errors import DataError

from wayfarer_report.numbers.gather import record_of
from wayfarer_report.numbers.hands import Hands, Stretch
from wayfarer_report.numbers.statistics import tally


@dataclass(frozen=True)
class TornEpisode:
    """An episode whose recorder was killed."""

    file: str
    steps: int


@dataclass(frozen=True)
class RunSummary:
    """The result of `wayfarer bag info`; only closed episodes, except `torn`."""

    run: str
    episodes: int
    ends: dict[str, int]
    steps: int
    lost_steps: int
    reasons: dict[str, int]
    duration_s: float
    cube_moved_steps: int
    top_faces: dict[str, int]  # observations by upper face; empty without a truth topic
    top_face_entropy: float  # of the upper faces' shares [bits]; at most log2(6) = 2.58
    # number of squares of the table, 1 cm wide, that the cube's centre has visited
    cube_cells: int
    goal_novelties: list[float]  # of the goals in order, at their choice
    size_bytes: int
    torn: list[TornEpisode]
    human_steps: int  # chosen by a person
    human: list[Stretch]  # the same, as stretches
    wrist_images: int  # observations with an image of the camera in the hand
    labels: dict[str, int]  # people's labels of episodes: success, failure, notes


def summarise_run(run: RunDirectory) -> RunSummary:
    """Read every closed episode of a run, without its images.

    Raises DataError if one is damaged.
    """
    records, of_wrist = [], 0
    for episode in _episodes(run):
        records.append(record_of(episode))
        of_wrist += 0 if episode.wrist_seen is None else int(episode.wrist_seen.sum())

    numbers = tally(records)
    novelties = [record.info.goal_novelty for record in records]
    hands = Hands.of([(record.info.number, record.sources) for record in records])

    return RunSummary(
        run=str(run.path),
        episodes=len(run.episodes()),
        ends=numbers.ends,
        steps=numbers.steps,
        lost_steps=numbers.lost_steps,
        reasons=numbers.reasons,
        duration_s=numbers.robot_s,
        cube_moved_steps=numbers.moved_steps,
        top_faces=numbers.faces,
        top_face_entropy=numbers.face_entropy,
        cube_cells=numbers.cells,
        goal_novelties=[novelty for novelty in novelties if np.isfinite(novelty)],
        size_bytes=sum(f.stat().st_size for f in run.path.iterdir() if f.is_file()),
        torn=[_torn(path) for path in run.torn().values()],
        human_steps=hands.steps,
        human=hands.stretches,
        wrist_images=of_wrist,
        labels=count_labels(run.path),
    )


def count_labels(run: Path) -> dict[str, int]:
    """Return the number of episodes labelled success or failure, and the number with a note."""
    said = read_labels(run).values()
    counts = {
        "success": sum(label.success is True for label in said),
        "failure": sum(label.success is False for label in said),
        "notes": sum(bool(label.note) for label in said),
    }

    return {name: count for name, count in counts.items() if count}


def _episodes(run: RunDirectory) -> Iterator[Episode]:
    return (read_episode(file, with_images=False) for file in run.episodes().values())


def _torn(path: Path) -> TornEpisode:
    try:
        return TornEpisode(path.name, read_episode(path, with_images=False).steps)
    except DataError:
        return TornEpisode(path.name, 0)
