"""The option that several commands share: how a method learns and explores."""

from typing import Annotated

import typer

Recipe = Annotated[
    str, typer.Option(help="How a method learns and explores: [b]practical[/b], or [b]paper[/b] (the authors' values).")
]
