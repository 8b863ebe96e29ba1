"""A parameter as a field of a frozen dataclass: default, meaning, unit, range or choices.

This module does not import ROS.

    @dataclass(frozen=True)
    class Options:
        tau: float = param(0.005, "share by which targets follow in each update", 0.0, 1.0)

A node declares such a class with `wayfarer_common.params.declare`.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any, TypeVar

from wayfarer_core.errors import ConfigError

P = TypeVar("P")


@dataclass(frozen=True)
class About:
    """The description of a parameter, without type and default."""

    text: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]
    like: Any  # a value of the same type and length
    needed: bool = False
    any_length: bool = False  # of a list


def param(
    default: Any,
    text: str,
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
) -> Any:
    """Describe a parameter: its default, its meaning with the unit, a closed range or choices."""
    return field(default=default, metadata={"about": About(text, low, high, choices, default)})


def required(like: Any, text: str, low: float | None = None, high: float | None = None) -> Any:
    """Describe a parameter without a default. Every limit of the arm is one.

    `like` only gives the type and length. It is no default: a misspelt section is an error.
    """
    return field(metadata={"about": About(text, low, high, (), like, needed=True)})


def texts(text: str, choices: tuple[str, ...] = ()) -> Any:
    """Describe a list of any number of texts, each one of `choices` if there are any.

    The default is the empty list.
    """
    return field(
        default=(), metadata={"about": About(text, None, None, choices, ("",), any_length=True)}
    )


def missing(parameters: type[Any], given: Collection[str]) -> list[Field[Any]]:
    """Return the fields of `parameters` without default that `given` lacks."""
    return [f for f in fields(parameters) if f.metadata["about"].needed and f.name not in given]


def without(node: str, lacking: Sequence[Field[Any]]) -> str:
    """Say which parameters a node lacks, what they mean, and where to write them."""
    meanings = "; ".join(f"{f.name}: {f.metadata['about'].text}" for f in lacking)

    return (
        f"node {node} was not given {', '.join(f.name for f in lacking)}, "
        "and has no default for a limit of the arm. Write them into the parameter file, "
        f"section /**/{node}, ros__parameters, as launch/config has them. They are {meanings}"
    )


def checked(kind: type[P], node: str, values: Mapping[str, Any]) -> P:
    """Return a node's parameters with these values, and defaults for the rest.

    Raises ConfigError, naming node, key and a valid value, for an unknown key, a missing key, and a
    value of the wrong type or length, outside its range, or not among its choices.
    """
    lacking = missing(kind, values)
    if lacking and not _unknown(kind, values):
        raise ConfigError(without(node, lacking))
    return made_of(kind, f"node {node}", "parameter", values)


def made_of(kind: type[P], where: str, word: str, values: Mapping[str, Any]) -> P:
    """Return a `kind` with these values for its fields. Messages call a field a `word`.

    Raises ConfigError as `checked` does; its message begins with `where`.
    """
    if unknown := _unknown(kind, values):
        known = ", ".join(sorted(f.name for f in fields(kind)))  # type: ignore[arg-type]
        raise ConfigError(f"{where}: unknown {word} {unknown[0]!r}; known are {known}")

    if lacking := missing(kind, values):
        raise ConfigError(
            f"{where}: {lacking[0].name} is missing; it is: {lacking[0].metadata['about'].text}"
        )

    found = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]

    return kind(**{key: _checked_one(where, found[key], value) for key, value in values.items()})


def _unknown(kind: type[Any], values: Mapping[str, Any]) -> list[str]:
    return sorted(values.keys() - {f.name for f in fields(kind)}, key=str)


def _checked_one(where: str, f: Field[Any], value: Any) -> Any:
    about: About = f.metadata["about"]
    is_list = isinstance(about.like, tuple)
    wanted = about.like if is_list else (about.like,)
    values = value if is_list else [value]

    if not isinstance(values, list) or any(type(v) is not type(wanted[0]) for v in values):
        right = (
            "a list of texts, as in [a, b]"
            if about.any_length
            else f"of the type of {about.like!r}"
        )
        raise ConfigError(f"{where}: {f.name} = {value!r} is not {right}; it is: {about.text}")

    if len(values) != len(wanted) and not about.any_length:
        raise ConfigError(f"{where}: {f.name} needs {len(wanted)} numbers, got {value}")
    if (
        about.low is not None
        and about.high is not None
        and not all(about.low <= v <= about.high for v in values)
    ):
        raise ConfigError(
            f"{where}: {f.name} = {value} is outside [{about.low}, {about.high}]; it is: "
            f"{about.text}"
        )
    if about.choices and any(v not in about.choices for v in values):
        raise ConfigError(f"{where}: {f.name} = {value!r} is not one of {', '.join(about.choices)}")

    return tuple(values) if is_list else value
