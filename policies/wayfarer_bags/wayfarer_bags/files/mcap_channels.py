"""The channels of an MCAP file, from its schema and channel records.

These may come in any order and anywhere.
"""

from io import BytesIO

from mcap.data_stream import ReadDataStream
from mcap.opcode import Opcode
from mcap.records import Channel as ChannelRecord
from mcap.records import Schema

from wayfarer_bags.files.recorded import QOS, Channel, UnreadableError

MOST = 64 << 20  # bytes of all descriptions of a file


class Directory:
    """The channels described so far."""

    def __init__(self) -> None:
        self._schemas: dict[int, Schema] = {}
        self._records: dict[int, ChannelRecord] = {}
        self._made: dict[int, Channel] = {}  # made from a schema and a channel record
        self._known: dict[tuple[int, int], bytes] = {}  # (opcode, id) -> content of the record
        self._size = 0

    def learn(self, opcode: int, content: bytes) -> None:
        """Take a schema or a channel record; ignore others.

        UnreadableError if the descriptions get too large.
        """
        if opcode not in (Opcode.SCHEMA, Opcode.CHANNEL):
            return

        key = opcode, int.from_bytes(content[:2], "little")
        if self._known.get(key) == content:
            return

        self._size += len(content)
        if self._size > MOST:
            raise UnreadableError(f"describes its topics in more than {MOST >> 20} MiB")

        self._known[key] = content
        self._made.clear()
        if opcode == Opcode.SCHEMA:
            schema = Schema.read(ReadDataStream(BytesIO(content)))
            self._schemas[schema.id] = schema
        else:
            record = ChannelRecord.read(ReadDataStream(BytesIO(content)))
            self._records[record.id] = record

    def __contains__(self, id_: int) -> bool:
        """Say whether a channel is described."""
        return id_ in self._records

    def __getitem__(self, id_: int) -> Channel:
        """Return a channel. ValueError where nothing has described it yet."""
        if id_ not in self._records:
            raise ValueError(f"nothing describes its channel {id_}")

        if id_ not in self._made:
            record = self._records[id_]
            self._made[id_] = _channel(record, self._schemas.get(record.schema_id))

        return self._made[id_]

    def channels(self) -> dict[int, Channel]:
        """Return all of them by id."""
        return {id_: self[id_] for id_ in self._records}


def _channel(record: ChannelRecord, schema: Schema | None) -> Channel:
    return Channel(
        topic=record.topic,
        type=schema.name if schema is not None else "",
        qos=record.metadata.get(QOS, ""),
        definition=schema.data if schema is not None else b"",
        encoding=schema.encoding if schema is not None else "",
        message_encoding=record.message_encoding,
        metadata=tuple(record.metadata.items()),
    )
