"""Images in a terminal."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rich.color import Color
from rich.style import Style
from rich.text import Text


def picture(image: NDArray[np.uint8]) -> Text:
    """Return an image (H, W, 3) as text: each character shows two pixels, one above the other."""
    text = Text(no_wrap=True)
    for upper, lower in zip(image[::2].tolist(), image[1::2].tolist(), strict=False):
        for above, below in zip(upper, lower, strict=True):
            text.append("\N{UPPER HALF BLOCK}", Style(color=_colour(above), bgcolor=_colour(below)))
        text.append("\n")

    return text


def _colour(rgb: Sequence[int]) -> Color:
    return Color.from_rgb(*rgb)
