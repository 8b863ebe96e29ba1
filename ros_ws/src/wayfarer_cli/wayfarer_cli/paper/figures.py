"""Figures 6 and 7: dots and medians as SVG."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from wayfarer_policies.report.drawing import INK, figure, method_colour

from wayfarer_cli.paper.outcome import Score

Panel = tuple[str, Sequence[Score], float | None]  # title, scores, what is drawn dotted beside them
_PERCENT = (-4.0, 104.0)


def spread(panels: Sequence[Panel], variants: Sequence[str], name: str) -> str:
    """Draw a dot for each dataset and seed, and a bar at the median of each variant."""
    with figure(1, len(panels), 8.2, 1.0 + 0.34 * len(variants)) as drawing:
        for place, (axis, (title, scores, reference)) in enumerate(zip(drawing.panels, panels, strict=True)):
            if reference is not None:
                axis.axvline(reference, color=INK, lw=1.0, ls=":", alpha=0.7)
            for row, variant in enumerate(variants):
                _draw_spread(axis, row, variant, [score for score in scores if score.variant == variant])
            axis.set_ylim(len(variants) - 0.5, -0.5)
            axis.set_yticks(range(len(variants)), labels=variants if place == 0 else [""] * len(variants))
            axis.set_title(title)
            axis.margins(x=0.06)
            if title.endswith("[%]"):
                axis.set_xlim(*_PERCENT)
        return drawing.svg(name)


def _draw_spread(axis: Axes, row: int, variant: str, scores: Sequence[Score]) -> None:
    if not scores:
        axis.text(0.5, row, "no policy", transform=axis.get_yaxis_transform(), ha="center", va="center", alpha=0.6)
        return
    values = np.array([score.value for score in scores])
    shift = np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else np.zeros(1)
    axis.scatter(values, row + shift, s=16, color=method_colour(variant), alpha=0.75, linewidths=0)
    axis.plot([np.median(values)] * 2, [row - 0.33, row + 0.33], color=method_colour(variant), lw=2.6)
