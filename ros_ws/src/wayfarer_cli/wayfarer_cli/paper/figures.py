"""Figures 3, 6 and 7 as SVG; a variant keeps its colour through all of them."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from wayfarer_policies.report.drawing import INK, PALETTE, figure
from wayfarer_policies.toy import STRATEGIES, Row
from wayfarer_policies.toy_figures import curves

from wayfarer_cli.paper.outcome import Score

_COLOURS = {
    "goal": PALETTE[0],
    "rnd": PALETTE[1],
    "random": PALETTE[2],
    "goal-random": PALETTE[5],
    "goal-min": PALETTE[3],
    "goal, robot hidden": PALETTE[6],
}
_SMOOTHING = 10  # episodes: moving mean of the per-episode curves


def colour(variant: str) -> str:
    """Return the colour of a variant."""
    return _COLOURS.get(variant, PALETTE[-1])


def figure3(rows: Sequence[Row]) -> str:
    """States visited so far, in each episode, and for the first time: mean and range over the seeds."""
    panels: list[tuple[str, Callable[[Row], int], int]] = [
        ("states visited so far", lambda row: row.total_states, 1),
        ("states visited in an episode", lambda row: row.episode_states, _SMOOTHING),
        ("of these, never visited before", lambda row: row.new_states, _SMOOTHING),
    ]
    with figure(1, 3, 8.2, 2.8) as drawing:
        for axis, (title, value, smoothing) in zip(drawing.panels, panels, strict=True):
            for strategy in STRATEGIES:
                _draw_curve(axis, strategy, curves(rows, strategy, value), smoothing)
            axis.set(title=title, xlabel="episode", ylim=(0, None))
        return drawing.svg("figure3")


def _draw_curve(axis: Axes, strategy: str, values: NDArray[np.float64], smoothing: int) -> None:
    if values.size == 0:
        return
    width = min(smoothing, values.shape[1])
    smooth = np.stack([np.convolve(run, np.ones(width) / width, mode="valid") for run in values])  # (seeds, episodes)
    episodes = np.arange(width, values.shape[1] + 1)
    axis.plot(episodes, smooth.mean(axis=0), color=colour(strategy), lw=1.6)
    axis.fill_between(episodes, smooth.min(axis=0), smooth.max(axis=0), color=colour(strategy), alpha=0.18, lw=0)


def spread(panels: Sequence[tuple[str, Sequence[Score], float | None]], variants: Sequence[str], name: str) -> str:
    """Draw a dot for each dataset and seed, a bar at each variant's median; a panel is (title, scores, reference)."""
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
        return drawing.svg(name)


def _draw_spread(axis: Axes, row: int, variant: str, scores: Sequence[Score]) -> None:
    if not scores:
        axis.text(0.5, row, "no policy", transform=axis.get_yaxis_transform(), ha="center", va="center", alpha=0.6)
        return
    values = np.array([score.value for score in scores])
    shift = np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else np.zeros(1)
    axis.scatter(values, row + shift, s=16, color=colour(variant), alpha=0.75, linewidths=0)
    axis.plot([np.median(values)] * 2, [row - 0.33, row + 0.33], color=colour(variant), lw=2.6)
