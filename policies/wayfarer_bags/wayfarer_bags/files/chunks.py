"""Survey of an MCAP file, block by block, in whatever state it is.

It finds what is sound, what is damaged, and what no checksum covers.
"""

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mcap.opcode import Opcode
from wayfarer_core.errors import DataError

from wayfarer_bags.files.damage import DAMAGE, reading
from wayfarer_bags.files.mcap_files import (
    DATA,
    FOOTER,
    HEAD,
    MAGIC,
    McapFile,
    Record,
    Summary,
    times_of,
)
from wayfarer_bags.files.recorded import Channel, Message, UnreadableError

_LENGTH, _COUNT = struct.Struct("<Q"), struct.Struct("<I")


@dataclass(frozen=True)
class ChunkReport:
    """One chunk: bytes `start` to `end` of the file, and its problem."""

    start: int
    end: int
    problem: str  # empty for a sound chunk
    summed: bool = True  # False: it has no checksum, so some damage cannot be found


@dataclass
class Survey:
    """The result of a survey."""

    path: Path
    chunks: list[ChunkReport] = field(default_factory=list)  # in the order of the file
    problems: list[str] = field(default_factory=list)  # outside the chunks
    unsummed: list[str] = field(default_factory=list)  # parts outside the chunks without checksum
    finished: bool = False  # it has the end of a finished file
    channels: dict[int, Channel] = field(default_factory=dict)
    counts: Counter[Channel] = field(default_factory=Counter)  # messages that can be read
    sound: list[Record] = field(default_factory=list)  # the blocks that can be read

    @property
    def damage(self) -> list[str]:
        """All that is wrong with the file, in words."""
        found = [
            f"chunk {k} of {len(self.chunks)} (bytes {chunk.start} to {chunk.end}) is damaged: "
            f"{chunk.problem}"
            for k, chunk in enumerate(self.chunks, 1)
            if chunk.problem
        ]
        unfinished = [] if self.finished else ["it is not a finished MCAP file"]

        return [*found, *self.problems, *unfinished]

    @property
    def unseen(self) -> list[str]:
        """The parts of the file that no checksum covers, in words."""
        bare = sum(not chunk.summed for chunk in self.chunks)
        chunks = f"{bare} of its {len(self.chunks)} chunks have no checksum: not all is seen"
        verb = "has" if len(self.unsummed) == 1 else "have"
        rest = f"{' and '.join(self.unsummed)} {verb} no checksum: not all is seen"

        return [*([chunks] if bare else []), *([rest] if self.unsummed else [])]

    def messages(self) -> Iterator[Message]:
        """Yield the messages of all sound blocks, in the order they were written."""
        with reading(self.path), McapFile(self.path, lenient=True) as file:
            _learn_summary(file)
            for record in self.sound:
                yield from file.messages_of(file.block(record))


def survey(path: Path) -> Survey:
    """Check every block of a file. DataError if it cannot be read at all, or is empty."""
    found = Survey(path)
    with reading(path), McapFile(path, lenient=True) as file:
        if not file.size:
            raise DataError(f"{path} is empty")

        summary = _learn_summary(file)
        _walk(file, found)
        seen = {chunk.start for chunk in found.chunks}

        for index in summary.chunks if summary else ():
            start, end = index.chunk_start_offset, index.chunk_start_offset + index.chunk_length
            if start not in seen and end <= file.size:  # after the place where the walk ended
                _look(file, Record(Opcode.CHUNK, start, end), found)

        found.chunks.sort(key=lambda chunk: chunk.start)
        found.sound.sort(key=lambda record: record.start)
        held = sum(found.counts.values())
        statistics = summary.statistics if summary else None

        if statistics is not None and not found.damage and statistics.message_count != held:
            said = statistics.message_count
            found.problems.append(f"its summary counts {said} messages, it holds {held}")

        found.channels = file.channels

    return found


