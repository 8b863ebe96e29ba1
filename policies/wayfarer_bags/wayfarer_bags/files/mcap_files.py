"""MCAP files, record by record, in the order they were written, with all parts of the format.

The mcap package parses single records. We do not use its readers: they need a summary, or keep all
that they have read, or unpack as much as a chunk declares. Offsets are bytes from the file's
beginning.
"""

import os
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Attachment, ChunkIndex, Footer, Metadata, Statistics
from wayfarer_core import plain_yaml

from wayfarer_bags.files.mcap_channels import Directory
from wayfarer_bags.files.recorded import Channel, Message, UnreadableError
from wayfarer_bags.files.unpacking import LARGEST, unpacked

MAGIC = b"\x89MCAP0\r\n"
# the records that hold messages
DATA = (Opcode.CHUNK, Opcode.SCHEMA, Opcode.CHANNEL, Opcode.MESSAGE)
_SUMMARY = 64 << 20  # bytes of a file's summary
_PRIVATE = 0x80  # opcodes from here on belong to other programs
FOOTER = 9 + 8 + 8 + 4  # bytes of the footer's record
_FEW = 200_000  # records that any file may hold, in addition to one for each of its bytes
HEAD = struct.Struct("<BQ")  # of a record: opcode and length of what follows
_CHUNK = struct.Struct("<QQQII")  # two times, size, checksum, length of the compression's name
_LENGTH = struct.Struct("<Q")
_MESSAGE = struct.Struct("<HIQQ")  # channel, sequence, log time, publish time


Wanted = Callable[[Channel], bool]


def everything(_channel: Channel) -> bool:
    """Accept every channel."""
    return True


class Record(NamedTuple):
    """Where a record lies; its content begins 9 bytes after `start`."""

    opcode: int
    start: int
    end: int


class Block(NamedTuple):
    """Successive records: those of a chunk, unpacked, or a single record outside."""

    start: int
    end: int
    data: bytes
    summed: bool  # False: no checksum covers its bytes
    times: tuple[int, int] | None  # first and last message time that a chunk declares [ns]


class Summary(NamedTuple):
    """The summary at the end of a file; each part may be missing."""

    statistics: Statistics | None
    chunks: list[ChunkIndex]


