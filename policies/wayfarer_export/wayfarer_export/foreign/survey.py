"""The first reading of a bag, without pixels.

It finds the times at which each source has a value, and in which message.
"""

from array import array
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.files.bag_files import BagFile
from wayfarer_bags.files.damage import reading
from wayfarer_bags.files.recorded import Channel, Message
from wayfarer_bags.message_types import decoded, full_name, unlike
from wayfarer_core.errors import ConfigError, DataError

from wayfarer_export.foreign.decode import PICTURES, Decoder, decoder_of, stamped
from wayfarer_export.foreign.map import Map, Split, TopicSource
from wayfarer_export.foreign.resample import Stamps
from wayfarer_export.lerobot_files import Feature, Picture

_SWAPPED = 100_000_000  # ns; two threads of a recorder may swap messages by this much
_STAMPED = 4 + 8  # bytes of CDR's own header and of a stamp
_HIGHEST = int(np.iinfo(np.int64).max)


@dataclass
class Track:
    """The values of one source in a bag."""

    feature: str
    source: TopicSource
    decoder: Decoder
    by_header: bool
    stamps: Stamps = field(default_factory=lambda: np.zeros(0, np.int64))  # [ns] in order
    ordinals: NDArray[np.int64] = field(
        default_factory=lambda: np.zeros(0, np.int64)
    )  # number of each value's message on its topic
    first: Any = None  # its first value, decoded
    passed_over: Counter[str] = field(default_factory=Counter)  # messages not used, by reason
    noted: "array[int]" = field(
        default_factory=lambda: array("q")
    )  # stamps and numbers alternately, in the order they were written


@dataclass(frozen=True)
class Survey:
    """The content of a bag that its map needs."""

    tracks: list[Track]
    bounds: list[tuple[int, int]]  # (first, before) of each episode [ns]
    size: int  # bytes of the messages that were read


def survey(bag: Path, files: Sequence[BagFile], mapping: Map, where: Path) -> Survey:
    """Read a bag for a map; `where` is the path of the map.

    Raises ConfigError if the map does not fit the bag; DataError if the bag is damaged, has a
    clock that was set back, or has no value of a source.
    """
    tracks = _tracks(bag, files, mapping, where)
    split = _splitter(bag, files, mapping.split, where)
    counts, size = Counter[str](), 0

    for message in in_order(files, mapping.topics):
        ordinal, size = counts[message.topic], size + len(message.cdr)
        counts[message.topic] += 1
        wanted = [track for track in tracks if track.source.topic == message.topic]
        said = said_by(bag, message) if wanted else None

        for track in wanted:
            _note(bag, track, message, said, ordinal)

        if split is not None and message.topic == split.about.topic:
            split.hear(message)

    for track in tracks:
        _sort(bag, track)

    return Survey(tracks, split.bounds() if split is not None else [(-_HIGHEST, _HIGHEST)], size)


def in_order(files: Sequence[BagFile], topics: Collection[str]) -> Iterator[Message]:
    """Yield the messages of some topics as they were written, file by file."""
    for file in files:
        yield from file.messages(lambda channel: channel.topic in topics)


def said_by(bag: Path, message: Message) -> Any:
    """Return a message decoded. DataError if its bytes do not fit its type."""
    with reading(bag):
        return decoded(message)


def features_of(tracks: Sequence[Track], names: Sequence[str]) -> dict[str, Feature]:
    """Return the dataset's features: those of the map, each with the ages of its values [s]."""
    found = {}
    for name in names:
        of_one = [track for track in tracks if track.feature == name]
        found[name] = _feature(of_one)
        found[f"age.{name}"] = Feature(
            "float32", (len(of_one),), tuple(track.source.topic for track in of_one)
        )

    return found


def _feature(tracks: Sequence[Track]) -> Feature:
    if isinstance(tracks[0].first, Picture):
        return Feature("image", tracks[0].first.shape)

    called = [(track.source.topic, n) for track in tracks for n in track.decoder.names or ()]
    plain = [n for _, n in called]
    names = plain if len(set(plain)) == len(plain) else [f"{topic}:{n}" for topic, n in called]

    return Feature("float32", (len(names),), tuple(names))


def _tracks(bag: Path, files: Sequence[BagFile], mapping: Map, where: Path) -> list[Track]:
    tracks = []
    for name, sources in mapping.features.items():
        for source in sources:
            channel = _channel(bag, files, source.topic, f"{where}: {name}")
            decoder = decoder_of(source, channel, f"{where}: {name}")
            by_header = source.time != "log" and stamped(full_name(channel.type))
            tracks.append(Track(name, source, decoder, by_header))
            if len(sources) > 1 and full_name(channel.type) in PICTURES:
                raise ConfigError(
                    f"{where}: {name} is made of {len(sources)} topics: an image is a feature by "
                    "itself"
                )

    return tracks


