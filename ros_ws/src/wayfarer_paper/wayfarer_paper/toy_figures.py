"""Figures 2 and 3 of the paper from the files of the toy experiment, as <svg> elements and
as PNG files.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from wayfarer_policies.algorithms.rnd import RND
from wayfarer_report.drawings.drawing import Drawing, figure, method_colour

from wayfarer_paper.toy import STRATEGIES, DiscreteWorld, Row

Numbers = NDArray[np.float64]
SMOOTHING = 10  # [episodes] moving mean of the per-episode curves
_CHUNK = 2000  # states processed together


def curves(rows: Sequence[Row], strategy: str, value: Callable[[Row], int]) -> Numbers:
    """Return one value by seed and episode (seeds, episodes), up to the shortest run."""
    seeds = sorted({row.seed for row in rows if row.strategy == strategy})
    runs = [
        [value(row) for row in rows if (row.strategy, row.seed) == (strategy, seed)]
        for seed in seeds
    ]
    length = min(map(len, runs), default=0)

    return np.array([run[:length] for run in runs], dtype=np.float64).reshape(len(runs), length)


def coverage(rows: Sequence[Row], name: str) -> str:
    """Figure 3: all states so far, states of each episode, new states of each episode.

    Mean and range over seeds.
    """
    with _coverage(rows) as drawing:
        return drawing.svg(name)


def coverage_png(rows: Sequence[Row], out: Path) -> Path:
    """Write the same with a legend; return `out`. Raises DataError if it cannot be written."""
    with _coverage(rows) as drawing:
        lines, strategies = drawing.panels[0].get_legend_handles_labels()
        drawing.figure.legend(
            lines, strategies, loc="outside lower center", ncols=len(STRATEGIES), frameon=False
        )

        return drawing.png(out)


@contextmanager
def _coverage(rows: Sequence[Row]) -> Iterator[Drawing]:
    panels: list[tuple[str, Callable[[Row], int], int]] = [
        ("states visited so far", lambda row: row.total_states, 1),
        ("states visited in an episode", lambda row: row.episode_states, SMOOTHING),
        ("of these, never visited before", lambda row: row.new_states, SMOOTHING),
    ]
    with figure(1, 3, 8.2, 2.8) as drawing:
        for axis, (title, value, smoothing) in zip(drawing.panels, panels, strict=True):
            for strategy in STRATEGIES:
                _draw_curve(axis, strategy, curves(rows, strategy, value), smoothing)
            axis.set(title=title, xlabel="episode", ylim=(0, None))

        yield drawing


def _draw_curve(axis: Axes, strategy: str, values: Numbers, smoothing: int) -> None:
    if values.size == 0:
        return

    width = min(smoothing, values.shape[1])

    # (seeds, episodes)
    smooth = np.stack([np.convolve(run, np.ones(width) / width, mode="valid") for run in values])
    episodes, colour = np.arange(width, values.shape[1] + 1), method_colour(strategy)
    axis.plot(episodes, smooth.mean(axis=0), color=colour, lw=1.6, label=strategy)
    axis.fill_between(
        episodes, smooth.min(axis=0), smooth.max(axis=0), color=colour, alpha=0.18, lw=0
    )


def novelty_map(
    visits: NDArray[np.int64], rnd: RND, world: DiscreteWorld, name: str, png: Path
) -> str:
    """Figure 2: how often the object was at each position, and the final novelty of its image
    there (mean over the visited angles).

    `png` is written, too. Raises DataError if that is not possible.
    """
    states = np.argwhere(visits > 0)  # (states, 3) x, y, angle
    chunks = np.array_split(states, 1 + len(states) // _CHUNK)

    # (states,)
    novelty = np.concatenate(
        [rnd.novelty(np.stack([world.render(s) for s in chunk])) for chunk in chunks]
    )
    sums, counts = np.zeros(visits.shape[:2]), np.zeros(visits.shape[:2])
    np.add.at(sums, (states[:, 0], states[:, 1]), novelty)
    np.add.at(counts, (states[:, 0], states[:, 1]), 1)
    mean = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    total = visits.sum(axis=2).astype(np.float64)
    pictures = (
        (np.log10(np.where(total > 0, total, np.nan)), "visits (log10)"),
        (mean, "RND novelty of visited states"),
    )

    with figure(1, 2, 6.4, 2.6) as drawing:
        for axis, (values, title) in zip(drawing.panels, pictures, strict=True):
            # x to the right, y down, as in the image
            drawn = axis.imshow(values.T, origin="upper", interpolation="nearest")
            axis.set(title=title, xlabel="x", ylabel="y")
            axis.grid(False)
            drawing.figure.colorbar(drawn, ax=axis)

        drawing.png(png)

        return drawing.svg(name)
