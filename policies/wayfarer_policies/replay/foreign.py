"""Bags of the contract's topics that another recorder wrote (`ros2 bag record`): MCAP or sqlite3, compressed or not.

Such a bag holds any number of episodes in one stream. An action of another episode, or of an earlier step, begins the
next one; how it ended is known where replay/episode was recorded, too.
"""

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from backports.zstd import ZstdError  # what rosbags decompresses with
from rosbags.interfaces import Connection, MessageDefinitionFormat
from rosbags.rosbag2 import Reader, ReaderError
from rosbags.typesys.store import Typestore
from wayfarer_common import names
from wayfarer_common.errors import DataError

from wayfarer_policies.replay.assembly import (
    CONTRACT_NAMES,
    Message,
    Parts,
    assemble,
    contract_name,
    header_stamp,
    info_of,
    nanoseconds,
)
from wayfarer_policies.replay.bag import Channel, reading
from wayfarer_policies.replay.cache_index import Source
from wayfarer_policies.replay.episode import End, Episode, EpisodeInfo
from wayfarer_policies.replay.message_types import add_schema, base_types, installed_types
from wayfarer_policies.replay.unpacking import PACKED, plain_bag

_SUFFIXES = (".mcap", ".db3")
_NEEDED = (names.OBSERVATION_IMAGE, names.POLICY_ACTION, names.EXECUTED, names.CURRENT_POSE)
_PATIENCE = 3.0  # periods of an episode within which the observation after its last action must come


@dataclass
class _Segment:
    """The actions of one episode, in the order they were recorded."""

    actions: list[tuple[Any, int]] = field(default_factory=list)  # (message, log time [ns])
    record: Any = None  # its end, where it was recorded

    @property
    def first(self) -> int:
        return nanoseconds(self.actions[0][0].header.stamp)

    @property
    def last(self) -> int:
        return nanoseconds(self.actions[-1][0].header.stamp)


@dataclass
class _Stream:
    """What a whole bag holds, without its pixels."""

    parts: Parts  # executed records, poses
    segments: list[_Segment] = field(default_factory=list)
    records: list[tuple[Any, int]] = field(default_factory=list)  # (message, log time)
    images: dict[int, int] = field(default_factory=dict)  # stamp -> log time


class ForeignBag:
    """A rosbag2 directory without run.yaml, or one of its files by itself."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @staticmethod
    def holds(path: Path) -> bool:
        """Say whether there is such a bag."""
        if path.is_dir():
            return (path / "metadata.yaml").is_file() and not (path / "run.yaml").is_file()
        return path.is_file() and path.name.removesuffix(PACKED).endswith(_SUFFIXES)

    def sources(self) -> list[Source]:
        """Return the whole bag as one source: its episodes are known only once it is read."""
        files = sorted(self.path.iterdir()) if self.path.is_dir() else [self.path]
        status = [file.stat() for file in files if file.is_file()]
        return [Source(self.path.name, sum(s.st_size for s in status), max(s.st_mtime_ns for s in status))]

    def counts(self) -> dict[str, int]:
        """Return how many messages of each topic of the contract were recorded. DataError as from `load`."""
        with self._reader() as reader:
            return {name: connection.msgcount for name, connection in self._connections(reader).items()}

    def load(self, source: Source) -> Iterator[Episode]:  # noqa: ARG002  there is but one
        """Read the bag's episodes, one after the other. DataError for a damaged bag, or one without what is needed."""
        with self._reader() as reader:
            yield from self._episodes(reader)

    @contextlib.contextmanager
    def _reader(self) -> Iterator[Reader]:
        try:
            with reading(self.path), plain_bag(self.path) as bag, Reader(bag) as reader:
                yield reader
        except (ReaderError, sqlite3.DatabaseError, ZstdError, RuntimeError) as error:  # the last one is lz4's
            raise DataError(f"{self.path} is damaged or no rosbag2 bag: {error}") from error

    @contextlib.contextmanager
    def opened(self) -> Iterator[tuple[Typestore, list[Channel], Iterator[Message]]]:
        """Give all messages as they are, with the topics and types to write them again."""
        with self._reader() as reader:
            kinds = {connection.topic: connection.msgtype for connection in reader.connections}
            stream = (Message(c.topic, c.msgtype, bytes(cdr), time) for c, time, cdr in reader.messages())
            types = _types(self.path, reader, reader.connections)
            yield types, [Channel(topic, kind, "") for topic, kind in kinds.items()], stream

    def _episodes(self, reader: Reader) -> Iterator[Episode]:
        connections = self._connections(reader)
        stream = self._read(reader, list(connections.values()), _types(self.path, reader, connections.values()))
        numbers = [int(segment.actions[0][0].episode) for segment in stream.segments]
        if len(set(numbers)) < len(numbers):  # recorded over several runs
            numbers = list(range(len(numbers)))
        behind = [segment.first for segment in stream.segments[1:]]
        for number, segment, limit in zip(numbers, stream.segments, [*behind, np.iinfo(np.int64).max], strict=True):
            final = _final_stamp(segment, stream.images, limit)
            parts = replace(
                stream.parts,
                images={},
                actions={int(action.step): action for action, _ in segment.actions},
                observed_at=stream.images,
                answered_at={int(action.step): time for action, time in segment.actions},
            )
            times = [stream.images[s] for s in _stamps(segment, final) if s in stream.images]
            if times:
                images = reader.messages([connections[names.OBSERVATION_IMAGE]], min(times), max(times) + 1)
                parts.images = {header_stamp(cdr): cdr for _, _, cdr in images}
                episode = assemble(parts, _info(segment, number, final), final, self.path)
                yield episode if segment.record is not None else _counted(episode)

    def _connections(self, reader: Reader) -> dict[str, Connection]:
        """Return the connection of each topic of the contract that was recorded."""
        found: dict[str, Connection] = {}
        for connection in reader.connections:
            name = contract_name(connection.topic)
            if name in found and found[name].topic != connection.topic:
                raise DataError(f"{self.path} holds {found[name].topic} and {connection.topic}: one robot to a bag")
            if name in CONTRACT_NAMES:
                found[name] = connection
        if missing := [name for name in _NEEDED if name not in found]:
            topics = ", ".join(sorted(c.topic for c in reader.connections)) or "nothing"
            raise DataError(f"{self.path} lacks the topics {', '.join(missing)}; it holds {topics}")
        return found

    def _read(self, reader: Reader, connections: Sequence[Connection], types: Typestore) -> _Stream:
        stream = _Stream(Parts(types))
        for connection, time, cdr in reader.messages(connections):
            message = Message(connection.topic, connection.msgtype, bytes(cdr), time)
            if message.name == names.POLICY_ACTION:
                _follow(stream.segments, types.deserialize_cdr(message.cdr, message.type), time)
            elif message.name == names.REPLAY_EPISODE:
                stream.records.append((types.deserialize_cdr(message.cdr, message.type), time))
            elif message.name == names.OBSERVATION_IMAGE:
                if message.stamp in stream.images:
                    raise DataError(
                        f"{self.path} holds two images of the time {message.stamp} ns: the clock was set back while it "
                        "was recorded; record one session to a bag"
                    )
                stream.images[message.stamp] = time
            else:
                stream.parts.add(message)
        begun = [segment.actions[0][1] for segment in stream.segments[1:]]
        for segment, limit in zip(stream.segments, [*begun, np.iinfo(np.int64).max], strict=True):
            segment.record = _end_of(segment, stream.records, limit)
        return stream


