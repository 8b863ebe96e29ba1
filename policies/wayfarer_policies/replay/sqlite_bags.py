"""Is a sqlite3 bag's file a whole database? What its rows hold has no checksum: a changed byte in one stays unseen."""

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from backports import zstd

_ENDINGS = (".db3", ".db3.zstd")


def is_sqlite(file: Path) -> bool:
    """Say whether a file is one of a sqlite3 bag, compressed as a whole or not."""
    return file.name.endswith(_ENDINGS)


def problems(file: Path) -> list[str]:
    """Return what SQLite's own check finds wrong with the file, which it only reads."""
    try:
        with _plain(file) as database, contextlib.closing(_opened(database)) as connection:
            found = [str(text) for (text,) in connection.execute("PRAGMA integrity_check(8)")]
    except (sqlite3.DatabaseError, zstd.ZstdError, EOFError, OSError) as error:
        return [f"is damaged or no sqlite3 file: {error}"]
    return (
        [] if found == ["ok"] else [f"is damaged, SQLite says: {'; '.join(' '.join(text.split()) for text in found)}"]
    )


def _opened(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(database.resolve()))}?mode=ro&immutable=1", uri=True)


@contextlib.contextmanager
def _plain(file: Path) -> Iterator[Path]:
    if file.suffix != ".zstd":
        yield file
        return
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / file.stem
        with zstd.open(file, "rb") as packed, database.open("wb") as target:
            shutil.copyfileobj(packed, target)
        yield database
