"""Figures 2 and 3 of the paper from what the toy experiment has left on disk: PNG files, drawn without a display."""

from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")  # before pyplot: no display is needed or looked for

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from wayfarer_policies.rnd import RND
from wayfarer_policies.toy import STRATEGIES, DiscreteWorld, Row, ToyConfig, load_rnd

Numbers = NDArray[np.float64]
NAMES = {"goal": "most novel goal (ours)", "goal-random": "random goal", "goal-min": "least novel goal"}
COLOURS = dict(zip(STRATEGIES, ("tab:blue", "tab:cyan", "tab:purple", "tab:orange", "tab:gray"), strict=True))
SMOOTHING = 10  # [episodes] moving mean of the per-episode curves


def curves(rows: Sequence[Row], strategy: str, value: Callable[[Row], int]) -> Numbers:
    """Return one value by seed and episode (seeds, episodes), as far as all seeds have come."""
    seeds = sorted({row.seed for row in rows if row.strategy == strategy})
    runs = [[value(row) for row in rows if (row.strategy, row.seed) == (strategy, seed)] for seed in seeds]
    length = min(map(len, runs), default=0)
    return np.array([run[:length] for run in runs], dtype=np.float64).reshape(len(runs), length)


def draw_coverage(rows: Sequence[Row], path: Path) -> None:
    """Figure 3: all states so far, states of each episode, new states of each episode; mean and range over seeds."""
    figure, axes = plt.subplots(1, 3, figsize=(15, 4.2), layout="constrained")
    panels: list[tuple[str, Callable[[Row], int], int]] = [
        ("states visited so far", lambda row: row.total_states, 1),
        ("states visited in an episode", lambda row: row.episode_states, SMOOTHING),
        ("of these, never visited before", lambda row: row.new_states, SMOOTHING),
    ]
    for axis, (title, value, smoothing) in zip(axes, panels, strict=True):
        for strategy in STRATEGIES:
            _draw_curve(axis, strategy, curves(rows, strategy, value), smoothing)
        axis.set(title=title, xlabel="episode", ylim=(0, None))
    axes[0].legend()
    figure.savefig(path, dpi=120)
    plt.close(figure)


def _draw_curve(axis: Axes, strategy: str, values: Numbers, smoothing: int) -> None:
    if values.size == 0:
        return
    width = min(smoothing, values.shape[1])
    smooth = np.stack([np.convolve(run, np.ones(width) / width, mode="valid") for run in values])  # (seeds, episodes)
    episodes = np.arange(width, values.shape[1] + 1)
    axis.plot(episodes, smooth.mean(axis=0), color=COLOURS[strategy], label=NAMES.get(strategy, strategy))
    axis.fill_between(episodes, smooth.min(axis=0), smooth.max(axis=0), color=COLOURS[strategy], alpha=0.2, lw=0)


def draw_novelty(visits: NDArray[np.int64], rnd: RND, world: DiscreteWorld, path: Path) -> None:
    """Figure 2: where the object was, and how novel its image is at the end (mean over the angles visited there)."""
    states = np.argwhere(visits > 0)  # (states, 3) x, y, angle
    chunks = np.array_split(states, 1 + len(states) // 2000)
    novelty = np.concatenate([rnd.novelty(np.stack([world.render(s) for s in chunk])) for chunk in chunks])  # (states,)
    sums, counts = np.zeros(visits.shape[:2]), np.zeros(visits.shape[:2])
    np.add.at(sums, (states[:, 0], states[:, 1]), novelty)
    np.add.at(counts, (states[:, 0], states[:, 1]), 1)
    mean = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    total = visits.sum(axis=2).astype(np.float64)
    figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    pictures = (
        (np.log10(np.where(total > 0, total, np.nan)), "visits (log10)"),
        (mean, "RND novelty of visited states"),
    )
    for axis, (values, title) in zip(axes, pictures, strict=True):
        drawn = axis.imshow(values.T, origin="upper")  # x to the right, y down, as in the world's images
        axis.set(title=title, xlabel="x", ylabel="y")
        figure.colorbar(drawn, ax=axis)
    figure.savefig(path, dpi=120)
    plt.close(figure)


def summary(rows: Sequence[Row]) -> list[tuple[str, int, float, float, float, float]]:
    """Return strategy, seeds, mean, least and greatest final coverage, and new states per episode in the last fifth."""
    found = []
    for strategy in STRATEGIES:
        total, new = (curves(rows, strategy, value) for value in (lambda r: r.total_states, lambda r: r.new_states))
        if total.size:
            last, late = total[:, -1], new[:, -max(1, new.shape[1] // 5) :]
            found.append((strategy, len(last), last.mean(), last.min(), last.max(), float(late.mean())))
    return found


def draw_all(rows: Sequence[Row], config: ToyConfig, world: DiscreteWorld, out: Path) -> list[Path]:
    """Draw OUT/coverage.png, and OUT/novelty_STRATEGY.png of each strategy's first seed; return the paths."""
    paths = [out / "coverage.png"]
    draw_coverage(rows, paths[0])
    for strategy in STRATEGIES:
        seeds = [row.seed for row in rows if row.strategy == strategy]
        folder = out / "runs" / f"{strategy}_{min(seeds, default=0)}"
        if seeds and (folder / "rnd.safetensors").exists():
            paths.append(out / f"novelty_{strategy}.png")
            draw_novelty(np.load(folder / "visits.npy"), load_rnd(config, world, folder), world, paths[-1])
    return paths
