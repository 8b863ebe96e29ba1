"""`wayfarer train color` and `wayfarer train position`."""

import json
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.progress import Progress
from rich.table import Table
from wayfarer_bags.run_directory import refuse_repeats
from wayfarer_core.cube import FACES
from wayfarer_core.provenance import completed, refuse_another_training
from wayfarer_data.cache.dataset import Dataset
from wayfarer_offline.supervised import PredictorConfig, read_predictor, train_predictor
from wayfarer_policies.algorithms.networks import compute_device
from wayfarer_report.console import bars, show
from wayfarer_report.drawings.offline_figures import draw_scores

from wayfarer_cli.opening import label, open_runs

Results = dict[str, list[dict[str, Any]]]  # dataset -> PredictorResult.to_json() of each seed


def train_predictors(
    target: str,
    runs: Sequence[Path],
    out: Path,
    epochs: int,
    seeds: int,
    split: str,
    threads: int,
    device: str,
    as_json: bool,
) -> None:
    """Train and test one predictor for each run and seed.

    Print the results and write them to `out`.
    """
    torch.set_num_threads(threads)
    config = PredictorConfig(target, epochs=epochs, split=split, device=compute_device(device))
    refuse_repeats(runs)  # now, not after all are opened and labelled

    with bars() as progress:
        datasets = [open_runs([run], progress) for run in runs]
        results = _train_all(config, datasets, out, seeds, progress)

    summary = {
        "target": target,
        "split": split,
        "datasets": {name: _summary(of) for name, of in results.items()},
    }
    (out / "results.json").write_text(json.dumps({**summary, "results": results}, indent=1))
    picture = _draw(target, results, out / "results.png")

    if as_json:
        print(json.dumps(summary))
        return

    show(_table(target, results))
    print(picture)


def _train_all(
    config: PredictorConfig, datasets: Sequence[Dataset], out: Path, seeds: int, progress: Progress
) -> Results:
    """Train the predictors that are not finished yet."""
    labels = [label(dataset, progress) for dataset in datasets]
    results: Results = {}
    task = progress.add_task("", total=None)

    for which in range(len(datasets)):
        name = _name(datasets, which)
        for seed in range(seeds):
            progress.reset(task, description=f"{config.target} from {name}, seed {seed}")
            file = out / f"{name}-seed{seed}.safetensors"
            found = (
                _finished(config, datasets, which, file)
                or train_predictor(
                    config,
                    datasets,
                    which,
                    seed,
                    file,
                    lambda done, total: progress.update(task, completed=done, total=total),
                    labels,
                ).to_json()
            )
            results.setdefault(name, []).append(found)

    progress.remove_task(task)

    return results


def _finished(
    config: PredictorConfig, datasets: Sequence[Dataset], which: int, file: Path
) -> dict[str, Any] | None:
    """Return the result of an earlier call; ConfigError if that was another training."""
    if not file.exists():
        return None

    _, result = read_predictor(file)
    wanted = {
        "config": json.loads(json.dumps(vars(config))),
        "datasets": [dataset.digest for dataset in datasets],
        "which": which,
    }
    found = {key: result.get(key) for key in wanted}
    defaults = {"config": vars(PredictorConfig(config.target))}
    refuse_another_training(file, completed(found, defaults), wanted)

    return result


def _name(datasets: Sequence[Dataset], which: int) -> str:
    """Return a run's folder name, with its index in front if two have the same name."""
    names = [dataset.runs[0].resolve().name for dataset in datasets]
    return names[which] if names.count(names[which]) == 1 else f"{which}-{names[which]}"


def _values(results: Sequence[dict[str, Any]], *keys: str) -> list[float]:
    return [result[keys[0]][keys[1]] for result in results if result[keys[0]] is not None]


def _summary(results: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return medians over the seeds of one dataset, None if there are no values."""
    first = results[0]
    numbers = [key for key, value in first["scores"].items() if isinstance(value, float)]
    unseen = {
        key: _values(results, "unseen_scores", key)
        for key in numbers
        if not key.startswith("guess")
    }

    return {
        "run": first["runs"][0],
        "labels": first["labels"][first["runs"][0]],
        "seeds": len(results),
        **{key: first[key] for key in ("train_images", "test_images", "unseen_images")},
        **{key: median(_values(results, "scores", key)) for key in numbers},
        **{f"unseen_{key}": median(values) if values else None for key, values in unseen.items()},
        **({"per_colour": _per_colour(results)} if "per_colour" in first["scores"] else {}),
    }


def _per_colour(results: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    shares = {face: [result["scores"]["per_colour"][face] for result in results] for face in FACES}
    return {face: None if None in of else median(of) for face, of in shares.items()}


def _draw(target: str, results: Results, file: Path) -> Path:
    score, guess, label = {
        "color": ("accuracy", "guess_accuracy", "accuracy of the upper colour"),
        "position": ("error_mm", "guess_error_mm", "error of the position [mm]"),
    }[target]
    scores = {name: _values(of, "scores", score) for name, of in results.items()}

    return draw_scores(
        scores, {name: of[0]["scores"][guess] for name, of in results.items()}, label, file
    )


def _table(target: str, results: Results) -> Table:
    """Make a table of the datasets."""
    columns = {
        name: (_colour_rows if target == "color" else _position_rows)(of)
        for name, of in results.items()
    }
    table = Table(
        "trained on", *columns, title="median (lowest to highest) over seeds, common test set"
    )
    for cells in zip(*columns.values(), strict=True):
        table.add_row(cells[0][0], *(text for _, text in cells))

    return table


def _colour_rows(results: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    summary = _summary(results)
    shares = summary["per_colour"].items()

    return [
        *_image_rows(summary),
        ("accuracy", _spread(_values(results, "scores", "accuracy"), 100, " %")),
        ("  on unseen pictures", _spread(_values(results, "unseen_scores", "accuracy"), 100, " %")),
        ("  mean of the colours'", f"{100 * summary['balanced_accuracy']:.1f} %"),
        *(
            (f"  {face}", "-" if share is None else f"{100 * share:.0f} %")
            for face, share in shares
        ),
        ("  guess without looking", f"{100 * summary['guess_accuracy']:.1f} %"),
    ]


def _position_rows(results: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    summary = _summary(results)

    return [
        *_image_rows(summary),
        ("error, mm", _spread(_values(results, "scores", "error_mm"), 1, "")),
        ("  on unseen pictures", _spread(_values(results, "unseen_scores", "error_mm"), 1, "")),
        ("  guess without looking", f"{summary['guess_error_mm']:.1f}"),
        ("mean squared error, m²", f"{summary['mse_m2']:.2e}"),
        (
            "  on unseen pictures",
            "-" if (mse := summary["unseen_mse_m2"]) is None else f"{mse:.2e}",
        ),
        ("  guess without looking", f"{summary['guess_mse_m2']:.2e}"),
    ]


def _image_rows(summary: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("training images", str(summary["train_images"])),
        ("test images (unseen)", f"{summary['test_images']} ({summary['unseen_images']})"),
    ]


def _spread(values: Sequence[float], factor: float, unit: str) -> str:
    if not values:
        return "-"
    low, middle, high = (factor * of for of in (min(values), median(values), max(values)))
    return f"{middle:.1f}{unit} ({low:.1f} to {high:.1f})"
