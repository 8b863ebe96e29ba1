"""Pictures of goal images beside final images."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from wayfarer_core.errors import DataError

from wayfarer_report.drawings.drawing import figure

Picture = NDArray[np.uint8]  # (H, W, 3) RGB

_GAP, _NAMES = 4, 18  # [pixels] between the pictures of a film, and above them


@dataclass(frozen=True)
class Ending:
    """A policy's final image, and the end effector's distance from its position in the goal
    image.
    """

    image: Picture
    distance: float  # [m]


def draw_reached(
    goals: Sequence[tuple[str, Picture]], endings: Mapping[str, Sequence[Ending]], out: Path
) -> Path:
    """Draw the goals in the upper row, and below each goal the final image of every policy.

    Each goal has its kind as a title. Return `out`.

    Raises DataError if it cannot be written.
    """
    columns, rows = len(goals), 1 + len(endings)
    with figure(rows, columns, 1.15 * columns, 1.35 * rows) as drawing:
        panels = np.array(drawing.panels).reshape(rows, columns)
        for axis in drawing.panels:
            axis.set(xticks=[], yticks=[])
            axis.grid(visible=False)

        for axis, (kind, image) in zip(panels[0], goals, strict=True):
            axis.set_title(kind, fontsize=8)
            axis.imshow(image)

        panels[0][0].set_ylabel("goal")

        for row, (name, of) in zip(panels[1:], endings.items(), strict=True):
            row[0].set_ylabel(name)
            for axis, ending in zip(row, of, strict=True):
                axis.imshow(ending.image)
                axis.set_xlabel(f"{100 * ending.distance:.0f} cm", fontsize=8)

        return drawing.png(out)


def most_telling(images: Sequence[Picture], count: int) -> list[int]:
    """Return the indices of the images that differ most from the median image, in order.

    These show the arm.
    """
    stack = np.stack(images).astype(np.float32)  # (N, H, W, 3)
    unusual = np.abs(stack - np.median(stack, axis=0)).mean(axis=(1, 2, 3))  # (N,)
    return sorted(np.argsort(-unusual, kind="stable")[:count].tolist())


def write_movie(frames: Sequence[Picture], out: Path, rate: float) -> Path:
    """Write frames (H, W, 3) as a GIF that repeats, `rate` frames per second; return `out`.

    Raises DataError if it cannot be written.
    """
    sample = Image.fromarray(np.concatenate(frames[:: max(1, len(frames) // 8)]))

    # other quantisers drop the cube's few coloured pixels
    palette = sample.quantize(256, Image.Quantize.FASTOCTREE)
    images = [
        Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in frames
    ]

    try:
        images[0].save(
            out,
            save_all=True,
            append_images=images[1:],
            duration=round(1000 / rate),
            loop=0,
            optimize=True,
        )
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror}") from error

    return out


def side_by_side(scene: Picture, goal: Picture) -> Picture:
    """Return the goal, enlarged to the scene's height, to the left of the scene (H, W, 3), each
    with a title.
    """
    height = scene.shape[0]
    enlarged = np.asarray(Image.fromarray(goal).resize((height, height), Image.Resampling.NEAREST))
    between = np.full((height, _GAP, 3), 255, np.uint8)
    pictures = np.concatenate([enlarged, between, scene], axis=1)

    names = Image.new("RGB", (pictures.shape[1], _NAMES), "white")
    draw = ImageDraw.Draw(names)
    draw.text((4, 3), "goal image", "black")
    draw.text((height + _GAP + 4, 3), "camera", "black")

    return np.concatenate([np.asarray(names), pictures])
