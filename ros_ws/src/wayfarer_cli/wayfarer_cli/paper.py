"""`wayfarer paper`: the paper's experiments in one command."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from wayfarer_cli.recipe import Recipe


def paper(
    out: Annotated[
        Path, typer.Option(help="Folder of the experiment; finished work in it is kept.")
    ],
    stage: Annotated[
        Literal["collect", "report", "supervised", "offline", "toy", "all"],
        typer.Argument(
            help="[b]collect[/b] (Figure 5), [b]report[/b] (Figure 4), [b]supervised[/b] (Figure "
            "6), [b]offline[/b] (Figure 7), [b]toy[/b] (Figure 3), or [b]all[/b]. Each runs the "
            "earlier stages that it needs."
        ),
    ] = "all",
    size: Annotated[
        Literal["small", "medium", "large", "hidden", "full"],
        typer.Option(
            "--scale",
            help="[b]small[/b]: tens of minutes; [b]medium[/b]: 20,000 steps a dataset, a night; "
            "[b]large[/b]: 50,000 steps; [b]hidden[/b]: medium, with the robot left out of the "
            "image; [b]full[/b]: the paper's sizes, weeks.",
        ),
    ] = "small",
    seeds: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=1000,
            help="Datasets per method and seeds of the toy world; default: the scale's.",
        ),
    ] = None,
    recipe: Recipe = "practical",
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Processes at once; default: one for each core."),
    ] = None,
    address: Annotated[
        str,
        typer.Option(
            help=(
                "Ray cluster, HOST:PORT, that sees --out under the same path; default: this "
                "machine."
            )
        ),
    ] = "",
) -> None:
    """Reproduce the paper: collect, report, learn, evaluate.

    One page and a CSV file for each figure.

    Stop it at any point; the same command continues: finished jobs are kept, killed ones are
    repeated.
    """
    from wayfarer_paper.run import run_paper
    from wayfarer_paper.scales import scale

    run_paper(stage, scale(size, recipe, seeds), out, workers, address)
