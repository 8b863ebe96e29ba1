"""Figures as SVG inside a page.

Lines follow the page's text colour, and no untrusted text is parsed.

Only our own words go into a figure. Text from a bag or run.yaml stands beside it in HTML,
escaped.
"""

import base64
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image
from wayfarer_core.errors import DataError

INK = "#010203"  # placeholder for the page's text colour
PALETTE = (
    "#3b82f6",
    "#f97316",
    "#10b981",
    "#a855f7",
    "#ef4444",
    "#06b6d4",
    "#d4a017",
    "#ec4899",
    "#84cc16",
    "#8b8b8b",
)
_METHODS = ("goal", "rnd", "random", "goal-min", "goal-random", "goal, robot hidden")
FACE_COLOURS = {
    "white": "#f4f4f4",
    "red": "#e23b3b",
    "green": "#2fa84f",
    "blue": "#3a6be0",
    "yellow": "#f2c811",
    "cyan": "#22c7d6",
}
_STYLE: dict[Any, Any] = {
    "font.family": "sans-serif",
    "font.size": 9.0,
    "svg.fonttype": "none",
    "text.parse_math": False,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.titlesize": 9.0,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.facecolor": "none",
    "grid.color": INK,
    "grid.alpha": 0.12,
    "grid.linewidth": 0.6,
    "xtick.color": INK,
    "ytick.color": INK,
    "figure.facecolor": "none",
    "savefig.facecolor": "none",
    "image.cmap": "viridis",
}


def colour(place: int) -> str:
    """Return the colour of the run at this index of a report."""
    return PALETTE[place % len(PALETTE)]


def method_colour(name: str) -> str:
    """Return the colour of a method, the same in every figure of the paper.

    A variant has the colour of its method.
    """
    known = name if name in _METHODS else name.partition(",")[0]
    return PALETTE[_METHODS.index(known)] if known in _METHODS else PALETTE[-1]


def letter(place: int) -> str:
    """Return the letter of the run at this index; figures name the run by it."""
    return chr(ord("A") + place) if place < 26 else str(place + 1)


@contextmanager
def figure(
    rows: int = 1, columns: int = 1, width: float = 7.2, height: float = 2.8
) -> Iterator["Drawing"]:
    """Give a figure with rows x columns panels, `width` x `height` inches, in our style."""
    with mpl.rc_context(_STYLE):
        made = Figure(figsize=(width, height), layout="constrained")
        panels = made.subplots(rows, columns, squeeze=False)
        yield Drawing(made, list(panels.flat))


class Drawing:
    """A figure and its panels."""

    def __init__(self, made: Figure, panels: list[Axes]) -> None:
        self.figure, self.panels = made, panels

    def svg(self, name: str) -> str:
        """Return the figure as an <svg> element.

        `name` makes its ids different from those of other figures.
        """
        target = io.StringIO()
        with mpl.rc_context({"svg.hashsalt": name, "savefig.dpi": 160}):
            self.figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})

        text = target.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)

        # figure_1, axes_1: ids that every figure would have
        text = re.sub(r'<g id="[^"]*"', "<g", text)
        text = re.sub(r'\s(width|height)="[\d.]+pt"', "", text, count=2)

        return text.replace(INK, "currentColor").strip()

    def png(self, out: Path) -> Path:
        """Write the figure on white; return `out`. Raises DataError if it cannot be written."""
        try:
            self.figure.savefig(out, dpi=130, facecolor="white")
        except OSError as error:
            raise DataError(f"cannot write {out}: {error.strerror}") from error

        return out


def mosaic_uri(
    images: list[NDArray[np.uint8]], columns: int, gap: int = 2, quality: int = 88
) -> tuple[str, int, int]:
    """Put images of equal size (H, W, 3) beside and below each other.

    Return a WebP data URI, and its size in pixels.
    """
    height, width, _ = images[0].shape
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (height + gap) - gap, columns * (width + gap) - gap, 3), 127, np.uint8)

    for place, image in enumerate(images):
        top, left = place // columns * (height + gap), place % columns * (width + gap)
        sheet[top : top + height, left : left + width] = image

    target = io.BytesIO()
    Image.fromarray(sheet).save(target, format="WEBP", quality=quality)
    uri = "data:image/webp;base64," + base64.b64encode(target.getvalue()).decode()

    return uri, sheet.shape[1], sheet.shape[0]
