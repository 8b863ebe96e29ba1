"""An MCAP file read chunk by chunk, whatever state it is in: what is sound, what is not, and where."""

import mmap
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.reader import make_reader
from mcap.records import Channel, Chunk, McapRecord, Message, Schema
from mcap.stream_reader import breakup_chunk
from wayfarer_common.errors import DataError

from wayfarer_policies.replay.bag import DAMAGE

_MAGIC = b"\x89MCAP0\r\n"
_OPCODES = range(0x01, 0x10)
_PRIVATE = 0x80  # opcodes from here on are other programs' own


@dataclass(frozen=True)
class ChunkReport:
    """One chunk: bytes start .. end of the file; its records, or what is wrong with it."""

    start: int
    end: int
    records: tuple[McapRecord, ...]
    problem: str  # empty for a sound one
    summed: bool = True  # False: its writer gave it no checksum, so that not all damage can be seen


@dataclass
class Survey:
    """What of a file can be trusted."""

    chunks: list[ChunkReport] = field(default_factory=list)  # in the order of the file
    problems: list[str] = field(default_factory=list)  # outside the chunks
    finished: bool = False  # it ends as a finished file does
    schemas: dict[int, Schema] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)

    def messages(self) -> Iterator[tuple[Schema | None, Channel, Message]]:
        """Yield the messages of all sound chunks; those of a channel that nothing describes are lost, too."""
        for chunk in self.chunks:
            for record in chunk.records:
                if isinstance(record, Message) and record.channel_id in self.channels:
                    channel = self.channels[record.channel_id]
                    yield self.schemas.get(channel.schema_id), channel, record


def survey(path: Path) -> Survey:
    """Look at every chunk of a file. DataError where it cannot be read at all, or is empty."""
    try:
        with path.open("rb") as file:
            if not path.stat().st_size:
                raise DataError(f"{path} is empty")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                found = _walk(data)
                _add_what_the_summary_knows(path, data, found)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    for chunk in found.chunks:
        _learn(found, chunk.records)
    return found


def _walk(data: mmap.mmap) -> Survey:
    found, position, footer = Survey(), len(_MAGIC), False
    if data[: len(_MAGIC)] != _MAGIC:
        found.problems.append("its first bytes are not those of an MCAP file")
    while position < len(data) and not footer:
        end, problem = _record(data, position)
        if problem:
            found.problems.append(problem)
            return found
        if data[position] == Opcode.CHUNK:
            found.chunks.append(_chunk(data, position, end))
        footer = data[position] == Opcode.FOOTER
        position = end
    found.finished = footer and data[position:] == _MAGIC
    if not found.finished:
        behind = "the bytes behind its footer are not MCAP's last ones" if footer else "it ends without a footer"
        found.problems.append(behind)
    return found


def _record(data: mmap.mmap, position: int) -> tuple[int, str]:
    """Return where the record at `position` ends, or what is wrong with it."""
    if len(data) - position < 9:
        return 0, f"it ends in the middle of the record at byte {position}"
    opcode, length = struct.unpack_from("<BQ", data, position)
    if opcode not in _OPCODES and opcode < _PRIVATE:
        return 0, f"there is no record of kind {opcode}: byte {position}"
    if position + 9 + length > len(data):
        return 0, f"it ends in the middle of the record at byte {position}, or that record's length is damaged"
    return position + 9 + length, ""


def _chunk(data: mmap.mmap, start: int, end: int) -> ChunkReport:
    try:
        chunk = Chunk.read(ReadDataStream(BytesIO(data[start + 9 : end])))
        records = tuple(breakup_chunk(chunk, validate_crc=True))
        times = [record.log_time for record in records if isinstance(record, Message)]
        if times and (min(times), max(times)) != (chunk.message_start_time, chunk.message_end_time):
            return ChunkReport(start, end, records, "its times are not those of its messages")
    except DAMAGE as error:
        return ChunkReport(start, end, (), f"{type(error).__name__}: {error}".rstrip(": "))
    return ChunkReport(start, end, records, "", summed=chunk.uncompressed_crc != 0)


def _add_what_the_summary_knows(path: Path, data: mmap.mmap, found: Survey) -> None:
    """Take channels and schemas from a readable summary, and the chunks behind a place where the walk had to end."""
    try:
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
    except DAMAGE:
        return
    if summary is None:
        return
    found.schemas.update(summary.schemas)
    found.channels.update(summary.channels)
    seen = {chunk.start for chunk in found.chunks}
    for index in summary.chunk_indexes:
        start, end = index.chunk_start_offset, index.chunk_start_offset + index.chunk_length
        if start not in seen and end <= len(data):
            found.chunks.append(_chunk(data, start, end))
    found.chunks.sort(key=lambda chunk: chunk.start)


def _learn(found: Survey, records: tuple[McapRecord, ...]) -> None:
    for record in records:
        if isinstance(record, Schema):
            found.schemas[record.id] = record
        elif isinstance(record, Channel):
            found.channels[record.id] = record
