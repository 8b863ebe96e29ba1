"""The map: which topics of a bag become which features of a dataset, at which rate.

People write it, as a YAML file.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from wayfarer_core import plain_yaml
from wayfarer_core.errors import ConfigError
from wayfarer_core.parameter import made_of, param, required, texts

FORMAT = "wayfarer map 1"
PARTS = ("position", "velocity", "effort", "orientation", "linear", "angular", "force", "torque")
_SLOWEST, _FASTEST = Fraction(1, 1000), Fraction(1000)  # Hz
_KEYS = ("format", "rate", "task", "robot", "shortest", "split", "features")
_NEEDED = ("format", "rate", "features")
_NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
_OWN = (
    "age",
    "timestamp",
    "frame_index",
    "episode_index",
    "index",
    "task_index",
    "task",
)  # names that the dataset has


@dataclass(frozen=True)
class TopicSource:
    """A topic that contributes to a feature."""

    topic: str = required("", "the topic, as the bag has it")
    max_age: float = required(0.1, "greatest age of a value in a frame [s]", 1e-4, 86_400.0)
    when_older: str = param(
        "cut", "what to do where no value is that young", choices=("cut", "refuse")
    )
    time: str = param(
        "auto",
        "whose clock: the header's, where the type has one, or the recorder's (log)",
        choices=("auto", "header", "log"),
    )
    take: tuple[str, ...] = texts("which parts of a message, one behind the other", PARTS)
    names: tuple[str, ...] = texts(
        "joints of a JointState to take, or what the numbers of an array are called"
    )


@dataclass(frozen=True)
class Split:
    """How a bag is split into episodes."""

    topic: str = required("", "the topic that tells it, as the bag has it")
    when: str = param(
        "message",
        "what begins an episode: each message, one that says something else, or one after a "
        "silence",
        choices=("message", "change", "silence"),
    )
    silence: float = param(
        1.0, "how long the topic must be silent, where `when` is silence [s]", 1e-3, 86_400.0
    )


@dataclass(frozen=True)
class _Whole:
    """The keys at the top of a map that hold single values."""

    task: str = param("", "what the robot did, in words, as LeRobot's policies are told")
    robot: str = param("unknown", "which robot it was")
    shortest: int = param(2, "an unbroken stretch of fewer frames is left out", 1, 1_000_000)


@dataclass(frozen=True)
class Map:
    """A parsed map."""

    rate: Fraction  # [Hz] of the frames, exact
    features: Mapping[str, tuple[TopicSource, ...]]
    split: Split | None = None
    task: str = ""
    robot: str = "unknown"
    shortest: int = 2

    @property
    def sources(self) -> list[TopicSource]:
        """All sources, feature by feature."""
        return [source for of_one in self.features.values() for source in of_one]

    @property
    def topics(self) -> set[str]:
        """All topics that are read."""
        return {source.topic for source in self.sources} | (
            {self.split.topic} if self.split else set()
        )

    def as_json(self) -> dict[str, Any]:
        """Return the map as JSON values, for the dataset's metadata."""
        return {
            "rate": str(self.rate),
            "shortest": self.shortest,
            "split": asdict(self.split) if self.split else None,
            "features": {
                name: [asdict(source) for source in of_one]
                for name, of_one in self.features.items()
            },
        }


def read_map(path: Path) -> Map:
    """Read a map. Raises ConfigError, naming the file, the place, and a correct value.

    DataError if there is no file.
    """
    content = plain_yaml.read(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ConfigError(
            f"{path} is no map: its `format` must be {FORMAT!r}; `--suggest-map` writes one"
        )
    if unknown := [key for key in content if key not in _KEYS]:
        raise ConfigError(f"{path}: unknown key {unknown[0]!r}; known are {', '.join(_KEYS)}")
    if lacking := [key for key in _NEEDED if key not in content]:
        raise ConfigError(f"{path}: {lacking[0]} is missing")

    whole = made_of(
        _Whole,
        str(path),
        "key",
        {f.name: content[f.name] for f in fields(_Whole) if f.name in content},
    )
    split = content.get("split")

    return Map(
        rate=_rate(path, content["rate"]),
        features=_features(path, content["features"]),
        split=None
        if split is None
        else made_of(Split, f"{path}: split", "key", _mapping(path, "split", split)),
        **asdict(whole),
    )


def _rate(path: Path, said: Any) -> Fraction:
    """Return a rate exactly as written: 30, 2.5 or "30000/1001"."""
    try:
        if isinstance(said, bool) or not isinstance(said, int | float | str):
            raise ValueError
        rate = Fraction(str(said))
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(
            f'{path}: rate = {said!r} is no rate in Hz, as in 30, 2.5 or "30000/1001"'
        ) from error

    if not _SLOWEST <= rate <= _FASTEST:
        raise ConfigError(
            f"{path}: rate = {said} is outside [{float(_SLOWEST)}, {float(_FASTEST):.0f}] Hz"
        )

    return rate


def _features(path: Path, said: Any) -> dict[str, tuple[TopicSource, ...]]:
    features = _mapping(path, "features", said)
    if not features:
        raise ConfigError(f"{path}: features is empty: name at least one, as in observation.state")

    for name in features:
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name.split(".")[0] in _OWN:
            raise ConfigError(
                f"{path}: {name!r} is no name of a feature: letters, digits and _ between dots, "
                f"as in observation.images.front, and none of the dataset's own {', '.join(_OWN)}"
            )

    return {name: _sources(path, name, of_one) for name, of_one in features.items()}


def _sources(path: Path, name: str, said: Any) -> tuple[TopicSource, ...]:
    where = f"{path}: {name}"
    if not isinstance(said, list) or not said:
        raise ConfigError(
            f"{where} must be a list of topics, as in [{{topic: /joint_states, max_age: 0.1}}]"
        )

    found = []
    for k, one in enumerate(said, 1):
        place = f"{where}, topic {k} of {len(said)}"
        found.append(made_of(TopicSource, place, "key", _mapping(path, f"{name}, topic {k}", one)))

    return tuple(found)


def _mapping(path: Path, what: str, said: Any) -> dict[str, Any]:
    """Return a mapping in which whole numbers are floats.

    People write max_age: 1, not 1.0.
    """
    if not isinstance(said, dict):
        raise ConfigError(f"{path}: {what} must be a mapping of keys to values, is {said!r}")

    numbers = {"max_age", "silence"}

    return {
        key: float(value) if key in numbers and type(value) is int else value
        for key, value in said.items()
    }
