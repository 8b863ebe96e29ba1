"""Parameters of the view node."""

from dataclasses import dataclass

from wayfarer_core.parameter import param


@dataclass(frozen=True)
class Params:
    """Parameters of the view node."""

    ask_period: float = param(
        1.0, "time between two questions to control for its box, until it answers [s]", 0.1, 60.0
    )
