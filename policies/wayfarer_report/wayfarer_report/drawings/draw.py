"""Pictures of a run for `wayfarer bag draw`: PNG files."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.bag import read_episode
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.cube import top_faces
from wayfarer_core.errors import DataError

from wayfarer_report.drawings.drawing import figure
from wayfarer_report.drawings.figures import draw_cube_by_face
from wayfarer_report.numbers.statistics import known_poses


def draw_contact_sheet(run: RunDirectory, out: Path, columns: int = 12, rows: int = 8) -> Path:
    """Draw observations spread evenly over the run, one row per stretch of it; return `out`."""
    thumbnails: list[tuple[str, NDArray[np.uint8]]] = []
    files = list(run.episodes().values())
    per_episode = max(1, -(-columns * rows // max(len(files), 1)))

    for file in files[:: max(1, len(files) // (columns * rows))]:
        episode = read_episode(file)
        kept = np.flatnonzero(episode.valid)
        for k in (
            kept[np.linspace(0, len(kept) - 1, min(per_episode, len(kept))).astype(int)]
            if len(kept)
            else ()
        ):
            thumbnails.append((f"{episode.info.number}/{k}", episode.images[k]))

    if not thumbnails:
        raise DataError(f"{run.path} holds no complete step to draw")

    thumbnails = thumbnails[: columns * rows]
    rows = -(-len(thumbnails) // columns)
    with figure(rows, columns, columns, rows * 1.15) as drawing:
        for axis in drawing.panels:
            axis.axis("off")

        for axis, (label, pixels) in zip(drawing.panels, thumbnails, strict=False):
            axis.imshow(pixels)
            axis.set_title(label, fontsize=6, pad=1)

        drawing.figure.suptitle(f"{run.path.name}: observations (episode/step)", fontsize=9)

        return drawing.png(out)


def draw_cube_positions(run: RunDirectory, out: Path) -> Path:
    """Draw the cube's positions on the table, one panel for each colour of its upper face, with
    counts.

    Return `out`.
    """
    episodes = (read_episode(file, with_images=False) for file in run.episodes().values())
    poses = np.concatenate([np.zeros((0, 7)), *map(known_poses, episodes)])  # (N, 7)
    if not len(poses):
        raise DataError(f"{run.path} holds no true cube poses: nothing recorded sim/object_pose")

    with figure(2, 3, 9.6, 5.4) as drawing:
        draw_cube_by_face(drawing.panels, poses, top_faces(poses[:, 3:]))
        drawing.figure.supxlabel(
            "y in the base frame [m], the robot's left on the left", fontsize=9
        )
        drawing.figure.supylabel("x in the base frame [m], away from the robot", fontsize=9)
        drawing.figure.suptitle(
            f"{run.path.name}: cube position in {len(poses)} observations", fontsize=11
        )

        return drawing.png(out)
