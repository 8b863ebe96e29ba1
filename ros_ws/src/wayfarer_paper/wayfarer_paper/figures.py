"""Figures 5 to 7: growth as curves, dots and medians, as SVG and PNG."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from wayfarer_report.drawings.drawing import INK, Drawing, figure, method_colour

from wayfarer_paper.outcome import Growth, Score

Panel = tuple[str, Sequence[Score], float | None]  # title, scores, value of the dotted line
_PERCENT = (-4.0, 104.0)


def spread(panels: Sequence[Panel], variants: Sequence[str], name: str) -> str:
    """Draw a dot for each dataset and seed, and a bar at the median of each variant."""
    with figure(1, len(panels), 8.2, 1.0 + 0.34 * len(variants)) as drawing:
        for place, (axis, (title, scores, reference)) in enumerate(
            zip(drawing.panels, panels, strict=True)
        ):
            if reference is not None:
                axis.axvline(reference, color=INK, lw=1.0, ls=":", alpha=0.7)

            for row, variant in enumerate(variants):
                _draw_spread(
                    axis, row, variant, [score for score in scores if score.variant == variant]
                )

            axis.set_ylim(len(variants) - 0.5, -0.5)
            axis.set_yticks(
                range(len(variants)), labels=variants if place == 0 else [""] * len(variants)
            )
            axis.set_title(title)
            axis.margins(x=0.06)

            if title.endswith("[%]"):
                axis.set_xlim(*_PERCENT)

        return drawing.svg(name)


def growth(lines: Sequence[Growth], variants: Sequence[str], name: str) -> str:
    """Draw cells covered and steps in which the cube moved over the steps taken.

    Mean and range over datasets.
    """
    with _growth(lines, variants) as drawing:
        return drawing.svg(name)


def growth_png(lines: Sequence[Growth], variants: Sequence[str], out: Path) -> Path:
    """Write the same with a legend; return `out`. Raises DataError if it cannot be written."""
    with _growth(lines, variants) as drawing:
        drawn, names = drawing.panels[0].get_legend_handles_labels()
        drawing.figure.legend(
            drawn, names, loc="outside lower center", ncols=len(variants), frameon=False
        )

        return drawing.png(out)


@contextmanager
def _growth(lines: Sequence[Growth], variants: Sequence[str]) -> Iterator[Drawing]:
    panels = (
        ("cells of 1 cm covered by the cube", "cells"),
        ("steps in which the cube moved", "moved_steps"),
    )
    with figure(1, len(panels), 7.6, 2.9) as drawing:
        for axis, (title, field) in zip(drawing.panels, panels, strict=True):
            for variant in variants:
                datasets: dict[int, list[Growth]] = {}
                for line in lines:
                    if line.variant == variant:
                        datasets.setdefault(line.dataset, []).append(line)

                _draw_growth(axis, variant, field, list(datasets.values()))

            axis.set(title=title, xlabel="steps", ylim=(0, None))

        yield drawing


def _draw_growth(
    axis: Axes, variant: str, field: str, datasets: Sequence[Sequence[Growth]]
) -> None:
    length = min((len(of) for of in datasets), default=0)
    if length == 0:
        return

    # (D, points)
    values = np.array(
        [[getattr(line, field) for line in of[:length]] for of in datasets], dtype=float
    )
    x = [line.steps for line in datasets[0][:length]]
    axis.plot(x, values.mean(axis=0), color=method_colour(variant), lw=1.6, label=variant)
    axis.fill_between(
        x, values.min(axis=0), values.max(axis=0), color=method_colour(variant), alpha=0.18, lw=0
    )


def _draw_spread(axis: Axes, row: int, variant: str, scores: Sequence[Score]) -> None:
    if not scores:
        axis.text(
            0.5,
            row,
            "no policy",
            transform=axis.get_yaxis_transform(),
            ha="center",
            va="center",
            alpha=0.6,
        )

        return

    values = np.array([score.value for score in scores])
    shift = np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else np.zeros(1)
    axis.scatter(values, row + shift, s=16, color=method_colour(variant), alpha=0.75, linewidths=0)
    axis.plot(
        [np.median(values)] * 2, [row - 0.33, row + 0.33], color=method_colour(variant), lw=2.6
    )
