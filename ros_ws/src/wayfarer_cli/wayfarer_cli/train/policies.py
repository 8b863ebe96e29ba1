"""`wayfarer train bcq`."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.progress import Progress
from rich.table import Table
from wayfarer_data.cache.dataset import Dataset
from wayfarer_offline.pose_labels import PoseLabels
from wayfarer_offline.train_bcq import OfflineConfig, train_bcq
from wayfarer_policies.acting.offline_policy import read_policy
from wayfarer_report.console import bars, show
from wayfarer_report.drawings.offline_figures import draw_curves

from wayfarer_cli.opening import label, open_runs


def train_policies(
    config: OfflineConfig, runs: Sequence[Path], out: Path, seeds: int, threads: int, as_json: bool
) -> None:
    """Train one policy for each seed on all runs together.

    Print the results and write them to `out`.
    """
    torch.set_num_threads(threads)
    with bars() as progress:
        dataset = open_runs(runs, progress)
        labels = label(dataset, progress)
        files = [
            _train(config, dataset, labels, seed, out / f"seed{seed}", progress)
            for seed in range(seeds)
        ]

    curves = {
        file.parent.name: json.loads((file.parent / "curve.json").read_text()) for file in files
    }
    results = [_result(file, curves[file.parent.name]) for file in files]
    (out / "results.json").write_text(json.dumps(results, indent=1))
    picture = draw_curves(curves, f"BCQ, {config.task}, {len(dataset)} steps", out / "curves.png")

    if as_json:
        print(json.dumps({"task": config.task, "policies": results}))
        return

    data = results[0]["data"]
    table = Table("policy", "updates", "critics' loss", "autoencoder's loss", "value")
    table.title = (
        f"{config.task}: learned from {data['steps']} steps, {data['successes']} of them into a "
        "success"
    )

    for result in results:
        last = result["last"]
        losses = (f"{last[key]:.3g}" for key in ("critic_loss", "vae_loss", "q"))
        table.add_row(result["policy"], str(result["updates"]), *losses)

    show(table)
    print(picture)
    print(f"next: wayfarer evaluate {files[0]} --episodes 20 --in-process")


def _train(
    config: OfflineConfig,
    dataset: Dataset,
    labels: PoseLabels,
    seed: int,
    out: Path,
    progress: Progress,
) -> Path:
    seeing = progress.add_task(
        f"encoder, seed {seed}",
        total=config.encoding.updates,
        visible=config.bcq.networks.encoders == "pose",
    )
    bar = progress.add_task(f"{config.task}, seed {seed}", total=config.steps)
    warned = False

    def tell_encoder(done: int, loss: float) -> None:
        words = f"encoder, seed {seed}: loss {loss:.2g}"
        progress.update(seeing, completed=done, description=words)

    def tell(done: int, metrics: dict[str, float]) -> None:
        nonlocal warned
        if metrics["feature_spread"] == 0.0 and not warned:
            warned = True
            progress.console.print(
                f"update {done}: the encoder is dead, its features are the same for every image, "
                "so nothing is learned from images; stop, and use --recipe practical"
            )

        words = (
            f"{config.task}, seed {seed}: loss {metrics['critic_loss']:.2g}, value "
            f"{metrics['q']:.2g}"
        )
        progress.update(bar, completed=done, description=words)

    file = train_bcq(config, dataset, seed, out, tell, labels, tell_encoder)
    progress.update(seeing, completed=config.encoding.updates)
    progress.update(bar, completed=config.steps)

    return file


def _result(file: Path, curve: dict[str, list[float]]) -> dict[str, Any]:
    last = {key: values[-1] for key, values in curve.items()}
    return {"policy": str(file), **read_policy(file).about, "last": last}
