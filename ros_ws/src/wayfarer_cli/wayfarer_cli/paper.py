"""`wayfarer paper`: the paper's experiments, restartable, at two scales."""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from wayfarer_common.errors import ConfigError

paper = typer.Typer(no_args_is_help=True, help="Reproduce the paper's experiments.")

SCALES = ("small", "full")


@paper.command()
def toy(
    out: Annotated[Path, typer.Option(help="Folder for coverage.csv and the figures; finished runs in it are kept.")],
    scale: Annotated[str, typer.Option(help="[b]small[/b]: minutes; [b]full[/b]: the paper's sizes, days.")] = "small",
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Seeds per strategy.")] = 3,
    workers: Annotated[int, typer.Option(min=1, max=1024, help="Processes at once.")] = 2,
) -> None:
    """Figures 2 and 3: how many states of the toy world five strategies visit."""
    from wayfarer_policies import toy as experiment
    from wayfarer_policies.toy_figures import draw_all, summary
    from wayfarer_sim import pixel_world

    if scale not in SCALES:
        raise ConfigError(f"scale {scale!r} is not one of {', '.join(SCALES)}")
    config = experiment.SMALL if scale == "small" else experiment.FULL
    make_world = partial(pixel_world.PixelWorld, pixel_world.SMALL if scale == "small" else pixel_world.FULL)
    console = Console()
    with Progress(console=console) as progress:
        task = progress.add_task("toy world", total=seeds * len(experiment.STRATEGIES))
        rows = experiment.run_all(
            config,
            make_world,
            range(seeds),
            out,
            pool=experiment.processes(workers),
            report=lambda strategy, seed, _: progress.update(task, advance=1, description=f"{strategy}, seed {seed}"),
        )
    table = Table(
        "strategy", "seeds", "states visited: mean", "lowest", "highest", "new states per episode, last fifth"
    )
    for strategy, *figures in summary(rows):
        table.add_row(strategy, *(f"{value:.0f}" for value in figures))
    console.print(table)
    for path in draw_all(rows, config, make_world(), out):
        print(path)