class McapFile(AbstractContextManager["McapFile"]):
    """An open file.

    Raises ValueError, struct.error and the decompressors' errors if it is damaged.

    A `lenient` file skips the messages of channels without description.
    """

    def __init__(self, path: Path, lenient: bool = False) -> None:
        self.path, self._lenient = path, lenient
        self._file = path.open("rb")
        try:
            self.size = os.fstat(self._file.fileno()).st_size
            self.first = self.bytes(0, len(MAGIC))
            plain_yaml.refuse_pointer(path, self.bytes(0, 64))
        except BaseException:
            self._file.close()
            raise

        self.directory = Directory()
        self._records_left = self.size + _FEW  # that its blocks may still have

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._file.close()

    # --- the file ---

    def records(self, start: int = len(MAGIC), end: int | None = None) -> Iterator[Record]:
        """Yield the records in order, the footer last.

        ValueError if one is impossible.
        """
        end = self.size if end is None else end
        while start < end:
            if end - start < HEAD.size:
                raise ValueError(f"it ends in the middle of the record at byte {start}")

            opcode, length = HEAD.unpack(self.bytes(start, start + HEAD.size))
            if opcode not in range(0x01, 0x10) and opcode < _PRIVATE:
                raise ValueError(f"there is no record of kind {opcode}: byte {start}")
            if length > end - start - HEAD.size:
                raise ValueError(
                    f"it ends in the middle of the record at byte {start}, or that record's "
                    "length is damaged"
                )

            record = Record(opcode, start, start + HEAD.size + length)
            yield record
            if opcode == Opcode.FOOTER:
                return

            start = record.end

    def check_end(self) -> None:
        """Raise ValueError if the file does not end as a finished one."""
        if self.first != MAGIC:
            raise ValueError("its first bytes are not those of an MCAP file")

        start = self.size - FOOTER - len(MAGIC)
        last = self.bytes(start, self.size) if start > 0 else b""
        if not last or last[0] != Opcode.FOOTER or last[-len(MAGIC) :] != MAGIC:
            raise ValueError("it does not end as a finished MCAP file does")

    def footer(self) -> Footer:
        """Return the footer. Errors as above."""
        self.check_end()
        end = self.size - len(MAGIC)
        return Footer.read(_stream(self.bytes(end - FOOTER + HEAD.size, end)))

    def summary(self) -> Summary:
        """Read the summary, and learn its channels.

        Errors if it is damaged.
        """
        found = Summary(None, [])
        footer = self.footer()
        end = self.size - FOOTER - len(MAGIC)
        if not footer.summary_start:
            return found
        if not len(MAGIC) <= footer.summary_start <= end:
            raise ValueError(f"its summary begins at byte {footer.summary_start}, which cannot be")
        if end - footer.summary_start > _SUMMARY:
            raise UnreadableError(f"has a summary of more than {_SUMMARY >> 20} MiB")

        crc = footer.summary_crc
        if crc and self.crc(footer.summary_start, self.size - len(MAGIC) - 4) != crc:
            raise ValueError("its summary's checksum is not that of its content")

        for record in self.records(footer.summary_start, end):
            content = self.bytes(record.start + HEAD.size, record.end)
            if record.opcode == Opcode.STATISTICS:
                found = found._replace(statistics=Statistics.read(_stream(content)))
            elif record.opcode == Opcode.CHUNK_INDEX:
                found.chunks.append(ChunkIndex.read(_stream(content)))
            else:
                self.directory.learn(record.opcode, content)

        return found

    def crc(self, start: int, end: int) -> int:
        """Return the CRC-32 of the file's bytes start .. end."""
        found = 0
        while start < end:
            data = self.bytes(start, min(end, start + (1 << 20)))
            if not data:
                raise ValueError(f"it ends at byte {start}, sooner than when it was opened")
            found, start = zlib.crc32(data, found), start + len(data)

        return found

    @property
    def channels(self) -> dict[int, Channel]:
        """The channels read so far, by id."""
        return self.directory.channels()

    # --- its blocks ---

    def block(self, record: Record) -> Block:
        """Read a record of the data section; unpack it if it is a chunk.

        Errors if it is damaged.
        """
        if record.end - record.start > LARGEST + (1 << 20):
            raise UnreadableError(
                f"has a record of {record.end - record.start} bytes at byte {record.start}: too "
                "large to read"
            )

        data = self.bytes(record.start, record.end)
        if len(data) < record.end - record.start:
            raise ValueError(f"it ends in the middle of the record at byte {record.start}")
        if record.opcode != Opcode.CHUNK:
            return Block(record.start, record.end, data, False, None)

        first, last, size, crc, length = _CHUNK.unpack_from(data, HEAD.size)
        behind = HEAD.size + _CHUNK.size + length
        compression = data[behind - length : behind].decode()
        (packed,) = _LENGTH.unpack_from(data, behind)
        content = memoryview(data)[behind + _LENGTH.size :][:packed]
        if len(content) < packed:
            raise ValueError(f"the chunk at byte {record.start} is shorter than its content")

        if size > LARGEST:
            most = f"at most {LARGEST / 1e9:.2g} GB are read"
            where = f"has a chunk at byte {record.start}"
            raise UnreadableError(f"{where} that unpacks to {size / 1e9:.3g} GB: {most}")

        plain = unpacked(content, compression, size)
        if len(plain) != size:
            raise ValueError(f"the chunk holds {len(plain)} bytes and not {size}")
        if crc and zlib.crc32(plain) != crc:
            raise ValueError("its checksum is not that of its content")

        return Block(record.start, record.end, plain, crc != 0, (first, last))

    def blocks(self, places: Iterable[int] | None = None) -> Iterator[Block]:
        """Yield the blocks of the data section in the order they were written.

        Only the blocks that begin at `places`, if given.
        """
        if places is not None:
            for start in places:
                yield self.block(next(self.records(start)))
            return

        for record in self.records():
            if record.opcode in (Opcode.DATA_END, Opcode.FOOTER):
                return
            if record.opcode in DATA:
                yield self.block(record)

    def messages(
        self, wanted: Wanted = everything, places: Iterable[int] | None = None
    ) -> Iterator[Message]:
        """Yield the messages of some channels, in the order they were written.

        Only of the blocks at `places`, if given.
        """
        self._records_left = self.size + _FEW
        for block in self.blocks(places):
            yield from self.messages_of(block, wanted)

    def messages_of(self, block: Block, wanted: Wanted = everything) -> Iterator[Message]:
        """Yield the messages of a block; learn the channels that it describes."""
        channels: dict[int, Channel | None] = {}
        data = block.data
        left = self._records_left

        for opcode, start, end in _contents(data, left):
            left -= 1
            if opcode == Opcode.MESSAGE:
                id_, sequence, log_time, publish_time = _MESSAGE.unpack_from(data, start)
                if id_ not in channels:
                    unknown = self._lenient and id_ not in self.directory
                    known = None if unknown else self.directory[id_]
                    channels[id_] = known if known is not None and wanted(known) else None

                if (channel := channels[id_]) is not None:
                    cdr = data[start + _MESSAGE.size : end]
                    yield Message(channel, cdr, log_time, publish_time, sequence, block.start)
            elif opcode in (Opcode.SCHEMA, Opcode.CHANNEL):
                self.directory.learn(opcode, data[start:end])
                channels.clear()

        self._records_left = left

    # --- what it holds besides messages ---

    def extras(self) -> Iterator[Attachment | Metadata]:
        """Yield its attachments and its metadata, in the order they were written."""
        for record in self.records():
            if record.opcode in (Opcode.ATTACHMENT, Opcode.METADATA):
                kind = Attachment if record.opcode == Opcode.ATTACHMENT else Metadata
                yield kind.read(_stream(self.block(record).data[HEAD.size :]))

    def bytes(self, start: int, end: int) -> bytes:
        """Return the file's bytes `start` to `end`; fewer if it ends before."""
        return os.pread(self._file.fileno(), end - start, start)


def times_of(block: Block) -> list[int]:
    """Return the log times of a block's messages, those of unknown channels too."""
    found = (
        at for opcode, at, _ in _contents(block.data, len(block.data)) if opcode == Opcode.MESSAGE
    )
    return [_MESSAGE.unpack_from(block.data, at)[2] for at in found]


def _contents(data: bytes, most: int) -> Iterator[tuple[int, int, int]]:
    """Yield opcode, start and end of the content of each record in a block.

    ValueError if one is impossible, UnreadableError if there are more than `most`.
    """
    position, end = 0, len(data)
    while position < end:
        opcode, length = HEAD.unpack_from(data, position)
        start = position + HEAD.size
        position = start + length
        if position > end or not opcode:
            raise ValueError(
                f"there is no record of kind {opcode} and {length} bytes in {end} of a chunk"
            )
        if (most := most - 1) < 0:
            raise UnreadableError("holds more records than bytes")

        yield opcode, start, position


def _stream(content: bytes) -> ReadDataStream:
    return ReadDataStream(BytesIO(content))
