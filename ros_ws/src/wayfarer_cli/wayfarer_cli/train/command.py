"""`wayfarer train`: predictors and offline policies from recorded runs.

What was finished before is kept.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

train = typer.Typer(no_args_is_help=True, help="Learn offline from recorded runs.")

Runs = Annotated[
    list[Path],
    typer.Argument(help="Runs; each is a dataset of its own: one predictor for each and seed."),
]
Epochs = Annotated[int, typer.Option(min=1, help="Times through the training images.")]
Seeds = Annotated[int, typer.Option(min=1, max=1000, help="Trainings, with seeds from 0 on.")]
Split = Annotated[
    Literal["frames", "episodes"],
    typer.Option(
        help="Test on 5 % of each run's [b]frames[/b], as the paper; or of its [b]episodes[/b], "
        "so that no test image has a neighbour in time that was trained on."
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        min=1, max=256, help="Torch's threads. More than one pays on an idle machine only."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of a table.")]


@train.command()
def color(
    runs: Runs,
    out: Annotated[
        Path, typer.Option(help="Folder for weights, results.json and results.png.")
    ] = Path("runs/color"),
    epochs: Epochs = 25,
    seeds: Seeds = 5,
    split: Split = "frames",
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Tell the colour of the cube's upper face from an image.

    Accuracy, over all colours and of each.
    """
    from wayfarer_cli.train.predictors import train_predictors

    train_predictors("color", runs, out, epochs, seeds, split, threads, json)


@train.command()
def position(
    runs: Runs,
    out: Annotated[
        Path, typer.Option(help="Folder for weights, results.json and results.png.")
    ] = Path("runs/position"),
    epochs: Epochs = 25,
    seeds: Seeds = 5,
    split: Split = "frames",
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Tell where the cube is from an image.

    Mean squared error in square metres, distance in millimetres.
    """
    from wayfarer_cli.train.predictors import train_predictors

    train_predictors("position", runs, out, epochs, seeds, split, threads, json)


@train.command()
def bcq(
    runs: Annotated[list[Path], typer.Argument(help="Runs that are learned from together.")],
    task: Annotated[
        str,
        typer.Option(
            help=(
                "[b]flip-[/b]COLOUR, [b]push[/b] (to the right of the picture), or both, as in "
                "[b]push-flip-green[/b]."
            )
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for policies and curves; a training in it goes on. Default: runs/TASK."
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Updates of each training.")] = 50_000,
    seeds: Seeds = 3,
    sources: Annotated[
        Literal["all", "policy", "human", "balanced"],
        typer.Option(
            help=(
                "Whose steps to learn from; [b]balanced[/b]: half of each batch the policy's, half "
                "a person's."
            )
        ),
    ] = "all",
    threads: Threads = 1,
    json: Json = False,
) -> None:
    """Learn a task with BCQ from recorded steps. Stopped at any point, the same command goes on.

    Each policy lies in OUT/seedK/policy.safetensors; `wayfarer evaluate` runs it.
    """
    from wayfarer_offline.train_bcq import OfflineConfig

    from wayfarer_cli.train.policies import train_policies

    config = OfflineConfig(task, steps, sources=sources)
    train_policies(config, runs, out or Path("runs") / task, seeds, threads, json)
