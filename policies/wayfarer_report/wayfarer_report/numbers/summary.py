"""What is in a run, in the numbers of `wayfarer bag info`: read without its images."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import Episode
from wayfarer_bags.labels import read_labels
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.cube import FACES, top_faces
from wayfarer_core.errors import DataError

from wayfarer_report.numbers.hands import Hands, Stretch
from wayfarer_report.numbers.statistics import (
    cells_of,
    entropy,
    known_poses,
    moves,
    named_reasons,
    seconds_between,
)


@dataclass(frozen=True)
class TornEpisode:
    """An episode whose recorder was killed."""

    file: str
    steps: int


@dataclass(frozen=True)
class RunSummary:
    """What `wayfarer bag info` tells; closed episodes only, but for `torn`."""

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
    # different squares of the table, 1 cm wide, in which the cube's centre has been
    cube_cells: int
    goal_novelties: list[float]  # of the goals in order, when they were chosen
    size_bytes: int
    torn: list[TornEpisode]
    human_steps: int  # chosen by a person
    human: list[Stretch]  # where
    labels: dict[str, int]  # what people say of episodes: success, failure, notes


def summarise_run(run: RunDirectory) -> RunSummary:
    """Read every closed episode of a run, without its images.

    Raises DataError where one is damaged.
    """
    ends: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    faces: Counter[str] = Counter()
    steps = lost = moved = 0
    duration = 0.0
    cells: set[tuple[int, int]] = set()
    novelties: list[float] = []
    sources: list[tuple[int, NDArray[np.uint8]]] = []

    for episode in _episodes(run):
        if np.isfinite(episode.info.goal_novelty):
            novelties.append(episode.info.goal_novelty)

        ends[episode.info.end.name.lower()] += 1
        steps += episode.steps
        lost += episode.lost_steps
        duration += seconds_between(episode.stamps)
        sources.append((episode.info.number, episode.sources))
        reasons.update(named_reasons(episode.reasons))
        poses = known_poses(episode)
        faces.update(FACES[k] for k in top_faces(poses[:, 3:]))
        cells.update(map(tuple, cells_of(poses).tolist()))
        moved += int(moves(poses).sum())

    hands = Hands.of(sources)

    return RunSummary(
        run=str(run.path),
        episodes=len(run.episodes()),
        ends=dict(ends),
        steps=steps,
        lost_steps=lost,
        reasons=dict(reasons),
        duration_s=duration,
        cube_moved_steps=moved,
        top_faces={face: faces[face] for face in FACES} if faces else {},
        top_face_entropy=entropy(list(faces.values())),
        cube_cells=len(cells),
        goal_novelties=novelties,
        size_bytes=sum(f.stat().st_size for f in run.path.iterdir() if f.is_file()),
        torn=[_torn(path) for path in run.torn().values()],
        human_steps=hands.steps,
        human=hands.stretches,
        labels=count_labels(run.path),
    )


def count_labels(run: Path) -> dict[str, int]:
    """Return how many episodes people call a success or a failure, and how many have a note."""
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
