"""`wayfarer evaluate`."""

import json
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from wayfarer_policies.replay.run_directory import RunDirectory

from wayfarer_cli.in_process.config import configuration_of_run
from wayfarer_cli.in_process.goals import Distances, evaluate


def evaluate_goals(run: Path, episodes: int, steps: int, seed: int, as_json: bool) -> None:
    """Print how near the run's policy comes to stored images, beside random actions and standing still."""
    configuration = configuration_of_run(RunDirectory(run).description(), namespace="")
    with Progress(console=Console(stderr=True)) as progress:
        task = progress.add_task("reaching goals", total=3 * episodes)
        found = evaluate(configuration, run, episodes, steps, seed, lambda: progress.update(task, advance=1))
    if as_json:
        print(json.dumps({name: asdict(distances) for name, distances in found.items()}))
        return
    table = Table(
        "policy", "end effector to the goal's", "cube to the goal's", title=f"{episodes} goals, {steps} steps"
    )
    for name, distances in found.items():
        table.add_row(name, *_rows(distances))
    Console().print(table)


def _rows(distances: Distances) -> tuple[str, str]:
    ee, cube = (
        f"{100 * mean:.1f} cm ({100 * low:.1f} to {100 * high:.1f})"
        for mean, low, high in (distances.ee_mean, distances.cube_mean)
    )
    return ee, cube
