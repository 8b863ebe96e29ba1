"""What is in a run: numbers for `bag info`, pictures for the eye."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from wayfarer_common.cube import FACES, top_faces
from wayfarer_common.errors import DataError
from wayfarer_common.reason import Reason

from wayfarer_policies.replay.bag import read_episode
from wayfarer_policies.replay.episode import Episode
from wayfarer_policies.replay.run_directory import RunDirectory

mpl.use("Agg")
from matplotlib import pyplot as plt

_CELL = 0.01  # m
_MOVED = 1e-3  # m; a step that shifts the cube by more has touched it
_COLOURS = {"white": "#d0d0d0", "cyan": "#00c8c8", "yellow": "#e0c000"}  # others go by their own name


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
    cube_cells: int  # different squares of the table, 1 cm wide, in which the cube's centre has been
    goal_novelties: list[float]  # of the goals in order, when they were chosen
    size_bytes: int
    torn: list[TornEpisode]


def summarise_run(run: RunDirectory) -> RunSummary:
    """Read every closed episode of a run, without its images. Raises DataError where one is damaged."""
    ends: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    faces: Counter[str] = Counter()
    steps = lost = moved = 0
    duration = 0.0
    cells: set[tuple[int, int]] = set()
    novelties: list[float] = []
    for episode in _episodes(run):
        if np.isfinite(episode.info.goal_novelty):
            novelties.append(episode.info.goal_novelty)
        ends[episode.info.end.name.lower()] += 1
        steps += episode.steps
        lost += episode.lost_steps
        known = episode.stamps[episode.stamps > 0]
        duration += float(known[-1] - known[0]) * 1e-9 if known.size else 0.0
        reasons.update(reason.name.lower() for bits in episode.reasons for reason in Reason(int(bits)) if reason.name)
        poses = _known_poses(episode)
        faces.update(FACES[k] for k in top_faces(poses[:, 3:]))
        cells.update(map(tuple, np.floor(poses[:, :2] / _CELL).astype(int).tolist()))
        moved += int((np.linalg.norm(np.diff(poses[:, :3], axis=0), axis=1) > _MOVED).sum())
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
        top_face_entropy=_entropy(list(faces.values())),
        cube_cells=len(cells),
        goal_novelties=novelties,
        size_bytes=sum(f.stat().st_size for f in run.path.iterdir() if f.is_file()),
        torn=[_torn(path) for path in run.torn().values()],
    )


def draw_contact_sheet(run: RunDirectory, out: Path, columns: int = 12, rows: int = 8) -> Path:
    """Draw observations spread evenly over the run, one row per stretch of it; return `out`."""
    thumbnails: list[tuple[str, NDArray[np.uint8]]] = []
    files = list(run.episodes().values())
    per_episode = max(1, -(-columns * rows // max(len(files), 1)))
    for file in files[:: max(1, len(files) // (columns * rows))]:
        episode = read_episode(file)
        kept = np.flatnonzero(episode.valid)
        for k in kept[np.linspace(0, len(kept) - 1, min(per_episode, len(kept))).astype(int)] if len(kept) else ():
            thumbnails.append((f"{episode.info.number}/{k}", episode.images[k]))
    if not thumbnails:
        raise DataError(f"{run.path} holds no complete step to draw")
    thumbnails = thumbnails[: columns * rows]
    rows = -(-len(thumbnails) // columns)
    figure, axes = plt.subplots(rows, columns, figsize=(columns, rows * 1.15), squeeze=False, layout="constrained")
    for axis in axes.flat:
        axis.axis("off")
    for axis, (label, pixels) in zip(axes.flat, thumbnails, strict=False):
        axis.imshow(pixels)
        axis.set_title(label, fontsize=6, pad=1)
    figure.suptitle(f"{run.path.name}: observations (episode/step)", fontsize=9)
    return _save(figure, out)


def draw_cube_positions(run: RunDirectory, out: Path) -> Path:
    """Draw where the cube was on the table, one panel per colour of its upper face, with counts; return `out`."""
    known = [poses for episode in _episodes(run) if len(poses := _known_poses(episode))]
    if not known:
        raise DataError(f"{run.path} holds no true cube poses: nothing recorded sim/object_pose")
    poses = np.concatenate(known)  # (N, 7)
    faces = top_faces(poses[:, 3:])  # (N,)
    figure, axes = plt.subplots(2, 3, figsize=(9.6, 6.0), sharex=True, sharey=True, layout="constrained")
    for index, (axis, face) in enumerate(zip(axes.flat, FACES, strict=True)):
        here = poses[faces == index]
        axis.scatter(here[:, 1], here[:, 0], s=9, color=_COLOURS.get(face, face), edgecolors="black", linewidths=0.15)
        axis.set_title(f"{face} up: {len(here)}", fontsize=10)
        axis.set_aspect("equal")
        axis.grid(alpha=0.3)
    axes[0, 0].set_xlim(0.45, -0.45)  # y grows to the left: as seen from behind the robot
    axes[0, 0].set_ylim(0.28, 0.88)
    axes[0, 0].set_xticks([0.4, 0.2, 0.0, -0.2, -0.4])
    figure.supxlabel("y in the base frame [m], the robot's left on the left", fontsize=9)
    figure.supylabel("x in the base frame [m], away from the robot", fontsize=9)
    figure.suptitle(f"{run.path.name}: cube position in {len(poses)} observations", fontsize=11)
    return _save(figure, out)


def _episodes(run: RunDirectory) -> Iterator[Episode]:
    return (read_episode(file, with_images=False) for file in run.episodes().values())


def _known_poses(episode: Episode) -> NDArray[np.float64]:
    """Return the cube poses of an episode that are known, (N, 7)."""
    if episode.object_poses is None:
        return np.zeros((0, 7))
    return episode.object_poses[np.isfinite(episode.object_poses).all(axis=1)]


def _entropy(counts: list[int]) -> float:
    """Return the entropy of shares in bits; 0 without counts."""
    shares = np.array(counts, dtype=float) / max(sum(counts), 1)
    return float((shares * np.log2(1.0 / shares)).sum()) if counts else 0.0


def _torn(path: Path) -> TornEpisode:
    try:
        return TornEpisode(path.name, read_episode(path, with_images=False).steps)
    except DataError:
        return TornEpisode(path.name, 0)


def _save(figure: Figure, out: Path) -> Path:
    try:
        figure.savefig(out, dpi=130, bbox_inches="tight")
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror}") from error
    finally:
        plt.close(figure)
    return out
