"""Suggests a first map of a bag.

It lists the bag's topics and rates, and guesses the purpose of each topic.
"""

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from wayfarer_bags.files.bag_files import opened
from wayfarer_bags.files.damage import reading
from wayfarer_bags.files.recorded import Message
from wayfarer_bags.message_types import full_name, unlike
from wayfarer_core.atomic import write_atomically
from wayfarer_core.errors import ConfigError, DataError

from wayfarer_export.foreign.decode import (
    ARRAY,
    COMPRESSED,
    FIELDS,
    IMAGE,
    JOINTS,
    PICTURES,
    TYPES,
    Compressed,
    Raw,
    stamped,
)
from wayfarer_export.foreign.map import FORMAT
from wayfarer_export.foreign.survey import in_order, said_by

_COMMANDS = re.compile(r"comman|cmd|target|desired|action|goal|reference|setpoint", re.IGNORECASE)
_OF_DRIVERS = (
    "image_raw",
    "image_color",
    "image_rect",
    "image_rect_color",
    "image_mono",
    "image",
    "compressed",
)
_SHARE = 0.01  # allowed difference between a rate and the plain number suggested for it
_PERIODS = 3.0  # suggested greatest age, in periods of the topic
_OLDEST = 86_400.0  # s
# limits of what a map can use: numbers in a message, and kinds of messages on a topic
_WIDEST, _PUBLISHERS = 1_000, 32


@dataclass
class _Heard:
    """Messages of a topic that are of one kind, for example JointStates with equal joints."""

    topic: str
    kind: str
    names: tuple[str, ...] = ()  # of joints, or of an array's numbers
    headers: list[int] = field(default_factory=list)  # stamps [ns], if the type has a header
    logs: list[int] = field(default_factory=list)  # log times [ns]
    parts: set[str] = field(
        default_factory=lambda: {"position", "velocity"}
    )  # parts that all its messages have
    why_log: str = ""  # why its headers are not used for the time

    @property
    def is_command(self) -> bool:
        return bool(_COMMANDS.search(self.topic))

    @property
    def is_empty(self) -> bool:
        """Say whether there is nothing in it to take."""
        return self.kind in (JOINTS, ARRAY) and not self.names

    @property
    def period(self) -> float:
        """The median time between its messages [s]; infinite for a single one."""
        times = self.logs if self.why_log or not stamped(self.kind) else self.headers
        gaps = np.diff(np.sort(np.array(times, np.int64)))
        return max(float(np.median(gaps)) * 1e-9, 1e-4) if len(gaps) else math.inf

    def hear(self, message: Message, said: Any) -> None:
        """Take one of its messages."""
        self.logs.append(message.log_time)
        if stamped(self.kind):
            self.headers.append(message.stamp)
            if message.stamp <= 0:
                self.why_log = "its headers hold no time"

        if self.kind == JOINTS:
            self.parts &= {
                part for part in self.parts if len(getattr(said, part)) == len(self.names)
            }


def _names_in(kind: str, said: Any) -> tuple[str, ...]:
    if kind == JOINTS:
        return tuple(said.name)
    return tuple(str(k) for k in range(len(said.data))) if kind == ARRAY else ()


def _listen(
    bag: Path, messages: Iterable[Message]
) -> tuple[dict[tuple[str, tuple[str, ...]], _Heard], dict[str, str]]:
    """Read all messages; return the kinds found, and for unusable topics the reason."""
    heard: dict[tuple[str, tuple[str, ...]], _Heard] = {}
    unfit: dict[str, str] = {}
    kinds = defaultdict[str, set[tuple[str, ...]]](set)  # topic -> names in its messages

    for message in messages:
        kind, topic = full_name(message.type), message.topic
        if topic in unfit:
            continue

        said = said_by(bag, message)
        try:
            if kind in PICTURES:
                (Raw if kind == IMAGE else Compressed)(topic).problem(said)
        except DataError as error:
            unfit[topic] = str(error)
            continue

        names = _names_in(kind, said)
        if len(names) > _WIDEST:
            unfit[topic] = f"{topic} has {len(names)} numbers in a message"
            continue

        heard.setdefault((topic, names), _Heard(topic, kind, names)).hear(message, said)
        kinds[topic].add(names)
        if len(kinds[topic]) > _PUBLISHERS:
            unfit[topic] = f"{topic} has other names in every message"

    return {key: h for key, h in heard.items() if h.topic not in unfit and not h.is_empty}, unfit


def suggest_map(bag: Path, out: Path) -> str:
    """Write a first map of a bag to `out`, with comments.

    Return a summary in one line.

    Raises ConfigError if `out` exists or no topic of the bag can be read, DataError for a
    damaged bag.
    """
    if out.exists():
        raise ConfigError(f"{out} exists already: choose another name")

    with opened(bag) as files:
        channels = {c.topic: c for file in files for c in file.storage.channels.values()}
        known = {topic: c for topic, c in channels.items() if full_name(c.type) in TYPES}
        with reading(bag):
            odd = {topic: unlike(c, FIELDS[full_name(c.type)]) for topic, c in known.items()}
        heard, unfit = _listen(bag, in_order(files, {topic for topic in known if not odd[topic]}))

    usable = list(heard.values())
    _set_clocks(usable)
    features = _features(usable)
    if not features:
        raise ConfigError(
            f"{bag} has no topic that can be read; it has "
            f"{', '.join(sorted(channels)) or 'none'}, what can be read is {', '.join(TYPES)}"
        )

    used = [h for of_one in features.values() for h in of_one]
    left = {topic: f"{c.type or 'no type'} is not read" for topic, c in channels.items()}
    left |= dict.fromkeys(known, "without messages that can be read")
    left |= {topic: why for topic, why in {**odd, **unfit}.items() if why}
    left |= {h.topic: "the same camera as one above" for h in usable}
    left = {topic: why for topic, why in left.items() if topic not in {h.topic for h in used}}
    write_atomically(out, _text(bag, features, left))

    return f"{', '.join(features)} at {_rate(used)} Hz; {len(left)} topics are not used"


