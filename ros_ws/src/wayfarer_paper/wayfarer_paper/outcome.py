"""The results of finished cells as rows of CSV files, and as medians with spreads."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from statistics import median
from typing import Any, TypeVar

from wayfarer_core.cube import FACES

from wayfarer_paper import plan
from wayfarer_paper.cells import toy_folder
from wayfarer_paper.grid import Cell, Result, file_of, read_result
from wayfarer_paper.scales import Scale
from wayfarer_paper.toy import Row, read_rows

ENOUGH = 3  # datasets of each method that are needed to claim an order


@dataclass(frozen=True)
class Score:
    """One number of one dataset and one seed, or of a whole dataset."""

    variant: str
    dataset: int
    seed: int
    value: float


@dataclass(frozen=True)
class Standing:
    """A variant's median over datasets and seeds, and the extremes."""

    variant: str
    datasets: int
    median: float
    low: float
    high: float


def finished(folder: Path, cells: Iterable[Cell]) -> dict[str, Result]:
    """Return the existing results of these cells, in order.

    DataError if one cannot be read.

    Results with other arguments, or that depend on such results, are left out.
    """
    found: dict[str, Result] = {}
    for cell in cells:
        if file_of(folder, cell.name).exists() and found.keys() >= set(cell.after):
            result = read_result(folder, cell.name)
            if result.arguments == cell.arguments:
                found[cell.name] = result

    return found


def standings(scores: Sequence[Score], higher_is_better: bool) -> list[Standing]:
    """Return the variants, the best median first; equal medians keep their order."""
    by: dict[str, list[float]] = {}
    datasets: dict[str, set[int]] = {}
    for score in scores:
        by.setdefault(score.variant, []).append(score.value)
        datasets.setdefault(score.variant, set()).add(score.dataset)

    found = [
        Standing(name, len(datasets[name]), median(of), min(of), max(of)) for name, of in by.items()
    ]

    return sorted(found, key=lambda s: -s.median if higher_is_better else s.median)


def in_words(ranking: Sequence[Standing], form: Callable[[float], str]) -> str:
    """Return a ranking with its spreads.

    > stands between neighbours with ENOUGH datasets each whose ranges do not overlap.
    """
    words = ""
    for k, one in enumerate(ranking):
        if k:
            before = ranking[k - 1]
            apart = before.low > one.high or before.high < one.low
            words += " > " if apart and min(before.datasets, one.datasets) >= ENOUGH else " ~ "

        words += standing_in_words(one, form)

    return words


def standing_in_words(one: Standing, form: Callable[[float], str]) -> str:
    """Return a variant's median, its spread, and n, its number of datasets."""
    return (
        f"{one.variant} {form(one.median)} ({form(one.low)} to {form(one.high)}; n = "
        f"{one.datasets})"
    )


# --- Figure 3 ---


def toy_rows(folder: Path, results: Mapping[str, Result]) -> list[Row]:
    """Return the numbers of every finished run of the toy world."""
    done = [result.arguments for name, result in results.items() if name.startswith("toy/")]

    return [
        row
        for one in done
        for row in read_rows(toy_folder(folder, one["strategy"], one["seed"]) / "coverage.csv")
    ]


# --- Figure 5 ---


@dataclass(frozen=True)
class Coverage:
    """A line of figure5.csv: one dataset.

    Entropies in bits; `faces` are numbers of observations.
    """

    variant: str
    dataset: int
    steps: int
    lost_steps: int
    moved_steps: int
    cells: int
    cell_entropy: float
    face_entropy: float
    white: int
    red: int
    green: int
    blue: int
    yellow: int
    cyan: int


def coverage(scale: Scale, results: Mapping[str, Result]) -> list[Coverage]:
    """Return a line for each dataset with a result."""
    lines = []
    for variant, repetition, run in plan.runs(scale):
        if (result := results.get(f"describe/{run}")) is not None:
            n = result.value
            shared = {
                key: n[key]
                for key in (
                    "steps",
                    "lost_steps",
                    "moved_steps",
                    "cells",
                    "cell_entropy",
                    "face_entropy",
                )
            }
            counts = {face: n["faces"].get(face, 0) for face in FACES}
            lines.append(Coverage(variant.name, repetition, **shared, **counts))

    return lines