def _types(path: Path, reader: Reader, wanted: Iterable[Connection]) -> Typestore:
    """Return the types of the bag's messages: from the bag, or from installed packages where it carries none."""
    types = base_types()
    for connection in reader.connections:
        if connection.msgdef.format is MessageDefinitionFormat.MSG:
            add_schema(types, connection.msgtype, connection.msgdef.data)
    for connection in wanted:
        if connection.msgtype not in types.fielddefs:  # sqlite3 carries definitions from ROS 2 Iron on
            types.register(installed_types(connection.msgtype.split("/")[0]))
        if connection.msgtype not in types.fielddefs:
            raise DataError(f"{path} carries no definition of {connection.msgtype}, and no installed package has it")
    return types


def _follow(segments: list[_Segment], action: Any, time: int) -> None:
    """Take an action into the running episode, or let it begin the next one."""
    last = segments[-1].actions[-1][0] if segments else None
    if last is None or action.episode != last.episode or action.step <= last.step:
        segments.append(_Segment())
    segments[-1].actions.append((action, time))


def _end_of(segment: _Segment, records: Sequence[tuple[Any, int]], limit: int) -> Any:
    """Return the first end record behind the episode's last action, before `limit` (log times); None without one.

    Their numbers differ: the record's is its file's, the actions' counts the episodes that came to their end.
    """
    _, time = segment.actions[-1]
    return next((r for r, t in records if r.event == r.END and time <= t < limit), None)


def _final_stamp(segment: _Segment, images: Iterable[int], limit: int) -> int:
    """Return the stamp of the observation after the last action, before `limit`; 0 where there is none in time."""
    if segment.record is not None:
        return nanoseconds(segment.record.final_stamp)
    stamps = [nanoseconds(action.header.stamp) for action, _ in segment.actions]
    after = min((stamp for stamp in images if segment.last < stamp < limit), default=0)
    period = float(np.median([b - a for a, b in pairwise(stamps)])) if len(stamps) > 1 else np.inf
    return after if after - segment.last <= _PATIENCE * period else 0


def _stamps(segment: _Segment, final: int) -> list[int]:
    return [*(nanoseconds(action.header.stamp) for action, _ in segment.actions), final]


def _counted(episode: Episode) -> Episode:
    """Count the losses of an episode of which no record says how many there were."""
    return replace(episode, info=replace(episode.info, lost_steps=episode.lost_steps))


def _info(segment: _Segment, number: int, final: int) -> EpisodeInfo:
    if segment.record is not None:
        return replace(info_of(segment.record), number=number)
    steps = int(segment.actions[-1][0].step) + 1
    came_to_its_end = bool(segment.actions[-1][0].last) and final > 0
    return EpisodeInfo(
        number=number,
        method="",
        seed=0,
        max_steps=steps,
        goal="",
        goal_novelty=float("nan"),
        end=End.TRUNCATED if came_to_its_end else End.UNFINISHED,
        reason="" if came_to_its_end else "the bag does not say how it ended",
        steps=steps,
    )
