"""The option --recipe, which several commands have."""

from typing import Annotated, Literal

import typer

Recipe = Annotated[
    Literal["practical", "paper"],
    typer.Option(help="How a method learns and explores: what works, or the authors' values."),
]