@dataclass(frozen=True)
class Growth:
    """A line of growth.csv: a dataset's coverage after some of its steps."""

    variant: str
    dataset: int
    steps: int
    cells: int
    moved_steps: int


def growth(scale: Scale, results: Mapping[str, Result]) -> list[Growth]:
    """Return the lines of each dataset with a result."""
    return [
        Growth(variant.name, repetition, *point)
        for variant, repetition, run in plan.runs(scale)
        if (result := results.get(f"describe/{run}")) is not None
        for point in result.value.get("growth", [])
    ]


# --- Figure 6 ---


@dataclass(frozen=True)
class Predicted:
    """A line of figure6-*.csv: one predictor.

    "Unseen" test images are those whose exact picture was not trained on.
    """

    variant: str
    dataset: int
    seed: int
    train_images: int
    test_images: int
    unseen_images: int


@dataclass(frozen=True)
class Colours(Predicted):
    """A line of figure6-color.csv."""

    accuracy: float
    balanced_accuracy: float  # mean over the colours
    unseen_accuracy: float | None
    guess_accuracy: float  # of the best constant guess


@dataclass(frozen=True)
class Positions(Predicted):
    """A line of figure6-position.csv."""

    error_mm: float
    mse_m2: float
    unseen_error_mm: float | None
    guess_error_mm: float
    guess_mse_m2: float


P = TypeVar("P", bound=Predicted)


def predictions(scale: Scale, results: Mapping[str, Result], target: str, kind: type[P]) -> list[P]:
    """Return a line for each predictor of a target with a result."""
    lines = []
    for variant, repetition, run in plan.runs(scale):
        for seed in range(scale.predictor_seeds):
            if (result := results.get(f"{target}/{run}-{seed}")) is not None:
                unseen = result.value["unseen_scores"] or {}
                found = {
                    **result.value["scores"],
                    **{f"unseen_{key}": value for key, value in unseen.items()},
                }
                found |= {
                    f.name: result.value[f.name]
                    for f in fields(Predicted)
                    if f.name.endswith("_images")
                }
                names = [
                    f.name for f in fields(kind) if f.name not in ("variant", "dataset", "seed")
                ]
                values: dict[str, Any] = {name: found.get(name) for name in names}
                lines.append(kind(variant.name, repetition, seed, **values))

    return lines


# --- Figure 7 ---


@dataclass(frozen=True)
class Trial:
    """A line of figure7.csv.

    One policy's trials; none if all steps of the data have the same reward.
    """

    task: str
    variant: str
    dataset: int
    seed: int
    episodes: int
    at_end: int  # trials with a success in the last state: Figure 7 shows it
    at_any_time: int


def trials(scale: Scale, results: Mapping[str, Result]) -> list[Trial]:
    """Return a line for each policy with trials, and for random actions (dataset and seed
    -1).
    """
    lines = []
    for task in scale.tasks:
        for variant, repetition, run in plan.runs(scale):
            for seed in range(scale.bcq_seeds):
                result = results.get(f"try/{task}-{run}-{seed}")
                lines += (
                    [Trial(task, variant.name, repetition, seed, **result.value)] if result else []
                )

        at_random = results.get("try/random-actions")
        lines += (
            [Trial(task, plan.ACTIONS_AT_RANDOM, -1, -1, **at_random.value[task])]
            if at_random
            else []
        )

    return lines


def without_policy(lines: Sequence[Trial]) -> dict[str, list[int]]:
    """Return, for each variant, the datasets from which nothing could be learned, if there are
    some.
    """
    found: dict[str, list[int]] = {}
    for variant, dataset in dict.fromkeys(
        (line.variant, line.dataset) for line in lines if not line.episodes
    ):
        found.setdefault(variant, []).append(dataset)

    return found
