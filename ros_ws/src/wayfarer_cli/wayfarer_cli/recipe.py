"""The option that several commands share: how a method learns and explores."""

from typing import Annotated, Literal

import typer

Recipe = Annotated[
    Literal["practical", "paper"],
    typer.Option(help="How a method learns and explores: what works, or the authors' values."),
]
