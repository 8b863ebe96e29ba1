"""One episode, one MCAP file.

It is written while it happens; its steps are put together when it is read.
"""

import contextlib
import os
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import IO, cast

from mcap.records import Attachment, Metadata
from mcap.writer import CompressionType, Writer
from rosbags.typesys.store import Typestore
from wayfarer_core import names
from wayfarer_core.atomic import sync_directory
from wayfarer_core.errors import DataError

from wayfarer_bags import digests
from wayfarer_bags.assembly import Parts, put_together, read_records
from wayfarer_bags.digests import HashingFile
from wayfarer_bags.episode import Episode, EpisodeInfo
from wayfarer_bags.files.damage import DAMAGE, reading
from wayfarer_bags.files.mcap_files import McapFile
from wayfarer_bags.files.recorded import QOS, Channel, Message
from wayfarer_bags.message_types import add_schema

OPEN_SUFFIX = ".part"  # of an episode that is being written, or whose recorder was killed
# bytes: small enough for random access, large enough to compress (docs/performance.md)
_CHUNK = 256 * 1024


class EpisodeWriter:
    """Writes PATH.part. It renames the file when it is complete and on the disk, and its digest is
    noted.
    """

    def __init__(
        self, path: Path, channels: Sequence[Channel], types: Typestore | None = None
    ) -> None:
        """Describe each channel by its own definition, or, for a recorder's channel without one, by
        `types`.
        """
        self.path, self._types = path, types
        self._open_path = path.with_name(path.name + OPEN_SUFFIX)
        self._ids: dict[Channel, int] = {}
        self._schemas: dict[tuple[str, str, bytes], int] = {}

        with self._writing("cannot write"):
            self._file = self._open_path.open("xb")
            self._hashing = HashingFile(self._file)
            self._writer = Writer(
                cast(IO[bytes], self._hashing),
                chunk_size=_CHUNK,
                compression=CompressionType.ZSTD,
                # with it a file can be checked anywhere, without SHA256SUMS
                enable_data_crcs=True,
            )
            self._writer.start(profile="ros2", library="wayfarer")
            self._topics = {channel.topic: self._id(channel) for channel in channels}

        self._counts = dict.fromkeys(self._topics, 0)

    def write(self, topic: str, cdr: bytes, log_time: int, written: int) -> None:
        """Append one serialised message. Raises DataError if the disk is full or fails.

        Args:
            topic: one of the channels.
            cdr: the message.
            log_time: time of reception on the robot's clock [ns]; players play at its pace.
            written: the same on the wall clock [ns], MCAP's publish time; rates and latencies are
                computed from it.
        """
        try:
            self._counts[topic] += 1
            self._writer.add_message(
                self._topics[topic], log_time, cdr, written, self._counts[topic]
            )
        except OSError as error:
            raise DataError(f"cannot write {self._open_path}: {error.strerror or error}") from error

    def copy(self, message: Message, channel: Channel) -> None:
        """Append a message of another bag unchanged, on `channel`. DataError as above."""
        with self._writing("cannot write"):
            id_ = self._id(channel)
            self._writer.add_message(
                id_, message.log_time, message.cdr, message.publish_time, message.sequence
            )

    def describe(self, channel: Channel) -> None:
        """Describe a channel even if it has no message. DataError as above."""
        with self._writing("cannot write"):
            self._id(channel)

    def attach(self, record: Attachment | Metadata) -> None:
        """Append an attachment or metadata of another bag. DataError as above."""
        with self._writing("cannot write"):
            if isinstance(record, Metadata):
                self._writer.add_metadata(record.name, record.metadata)
            else:
                about = record.create_time, record.log_time, record.name, record.media_type
                self._writer.add_attachment(*about, record.data)

    def close(self) -> None:
        """Finish the file, wait until the disk has it, and give it its final name."""
        with self._writing("cannot finish"):
            self._writer.finish()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            digests.note(self.path.parent, {self.path.name: self._hashing.digest})
            self._open_path.rename(self.path)
            sync_directory(self.path.parent)

    @contextlib.contextmanager
    def _writing(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise DataError(f"{what} {self._open_path}: {error.strerror or error}") from error

    def _id(self, channel: Channel) -> int:
        """Return the id of a channel; the first call writes its description into the file."""
        if channel not in self._ids:
            metadata = {QOS: channel.qos} if channel.definition is None else dict(channel.metadata)
            about = channel.topic, channel.message_encoding, self._schema(channel), metadata
            self._ids[channel] = self._writer.register_channel(*about)

        return self._ids[channel]

    def _schema(self, channel: Channel) -> int:
        definition = channel.definition
        if definition is None:
            if self._types is None:
                raise DataError(
                    f"{self._open_path}: nobody says what {channel.type} of {channel.topic} is"
                )

            definition = self._types.generate_msgdef(channel.type, ros_version=2)[0].encode()

        key = channel.type, channel.encoding, definition
        if not any(key):
            return 0  # MCAP's number for no schema

        if key not in self._schemas:
            self._schemas[key] = self._writer.register_schema(*key)

        return self._schemas[key]


def messages(
    path: Path, types: Typestore | None = None, topics: Collection[str] | None = None
) -> Iterator[Message]:
    """Yield a file's messages (of `topics`, by their recorded names) in the order they were
    written.

    The schemas are added to `types`, if given. An unfinished file yields its messages up to
    its torn end. Raises DataError for a damaged finished file.
    """
    torn, known = path.name.endswith(OPEN_SUFFIX), set[str]()
    with reading(path), McapFile(path) as file:
        try:
            places = None if torn else _places(file, topics)
            for message in file.messages(
                lambda channel: topics is None or channel.topic in topics, places
            ):
                if types is not None and message.type and message.type not in known:
                    known.add(message.type)
                    add_schema(types, message.type, (message.channel.definition or b"").decode())

                yield message
        except DAMAGE:
            if not torn:
                raise


def _places(file: McapFile, topics: Collection[str] | None) -> list[int] | None:
    """Return the offsets of the chunks that hold messages of these topics, from a finished file's
    index.

    None: any chunk may hold some.
    """
    file.check_end()
    if topics is None:
        return None

    summary = file.summary()
    indexed = all(index.message_index_offsets for index in summary.chunks)
    if (
        summary.statistics is None
        or not indexed
        or summary.statistics.chunk_count != len(summary.chunks)
    ):
        return None

    ids = {id_ for id_, channel in file.channels.items() if channel.topic in topics}

    return sorted(
        index.chunk_start_offset
        for index in summary.chunks
        if ids & index.message_index_offsets.keys()
    )


def read_episode(path: Path, with_images: bool = True) -> Episode:
    """Read an episode. Raises DataError for a damaged file or one without a begin record.

    Without images (they are then (T + 1, 0, 0, 3)) it is much faster; `valid` is the same either
    way.
    """
    with reading(path):
        return put_together(Parts.of(messages(path)), path, with_images)


def read_info(path: Path) -> EpisodeInfo:
    """Read only an episode's records: fast, for a whole run.

    Raises DataError for a damaged file.
    """
    with reading(path):
        with McapFile(path) as file:
            file.summary()
            topics = {c.topic for c in file.channels.values() if c.name == names.REPLAY_EPISODE}

        parts = Parts.of(messages(path, topics=topics) if topics else ())

        return read_records(parts, path)[0]
