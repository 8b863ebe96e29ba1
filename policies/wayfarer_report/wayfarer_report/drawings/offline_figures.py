"""Small figures of offline learning."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # files only, no display needed
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

_CURVES = {
    "critic_loss": "critics' loss",
    "vae_loss": "autoencoder's loss",
    "q": "value of the data's actions",
    "td_target": "their target",
}


def draw_scores(
    scores: Mapping[str, Sequence[float]], guesses: Mapping[str, float], label: str, file: Path
) -> Path:
    """Draw one point for each seed above the name of each dataset, the median as a bar, and the
    constant guess dashed.
    """
    figure, axis = plt.subplots(
        figsize=(1.5 + 1.3 * max(2, len(scores)), 3.2), layout="constrained"
    )
    for place, (name, values) in enumerate(scores.items()):
        ordered = sorted(values)
        middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
        axis.plot([place] * len(values), values, "o", color="#3465a4", alpha=0.6, markersize=5)
        axis.hlines(middle, place - 0.25, place + 0.25, color="#204a87", linewidth=2)
        axis.hlines(guesses[name], place - 0.25, place + 0.25, color="#888a85", linestyle="dashed")

    axis.set_xticks(range(len(scores)), list(scores))
    axis.set_xlim(-0.6, len(scores) - 0.4)
    axis.set_ylim(
        0, 1.08 * max(max(guesses.values()), *(max(values) for values in scores.values()))
    )
    axis.set_ylabel(label)
    axis.set_title("points: seeds; bar: median; dashed: guess without looking", fontsize=8)

    return _save(figure, file)


def draw_curves(
    curves: Mapping[str, Mapping[str, Sequence[float]]], title: str, file: Path
) -> Path:
    """Draw BCQ's learning curves, one line for each name in `curves`.

    Each curve holds a `step` beside its values.
    """
    figure, axes = plt.subplots(2, 2, figsize=(7.5, 4.6), layout="constrained", sharex=True)
    for axis, (key, words) in zip(axes.flat, _CURVES.items(), strict=True):
        for name, curve in curves.items():
            axis.plot(curve["step"], curve[key], linewidth=1, label=name)
        axis.set_title(words, fontsize=9)
        axis.tick_params(labelsize=8)

    for axis in axes[1]:
        axis.set_xlabel("updates", fontsize=9)

    axes[0, 0].legend(fontsize=8)
    figure.suptitle(title, fontsize=10)

    return _save(figure, file)


def _save(figure: Figure, file: Path) -> Path:
    figure.savefig(file, dpi=120)
    plt.close(figure)
    return file
