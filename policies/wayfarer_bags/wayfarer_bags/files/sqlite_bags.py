"""sqlite3 bags: reads their tables, and checks the database.

Rows have no checksum: a changed byte in one is not found.
"""

import contextlib
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from urllib.parse import quote

from mcap.records import Attachment, Metadata
from wayfarer_core.errors import DataError
from wayfarer_core.plain_yaml import refuse_pointer

from wayfarer_bags.files.mcap_files import Wanted, everything
from wayfarer_bags.files.recorded import QOS, Channel, Message, UnreadableError
from wayfarer_bags.files.unpacking import LARGEST, room_in

JOURNALS = ("-wal", "-journal")  # files beside a database that was not closed
_HASH = "topic_type_hash"  # rosbag2's key of a channel's metadata in MCAP


class SqliteFile(AbstractContextManager["SqliteFile"]):
    """An open database.

    Raises sqlite3.DatabaseError, ValueError and UnreadableError if it is damaged or no bag.
    """

    def __init__(self, path: Path) -> None:
        """Open it without changing anything; read also what is still in its -wal."""
        self._stack = contextlib.ExitStack()
        with contextlib.ExitStack() as stack:
            whole = stack.enter_context(_whole(path))
            self._database = stack.enter_context(contextlib.closing(_opened(whole)))
            self._check_tables()
            self._definitions = self._read_definitions()
            self.channels = self._read_channels()
            self._stack = stack.pop_all()

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._stack.close()

    def messages(
        self, wanted: Wanted = everything, places: Iterable[int] | None = None
    ) -> Iterator[Message]:
        """Yield the messages of some channels in the order they were written.

        Only the rows `places`, if given.

        `sequence` is 0: the tables do not have it.
        """
        ids = {id_ for id_, channel in self.channels.items() if wanted(channel)}
        for id_, topic, time, cdr in self._rows(ids, places):
            if (
                not isinstance(cdr, bytes)
                or not isinstance(time, int)
                or topic not in self.channels
            ):
                raise ValueError(f"row {id_} of its messages is no message of one of its topics")

            yield Message(self.channels[topic], cdr, time, time, 0, id_)

    def extras(self) -> Iterator[Attachment | Metadata]:
        """Yield nothing: a database holds only messages."""
        yield from ()

    def _rows(
        self, ids: Collection[int], places: Iterable[int] | None
    ) -> Iterator[tuple[int, int, int, bytes]]:
        select = "SELECT id, topic_id, timestamp, data FROM messages"
        if len(ids) < len(self.channels):
            select += f" WHERE topic_id IN ({', '.join(map(str, ids))})"

        if places is None:
            yield from self._database.execute(f"{select} ORDER BY id")

        for place in places or ():
            yield from self._database.execute(
                f"{select} {'AND' if 'WHERE' in select else 'WHERE'} id = ?", (place,)
            )

    def _check_tables(self) -> None:
        """Refuse views and virtual tables: reading one may never end."""
        found = dict(
            self._database.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'table'"
            ).fetchall()
        )
        for name in ("topics", "messages"):
            if not str(found.get(name, "")).upper().startswith("CREATE TABLE"):
                raise UnreadableError(f"is no rosbag2 bag: it has no table {name}")

    def _columns(self, table: str) -> set[str]:
        return {row[1] for row in self._database.execute(f"PRAGMA table_info({table})")}

    def _read_definitions(self) -> dict[str, tuple[str, bytes]]:
        """Return encoding and text of each type; bags have them since ROS 2 Iron."""
        if not self._columns("message_definitions") >= {
            "topic_type",
            "encoding",
            "encoded_message_definition",
        }:
            return {}

        rows = self._database.execute(
            "SELECT topic_type, encoding, encoded_message_definition FROM message_definitions"
        )

        return {str(kind): (str(encoding), str(text).encode()) for kind, encoding, text in rows}

    def _read_channels(self) -> dict[int, Channel]:
        columns = self._columns("topics")
        more = [
            name for name in ("offered_qos_profiles", "type_description_hash") if name in columns
        ]
        rows = self._database.execute(
            f"SELECT {', '.join(['id', 'name', 'type', 'serialization_format', *more])} FROM topics"
        )
        channels = {}

        for id_, name, kind, form, *rest in rows:
            about = {key: str(value) for key, value in zip(more, rest, strict=True)}
            encoding, definition = self._definitions.get(str(kind), ("", b""))
            qos = about.get("offered_qos_profiles", "")
            metadata = (
                (QOS, qos),
                *(((_HASH, about["type_description_hash"]),) if len(more) == 2 else ()),
            )
            channels[int(id_)] = Channel(
                str(name), str(kind), qos, definition, encoding, str(form), metadata
            )

        return channels


def unclosed(file: Path) -> list[Path]:
    """Return the files beside a database that show that its recorder did not close it."""
    beside = [file.with_name(file.name + ending) for ending in JOURNALS]
    return [path for path in beside if path.is_file() and path.stat().st_size]


def problems(file: Path) -> list[str]:
    """Return the problems that SQLite's own check finds; it only reads the file."""
    try:
        with _whole(file) as whole, contextlib.closing(_opened(whole)) as connection:
            found = [str(text) for (text,) in connection.execute("PRAGMA integrity_check(8)")]
    except (sqlite3.DatabaseError, OSError) as error:
        return [f"is damaged or no sqlite3 file: {error}"]

    return (
        []
        if found == ["ok"]
        else [f"is damaged, SQLite says: {'; '.join(' '.join(text.split()) for text in found)}"]
    )


@contextlib.contextmanager
def _whole(file: Path) -> Iterator[Path]:
    """Give a database with all that was written to it.

    If it was not closed, this is a copy that SQLite has completed.

    Raises DataError if there is no room for the copy.
    """
    with file.open("rb") as stream:
        refuse_pointer(file, stream.read(64))

    journals = unclosed(file)
    if not journals:
        yield file
        return

    with tempfile.TemporaryDirectory(prefix="wayfarer-") as folder:
        if (size := sum(path.stat().st_size for path in (file, *journals))) > room_in(Path(folder)):
            raise DataError(
                f"{file} was not closed, and a copy of {size / 1e9:.3g} GB finds no room in "
                f"{folder}: TMPDIR"
            )

        for path in (file, *journals):
            shutil.copyfile(path, Path(folder) / path.name)

        copy = Path(folder) / file.name
        with contextlib.closing(sqlite3.connect(copy)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.execute("SELECT count(*) FROM sqlite_master").fetchall()

        yield copy


def _opened(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"file:{quote(os.fsencode(database.resolve()))}?mode=ro&immutable=1", uri=True
    )
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
    connection.execute("PRAGMA trusted_schema=OFF")

    return connection