def _set_clocks(heard: Sequence[_Heard]) -> None:
    """Use the recorder's clock for all topics if the headers use another clock and not all topics
    have a header.
    """
    by_header = [h for h in heard if stamped(h.kind) and not h.why_log]
    if len(by_header) < len(heard):
        for h in by_header:
            if max(h.headers) < min(h.logs) or min(h.headers) > max(h.logs):
                h.why_log = (
                    "its headers have another clock than the recorder, and not all topics have "
                    "headers"
                )


def _features(heard: Sequence[_Heard]) -> dict[str, list[_Heard]]:
    """Group the topics by feature."""
    features: dict[str, list[_Heard]] = {}
    pictures = sorted(
        (h for h in heard if h.kind in PICTURES), key=lambda h: h.kind == COMPRESSED
    )  # raw ones first
    for h in pictures:
        features.setdefault(f"observation.images.{_camera(h.topic)}", []).append(h)

    numbers = [h for h in heard if h.kind not in PICTURES]
    for name, of_it in (
        ("observation.state", [h for h in numbers if not h.is_command]),
        ("action", [h for h in numbers if h.is_command]),
    ):
        if of_it:
            features[name] = of_it

    return {
        name: of_one[:1] if name.startswith("observation.images") else of_one
        for name, of_one in features.items()
    }


def _camera(topic: str) -> str:
    words = [word for word in topic.strip("/").split("/") if word not in _OF_DRIVERS]
    return re.sub(r"\W", "_", "_".join(words)) or "camera"


def _rate(heard: Sequence[_Heard]) -> Fraction:
    """Return the rate of the slowest camera, or without cameras of the slowest topic, as a plain
    number [Hz].
    """
    cameras = [h.period for h in heard if h.kind in PICTURES and math.isfinite(h.period)]
    others = [h.period for h in heard if math.isfinite(h.period)]
    slowest = max(cameras or others or [1.0])
    measured = Fraction(1 / slowest)

    for most in (1, 2, 3, 4, 5, 10, 100, 1000):  # the smallest denominator that is near enough
        plain = measured.limit_denominator(most)
        if plain and abs(plain - measured) <= _SHARE * measured:
            return min(plain, Fraction(1000))

    return max(measured.limit_denominator(1000), Fraction(1, 1000))


# --- as a text ---


def _text(bag: Path, features: dict[str, list[_Heard]], left: dict[str, str]) -> str:
    rate = _rate([h for of_one in features.values() for h in of_one])
    lines = [
        f"# A first map of {bag.name}. It runs as it is: wayfarer export lerobot BAG OUT --map "
        "THIS_FILE",
        "# What each key means, and which others there are, is in docs/bags.md.",
        f"format: {FORMAT}",
        f'rate: {_quoted(rate)}  # Hz, exact: 30, 2.5 or "30000/1001"',
        'task: ""  # what the robot did, in words',
        "robot: unknown",
        "features:",
    ]
    for name, of_one in features.items():
        lines.append(f"  {name}:")
        for h in of_one:
            lines += _source(h)

    if "action" not in features:
        lines += [
            "# No topic looks like a command: name the one whose values are the action, if there "
            "is one.",
            "#  action:",
            "#    - topic: /...",
            "#      max_age: 0.1",
        ]

    if left:
        lines.append("# Not used:")
        lines += [f"#   {topic}: {why}" for topic, why in sorted(left.items())]

    return "\n".join(lines) + "\n"


def _source(h: _Heard) -> list[str]:
    often = f"{1 / h.period:.4g} Hz" if math.isfinite(h.period) else "once"
    age = float(f"{min(_PERIODS * h.period, _OLDEST):.2g}")
    parts = [part for part in ("position", "velocity") if part in h.parts]
    lines = [
        f"    # {h.kind}, {len(h.logs)} messages, {often}",
        f"    - topic: {_quoted(h.topic)}",
        f"      max_age: {age}  # s: beyond it a frame is cut out; or when_older: refuse",
    ]

    if h.why_log:
        lines.append(f"      time: log  # {h.why_log}")

    if h.kind == JOINTS and not h.is_command and parts:
        lines.append(f"      take: [{', '.join(parts)}]")

    if h.names:
        lines.append(f"      names: [{', '.join(_quoted(name) for name in h.names)}]")

    return lines


def _quoted(value: Any) -> str:
    """Return a value as YAML writes it in one line."""
    if isinstance(value, Fraction):
        plain = float(value)
        exact = Fraction(str(plain)) == value

        return (
            (str(int(value)) if value.denominator == 1 else str(plain)) if exact else f'"{value}"'
        )

    return (
        str(yaml.safe_dump(value, default_flow_style=True, width=10_000))
        .removesuffix("...\n")
        .strip()
    )
