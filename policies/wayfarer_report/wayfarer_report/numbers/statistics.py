"""Statistics of a run: coverage, balance, actions, losses.

Pure functions of the records of `gather`.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.episode import Episode
from wayfarer_core.cube import FACES, top_faces
from wayfarer_core.reason import Reason

from wayfarer_report.numbers.records import MOVED, EpisodeRecord, RunRecord

CELL = 0.01  # [m] side of a cell of the table
_BORDER = 1.0 - 1e-3  # an action component beyond it counts as at its bound

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RunStatistics:
    """The figures of a run in a report's tables."""

    episodes: int
    ends: dict[str, int]
    steps: int
    lost_steps: int
    robot_s: float  # on the robot's clock
    wall_s: float  # on the recorder's clock
    reasons: dict[str, int]
    saturated: float  # share of executed actions with a component at its bound
    mean_step_m: float  # end effector, per step
    moved_steps: int  # steps in which the cube moved; 0 if its poses are unknown
    cells: int  # cells of the table, CELL wide, that the cube's centre has visited
    faces: dict[str, int]  # observations by upper face; empty if the poses are unknown
    face_entropy: float  # [bits], at most log2 6
    cell_entropy: float  # [bits] of the cube's cells
    ee_cells: int  # cells of space, 2 cm wide, that the end effector has visited


def statistics(run: RunRecord) -> RunStatistics:
    """Return the statistics of a run."""
    return tally(run.episodes, run.moved)


def tally(episodes: Sequence[EpisodeRecord], moved: float = MOVED) -> RunStatistics:
    """Return statistics of episodes; a step that shifts the cube by more than `moved` [m] is a
    move.
    """
    poses = all_poses(episodes)
    faces = (
        np.bincount(top_faces(poses[:, 3:]), minlength=len(FACES))
        if len(poses)
        else np.zeros(0, np.int64)
    )
    _, per_cell = np.unique(cells_of(poses[:, :2]), axis=0, return_counts=True)
    executed = stacked([e.displacements for e in episodes], 3)
    executed = executed[np.isfinite(executed).all(axis=1)]
    strides = [np.linalg.norm(np.diff(e.ee_positions, axis=0), axis=1) for e in episodes]
    stride = np.concatenate([np.zeros(0), *strides])

    return RunStatistics(
        episodes=len(episodes),
        ends=dict(Counter(e.info.end.name.lower() for e in episodes)),
        steps=sum(len(e.valid) for e in episodes),
        lost_steps=sum(int((~e.valid).sum()) for e in episodes),
        robot_s=sum(seconds_between(e.stamps) for e in episodes),
        wall_s=sum(e.wall_s for e in episodes),
        reasons=dict(
            Counter(name for e in episodes for name in named_reasons(e.reasons)).most_common()
        ),
        saturated=float((np.abs(executed) > _BORDER).any(axis=1).mean()) if len(executed) else 0.0,
        mean_step_m=float(np.nanmean(stride)) if np.isfinite(stride).any() else 0.0,
        moved_steps=sum(int(moves(e.object_poses, moved).sum()) for e in episodes),
        cells=len(per_cell),
        faces=dict(zip(FACES, faces.tolist(), strict=True)) if len(faces) else {},
        face_entropy=entropy(faces),
        cell_entropy=entropy(per_cell),
        ee_cells=_ee_cells(episodes),
    )


def all_poses(episodes: Sequence[EpisodeRecord]) -> Floats:
    """Return every known cube pose of some episodes, in order, (N, 7)."""
    return stacked([e.object_poses[_known(e.object_poses)] for e in episodes], 7)


def stacked(arrays: Iterable[NDArray[np.floating]], width: int) -> Floats:
    """Concatenate arrays (N_i, width) below each other; (0, width) for none."""
    return np.concatenate([np.zeros((0, width)), *arrays])


def cells_of(positions: Floats, side: float = CELL) -> NDArray[np.int64]:
    """Return the cell, `side` [m] wide, in which each position (N, axes) [m] lies, (N, axes)."""
    return np.floor(positions / side).astype(np.int64)


