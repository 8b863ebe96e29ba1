"""Is a sqlite3 bag's file a whole database? What its rows hold has no checksum: a changed byte in one stays unseen."""

import contextlib
import sqlite3
from pathlib import Path
from urllib.parse import quote


def problems(file: Path) -> list[str]:
    """Return what SQLite's own check finds wrong with the file, which it only reads."""
    try:
        with contextlib.closing(_opened(file)) as connection:
            found = [str(text) for (text,) in connection.execute("PRAGMA integrity_check(8)")]
    except (sqlite3.DatabaseError, OSError) as error:
        return [f"is damaged or no sqlite3 file: {error}"]
    return (
        [] if found == ["ok"] else [f"is damaged, SQLite says: {'; '.join(' '.join(text.split()) for text in found)}"]
    )


def _opened(database: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(database.resolve()))}?mode=ro&immutable=1", uri=True)
