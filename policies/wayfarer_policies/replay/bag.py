"""One episode, one MCAP file: writing it as it happens, and putting its steps together again by their stamps."""

import contextlib
import os
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from mcap.exceptions import McapError
from mcap.reader import NonSeekingReader, make_reader
from mcap.writer import CompressionType, Writer
from rosbags.serde import SerdeError
from rosbags.typesys import TypesysError
from rosbags.typesys.store import Typestore
from wayfarer_common import names
from wayfarer_common.errors import DataError
from zstandard import ZstdError

from wayfarer_policies.atomic import sync_directory
from wayfarer_policies.replay import digests
from wayfarer_policies.replay.assembly import Message, Parts, contract_name, put_together, read_records
from wayfarer_policies.replay.digests import HashingFile
from wayfarer_policies.replay.episode import Episode, EpisodeInfo
from wayfarer_policies.replay.message_types import add_schema, base_types, types_of_schemas

OPEN_SUFFIX = ".part"  # an episode that is being written, or whose recorder was killed
_CHUNK = 256 * 1024  # bytes: small enough for random access, large enough to compress (docs/performance.md)
# What mcap, zstandard and rosbags raise over bytes that are not what was written
DAMAGE = (
    *(McapError, ZstdError, TypesysError, SerdeError, struct.error),
    *(EOFError, ValueError, LookupError, AttributeError, TypeError),
    *(OverflowError, MemoryError),  # a length that says more than a machine can hold
)


@dataclass(frozen=True)
class Channel:
    """A recorded topic."""

    topic: str
    type: str  # as in sensor_msgs/msg/Image
    qos: str  # rosbag2's YAML list of the offered profiles


class EpisodeWriter:
    """Writes PATH.part and gives it its own name once it is complete, on the disk, and its digest noted beside it."""

    def __init__(self, path: Path, channels: list[Channel], types: Typestore) -> None:
        self.path = path
        self._open_path = path.with_name(path.name + OPEN_SUFFIX)
        try:
            self._file = self._open_path.open("xb")
            self._hashing = HashingFile(self._file)
            self._writer = Writer(cast(IO[bytes], self._hashing), chunk_size=_CHUNK, compression=CompressionType.ZSTD)
            self._writer.start(profile="ros2", library="wayfarer")
            self._ids = {c.topic: self._register(c, types) for c in channels}
        except OSError as error:
            raise DataError(f"cannot write {self._open_path}: {error.strerror}") from error
        self._counts = dict.fromkeys(self._ids, 0)

    def write(self, topic: str, cdr: bytes, log_time: int) -> None:
        """Append one serialised message; `log_time` in nanoseconds. Raises DataError when the disk refuses."""
        try:
            self._counts[topic] += 1
            self._writer.add_message(self._ids[topic], log_time, cdr, log_time, self._counts[topic])
        except OSError as error:
            raise DataError(f"cannot write {self._open_path}: {error.strerror}") from error

    def close(self) -> None:
        """Finish the file, wait until the disk has it, and give it its final name."""
        try:
            self._writer.finish()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            digests.note(self.path.parent, {self.path.name: self._hashing.digest})
            self._open_path.rename(self.path)
            sync_directory(self.path.parent)
        except OSError as error:
            raise DataError(f"cannot finish {self._open_path}: {error.strerror}") from error

    def _register(self, channel: Channel, types: Typestore) -> int:
        text, _ = types.generate_msgdef(channel.type, ros_version=2)
        schema = self._writer.register_schema(channel.type, "ros2msg", text.encode())
        id_: int = self._writer.register_channel(channel.topic, "cdr", schema, {"offered_qos_profiles": channel.qos})
        return id_


@contextlib.contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn whatever a missing or damaged file makes the libraries raise into a DataError that names it."""
    try:
        yield
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except DAMAGE as error:
        raise DataError(f"{path} is damaged: {type(error).__name__}: {error}") from error


def messages(path: Path, types: Typestore, topics: Sequence[str] | None = None) -> Iterator[Message]:
    """Yield a file's messages (of some topics, by their recorded names) in log order, teaching `types` their schemas.

    An unfinished file yields what it holds up to its torn end. Raises DataError for a damaged finished file.
    """
    torn = path.name.endswith(OPEN_SUFFIX)
    known: set[str] = set()
    with reading(path), path.open("rb") as file:
        try:
            reader = NonSeekingReader(file) if torn else make_reader(file, validate_crcs=True)
            for schema, channel, message in reader.iter_messages(topics, log_time_order=not torn):
                if schema is not None and schema.name not in known:
                    add_schema(types, schema.name, schema.data.decode())
                    known.add(schema.name)
                name = schema.name if schema is not None else ""
                yield Message(channel.topic, name, message.data, message.log_time)
        except DAMAGE:
            if not torn:
                raise


def _types_in(path: Path) -> Typestore:
    """Return what a finished file's summary says of its types; of an unfinished one they are learned on the way."""
    with path.open("rb") as file:
        summary = None if path.name.endswith(OPEN_SUFFIX) else make_reader(file, validate_crcs=True).get_summary()
    if summary is None:
        return base_types()
    return types_of_schemas(frozenset((schema.name, schema.data.decode()) for schema in summary.schemas.values()))


def read_episode(path: Path, with_images: bool = True) -> Episode:
    """Put an episode together. Raises DataError for a damaged file or one without a begin record.

    Without images (they are then (T + 1, 0, 0, 3)) it is much faster; `valid` is the same either way.
    """
    with reading(path):
        types = _types_in(path)
        return put_together(Parts.of(messages(path, types), types), path, with_images)


def read_info(path: Path) -> EpisodeInfo:
    """Return only what an episode's records say: fast, for a whole run. Raises DataError for a damaged file."""
    with reading(path):
        types = _types_in(path)
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
        channels = summary.channels.values() if summary is not None else ()
        topics = [c.topic for c in channels if contract_name(c.topic) == names.REPLAY_EPISODE]
        parts = Parts.of(messages(path, types, topics) if topics else (), types)
        return read_records(parts, path)[0]