def _learn_summary(file: McapFile) -> Summary | None:
    """Learn channels and schemas from the summary, if it can be read."""
    try:
        return file.summary()
    except DAMAGE:
        return None


def _walk(file: McapFile, found: Survey) -> None:
    """Check the file from start to end, as far as its records lead."""
    if file.first != MAGIC:
        found.problems.append("its first bytes are not those of an MCAP file")

    data_ended, last = False, Record(0, 0, len(MAGIC))
    try:
        for last in file.records():
            if last.opcode in DATA and not data_ended:
                _look(file, last, found)
            elif last.opcode == Opcode.ATTACHMENT:
                _check_attachment(file, last, found)
            elif last.opcode == Opcode.DATA_END:
                data_ended = True
                _check_data(file, last, found)
    except DAMAGE as error:
        found.problems.append(_words(error))
        return

    if last.opcode != Opcode.FOOTER:
        found.problems.append("it ends without a footer")
    elif file.bytes(last.end, file.size) != MAGIC:
        found.problems.append("the bytes behind its footer are not MCAP's last ones")
    else:
        _check_summary(file, found)


def _look(file: McapFile, record: Record, found: Survey) -> None:
    """Check one block: add a report for a chunk, or the problem of another record."""
    problem, summed = "", True
    try:
        block = file.block(record)
        summed = block.summed
        found.counts.update(message.channel for message in file.messages_of(block))
        times = times_of(block)
        found.sound.append(record)
        if times and block.times is not None and (min(times), max(times)) != block.times:
            problem = "its times are not those of its messages"
    except DAMAGE as error:
        problem = _words(error)

    if record.opcode == Opcode.CHUNK:
        found.chunks.append(ChunkReport(record.start, record.end, problem, summed))
    elif problem:
        found.problems.append(f"the record at byte {record.start} is damaged: {problem}")


def _check_attachment(file: McapFile, record: Record, found: Survey) -> None:
    start = record.start + HEAD.size
    position, words = start + 16, list[str]()  # after two times
    for _ in ("name", "media type"):
        (length,) = _COUNT.unpack(file.bytes(position, position + _COUNT.size))
        position += _COUNT.size
        words.append(file.bytes(position, min(position + length, record.end)).decode())
        position += length

    (length,) = _LENGTH.unpack(file.bytes(position, position + _LENGTH.size))
    position += _LENGTH.size + length
    if position + _COUNT.size > record.end:
        raise ValueError(f"the attachment at byte {record.start} is longer than its record")

    (crc,) = _COUNT.unpack(file.bytes(position, position + _COUNT.size))
    if crc == 0:
        found.unsummed.append(f"its attachment {words[0]!r}")
    elif crc != file.crc(start, position):
        what = f"the checksum of its attachment {words[0]!r}"
        found.problems.append(f"{what} is not that of its content")


def _check_data(file: McapFile, record: Record, found: Survey) -> None:
    (crc,) = _COUNT.unpack_from(file.bytes(record.start, record.end), HEAD.size)
    if crc == 0:
        summed = found.chunks and all(chunk.summed for chunk in found.chunks)
        found.unsummed.append(f"its data section{' outside its chunks' if summed else ''}")
    elif not any(chunk.problem for chunk in found.chunks) and crc != file.crc(0, record.start):
        found.problems.append("the checksum of its data section is not that of its content")


def _check_summary(file: McapFile, found: Survey) -> None:
    try:
        footer = file.footer()
    except DAMAGE as error:
        found.problems.append(_words(error))
        return

    found.finished = True
    start = footer.summary_start or file.size - len(MAGIC) - FOOTER
    if footer.summary_crc == 0:
        found.unsummed.append("its summary")
    elif file.crc(start, file.size - len(MAGIC) - 4) != footer.summary_crc:
        found.problems.append("the checksum of its summary is not that of its content")


def _words(error: BaseException) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, UnreadableError):
        return f"it {text}"
    return text if type(error) is ValueError else f"{type(error).__name__}: {text}".rstrip(": ")