def _channel(bag: Path, files: Sequence[BagFile], topic: str, where: str) -> Channel:
    channels = [channel for file in files for channel in file.storage.channels.values()]
    found = [channel for channel in channels if channel.topic == topic]
    if not found:
        held = ", ".join(sorted({channel.topic for channel in channels})) or "no topic"
        raise ConfigError(f"{where}: {bag} has no topic {topic}; it has {held}")

    if len(kinds := sorted({full_name(channel.type) for channel in found})) > 1:
        raise DataError(f"{bag} has {topic} as {' and as '.join(kinds)}: one type to a topic")

    return found[0]


def _note(bag: Path, track: Track, message: Message, said: Any, ordinal: int) -> None:
    """Note the time of a message, and whether it has the wanted content."""
    if problem := track.decoder.problem(said):
        track.passed_over[problem] += 1
        return

    stamp = message.stamp if track.by_header else message.log_time
    if track.by_header and stamp <= 0:
        raise DataError(
            f"{bag}: message {ordinal + 1} of {track.source.topic} has the stamp {stamp}: nobody "
            "wrote the time into it; let the map say time: log"
        )

    noted = track.noted
    if noted and stamp < noted[-2] - _SWAPPED:
        back, clock = (
            (noted[-2] - stamp) * 1e-9,
            "its header's clock" if track.by_header else "the recorder's clock",
        )
        raise DataError(
            f"{bag}: at message {ordinal + 1} of {track.source.topic} {clock} jumps back by "
            f"{back:.3f} s, from {noted[-2] * 1e-9:.3f} to {stamp * 1e-9:.3f} s: record one "
            "session to a bag, or cut it there"
            + (", or let the map say time: log" if track.by_header else "")
        )

    if track.first is None:
        track.first = track.decoder.value(said)

    noted.append(stamp)
    noted.append(ordinal)


def _sort(bag: Path, track: Track) -> None:
    noted = (
        np.frombuffer(track.noted, np.int64).reshape(-1, 2)
        if track.noted
        else np.zeros((0, 2), np.int64)
    )
    if not len(noted):
        why = "; ".join(
            f"{count}: {problem}" for problem, count in track.passed_over.most_common(3)
        )
        raise DataError(
            f"{bag} has no value of {track.feature} on {track.source.topic}: "
            + (
                f"all of its messages were passed over. {why}"
                if why
                else "the topic is without messages"
            )
        )

    order = np.argsort(noted[:, 0], kind="stable")
    track.stamps, track.ordinals = noted[order, 0], noted[order, 1]
    track.noted = array("q")


def _splitter(
    bag: Path, files: Sequence[BagFile], split: Split | None, where: Path
) -> "_Splitter | None":
    if split is None:
        return None

    channel = _channel(bag, files, split.topic, f"{where}: split")
    with reading(bag):
        by_header = not unlike(channel, ("header",))

    return _Splitter(bag, split, by_header)


class _Splitter:
    """Finds the episodes' bounds from the topic of `split`."""

    def __init__(self, bag: Path, about: Split, by_header: bool) -> None:
        self.about = about
        self._bag, self._by_header = bag, by_header
        self._starts: list[int] = []
        self._ends: list[int] = []
        self._last: tuple[int, bytes] | None = None

    def hear(self, message: Message) -> None:
        """Take one of its messages. DataError if its clock was set back."""
        stamp = message.stamp if self._by_header else message.log_time
        content = message.cdr[_STAMPED if self._by_header else 0 :]  # compare without the stamp
        if self._last is not None:
            if stamp < self._last[0] - _SWAPPED:
                raise DataError(
                    f"{self._bag}: the clock of {message.topic}, which tells the episodes apart, "
                    f"jumps back by {(self._last[0] - stamp) * 1e-9:.3f} s: record one session to "
                    "a bag, or cut it there"
                )

            stamp = max(stamp, self._last[0])

        if self._begins(stamp, content):
            if self._last is not None:
                self._ends.append(self._last[0] + 1 if self.about.when == "silence" else stamp)
            self._starts.append(stamp)

        self._last = stamp, content

    def _begins(self, stamp: int, content: bytes) -> bool:
        if self._last is None or self.about.when == "message":
            return True
        if self.about.when == "change":
            return content != self._last[1]
        return stamp - self._last[0] > self.about.silence * 1e9

    def bounds(self) -> list[tuple[int, int]]:
        """Return (first, before) of each episode [ns]."""
        if self._last is None:
            return []
        end = self._last[0] + 1 if self.about.when == "silence" else _HIGHEST
        return list(zip(self._starts, [*self._ends, end], strict=True))
