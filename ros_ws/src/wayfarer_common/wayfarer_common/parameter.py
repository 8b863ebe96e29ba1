"""A parameter as a field of a frozen dataclass: default, meaning with its unit, and what it may be. Knows no ROS.

    @dataclass(frozen=True)
    class Options:
        tau: float = param(0.005, "share by which targets follow in each update", 0.0, 1.0)

A node declares such a class with `wayfarer_common.params.declare`.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class About:
    """What is known of a parameter besides its type and default."""

    text: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]


def param(
    default: Any, text: str, low: float | None = None, high: float | None = None, choices: tuple[str, ...] = ()
) -> Any:
    """Describe a parameter: default, meaning with its unit, and either a closed range or a list of choices."""
    return field(default=default, metadata={"about": About(text, low, high, choices)})
