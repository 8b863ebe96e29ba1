"""`wayfarer train`: predictors and offline policies from recorded runs.

Finished work is kept.
"""

from pathlib import Path
from typing import Annotated, Literal

import typer

from wayfarer_cli.recipe import Recipe

train = typer.Typer(no_args_is_help=True, help="Learn offline from recorded runs.")

Runs = Annotated[
    list[Path],
    typer.Argument(help="Runs; each gives one predictor per seed."),
]
Epochs = Annotated[int, typer.Option(min=1, help="Passes over the training images.")]
Seeds = Annotated[int, typer.Option(min=1, max=1000, help="Trainings, with seeds from 0 on.")]
Split = Annotated[
    Literal["frames", "episodes"],
    typer.Option(
        help="Test on 5 % of each run's [b]frames[/b], as the paper does; or of its "
        "[b]episodes[/b], so that no neighbour in time of a test image was trained on."
    ),
]
Threads = Annotated[
    int,
    typer.Option(
        min=1, max=256, help="Torch's threads. More than one only helps on an idle machine."
    ),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"],
    typer.Option(help="Where to compute; [b]auto[/b]: on a CUDA device if there is one."),
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
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Predict the colour of the cube's upper face from an image.

    Accuracy, over all colours and of each.
    """
    from wayfarer_cli.train.predictors import train_predictors

    train_predictors("color", runs, out, epochs, seeds, split, threads, device, json)


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
    device: Device = "auto",
    json: Json = False,
) -> None:
    """Predict the cube's position from an image.

    Mean squared error in square metres, distance in millimetres.
    """
    from wayfarer_cli.train.predictors import train_predictors

    train_predictors("position", runs, out, epochs, seeds, split, threads, device, json)


@train.command()
def bcq(
    runs: Annotated[list[Path], typer.Argument(help="Runs; their steps are learned together.")],
    task: Annotated[
        str,
        typer.Option(
            help=(
                "[b]flip-[/b]COLOUR, [b]push[/b] (to the right of the picture), or both, for "
                "example [b]push-flip-green[/b]."
            )
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for policies and curves; an earlier training in it continues. Default: "
            "runs/TASK."
        ),
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Updates of each training.")] = 50_000,
    encoder_steps: Annotated[
        int,
        typer.Option(
            min=1,
            help=(
                "Updates before these, in which the encoder of [b]--recipe practical[/b] learns to "
                "see the cube."
            ),
        ),
    ] = 4000,
    seeds: Seeds = 3,
    sources: Annotated[
        Literal["all", "policy", "human", "balanced"],
        typer.Option(
            help=(
                "Whose steps to learn from; [b]balanced[/b]: half of each batch from the policy, "
                "half from a person."
            )
        ),
    ] = "all",
    threads: Threads = 1,
    device: Device = "auto",
    recipe: Recipe = "practical",
    json: Json = False,
) -> None:
    """Learn a task with BCQ from recorded steps. Stop it at any point; the same command continues.

    Each policy lies in OUT/seedK/policy.safetensors; `wayfarer evaluate` runs it.
    """
    from wayfarer_offline.train_bcq import OfflineConfig, bcq_constants
    from wayfarer_offline.train_encoder import PoseEncoding
    from wayfarer_policies.algorithms.networks import compute_device

    from wayfarer_cli.train.policies import train_policies

    where = compute_device(device)
    config = OfflineConfig(
        task,
        steps,
        bcq=bcq_constants(recipe, where),
        sources=sources,
        device=where,
        encoding=PoseEncoding(encoder_steps),
    )
    train_policies(config, runs, out or Path("runs") / task, seeds, threads, json)
