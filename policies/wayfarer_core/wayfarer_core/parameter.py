"""A parameter as a field of a frozen dataclass: default, meaning with its unit, and what it may be. Knows no ROS.

    @dataclass(frozen=True)
    class Options:
        tau: float = param(0.005, "share by which targets follow in each update", 0.0, 1.0)

A node declares such a class with `wayfarer_common.params.declare`.
"""

from collections.abc import Collection, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any


@dataclass(frozen=True)
class About:
    """What is known of a parameter besides its type and default."""

    text: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    like: Any  # a value of the same type and length
    needed: bool = False


def param(
    default: Any, text: str, low: float | None = None, high: float | None = None, choices: tuple[str, ...] = ()
) -> Any:
    """Describe a parameter: default, meaning with its unit, and either a closed range or a list of choices."""
    return field(default=default, metadata={"about": About(text, low, high, choices, default)})


def required(like: Any, text: str, low: float | None = None, high: float | None = None) -> Any:
    """Describe a parameter that must be given, as every limit of the arm must.

    `like` tells its type and length, and is no default that a misspelt section could fall back to.
    """
    return field(metadata={"about": About(text, low, high, (), like, needed=True)})


def missing(parameters: type[Any], given: Collection[str]) -> list[Field[Any]]:
    """Return the fields of `parameters` that must be given and are not among the keys given."""
    return [f for f in fields(parameters) if f.metadata["about"].needed and f.name not in given]


def without(node: str, lacking: Sequence[Field[Any]]) -> str:
    """Say which parameters a node was not given, what each is, and where to write them."""
    meanings = "; ".join(f"{f.name}: {f.metadata['about'].text}" for f in lacking)
    return (
        f"node {node} was not given {', '.join(f.name for f in lacking)}, "
        "and has no default for a limit of the arm. Write them into the parameter file, "
        f"section /**/{node}, ros__parameters, as launch/config has them. They are {meanings}"
    )