def moves(poses: Floats, least: float = MOVED) -> NDArray[np.bool_]:
    """Say for each step between poses (T + 1, 7) whether it shifted the cube by more than `least`
    [m], (T,).

    False if one of the two poses is unknown.
    """
    shifted: NDArray[np.bool_] = np.linalg.norm(np.diff(poses[:, :3], axis=0), axis=1) > least
    return shifted


def coverage_curve(run: RunRecord) -> tuple[Floats, Floats]:
    """Return the steps after which a new cell of the table was reached, and the cells covered then,
    (C,) each.
    """
    poses, steps = all_poses(run.episodes), observation_steps(run)
    _, first = np.unique(cells_of(poses[:, :2]), axis=0, return_index=True)
    return steps[np.sort(first)], np.arange(1.0, len(first) + 1)


def movement_curve(run: RunRecord) -> tuple[Floats, Floats]:
    """Return the steps after which the cube had moved, and the number of moves so far, (M,)
    each.
    """
    marks = [
        np.append(moves(e.object_poses, run.moved), False)[_known(e.object_poses)]
        for e in run.episodes
    ]
    at = np.flatnonzero(np.concatenate([np.zeros(0, bool), *marks]))

    return observation_steps(run)[at], np.arange(1.0, len(at) + 1)


def growth(run: RunRecord, points: int = 20) -> list[tuple[int, int, int]]:
    """Return steps taken, and the cells covered and moves by then, at equally spaced
    steps.
    """
    total = sum(len(e.valid) for e in run.episodes)
    reached, moved = coverage_curve(run)[0], movement_curve(run)[0]
    at = np.linspace(0, total, points + 1).round().astype(int)[1:].tolist()
    return [(steps, int((reached <= steps).sum()), int((moved < steps).sum())) for steps in at]


def observation_steps(run: RunRecord) -> Floats:
    """Return the number of steps before each known cube pose, in the order of `all_poses`, (N,)."""
    starts = np.cumsum([0, *(len(e.valid) for e in run.episodes)])
    parts = [
        start + np.flatnonzero(_known(e.object_poses))
        for start, e in zip(starts, run.episodes, strict=False)
    ]

    return np.concatenate([np.zeros(0), *parts])


def entropy(counts: NDArray[np.int64] | Sequence[int]) -> float:
    """Return the entropy of shares in bits; 0 without counts."""
    shares = np.asarray(counts, dtype=float)
    shares = shares[shares > 0] / max(float(shares.sum()), 1.0)
    return float((shares * np.log2(1.0 / shares)).sum()) if shares.size else 0.0


def named_reasons(reasons: NDArray[np.uint16]) -> Iterator[str]:
    """Yield the name of every reason for which the safety gate changed an action, from the bits of
    some steps (T,).
    """
    return (r.name.lower() for bits in reasons for r in Reason(int(bits)) if r.name)


def seconds_between(stamps: NDArray[np.int64]) -> float:
    """Return the time between an episode's first and last known observation [s], of stamps (T + 1,)
    [ns].
    """
    known = stamps[stamps > 0]
    return float(known[-1] - known[0]) * 1e-9 if known.size else 0.0


def known_poses(episode: Episode) -> Floats:
    """Return an episode's known cube poses, (N, 7)."""
    if episode.object_poses is None:
        return np.zeros((0, 7))
    return episode.object_poses[_known(episode.object_poses)]


def _known(poses: Floats) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(poses).all(axis=1))


def episode_losses(run: RunRecord) -> list[tuple[int, int]]:
    """Return number and lost steps of each episode with lost steps."""
    return [(e.info.number, lost) for e in run.episodes if (lost := int((~e.valid).sum()))]


def periods(run: RunRecord) -> Floats:
    """Return the times between successive known observations [s], on the robot's clock."""
    gaps = [np.diff(e.stamps)[(e.stamps[:-1] > 0) & (e.stamps[1:] > 0)] for e in run.episodes]
    return np.concatenate([np.zeros(0), *gaps]) * 1e-9


def _ee_cells(episodes: Sequence[EpisodeRecord]) -> int:
    positions = stacked([e.ee_positions for e in episodes], 3)
    known = positions[np.isfinite(positions).all(axis=1)]
    return len(np.unique(cells_of(known, 2 * CELL), axis=0))
