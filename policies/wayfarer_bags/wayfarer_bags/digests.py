"""SHA256SUMS of a run.

It holds the digest of each closed episode, of run.yaml and of metadata.yaml; `sha256sum -c` reads
it, too.

A digest is noted before the file gets its name. The new content of a file that changes, such as
metadata.yaml after each episode, waits under NAME.new until its digest is noted. So after a crash
at any moment the noted content exists.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO

from wayfarer_core import plain_yaml
from wayfarer_core.atomic import NEW_SUFFIX, give_name, stage, write_atomically
from wayfarer_core.errors import DataError

NAME = "SHA256SUMS"
_BLOCK = 1 << 20
_LONGEST = plain_yaml.LARGEST + 1  # bytes read of run.yaml and metadata.yaml
_LINE = re.compile(r"([0-9a-f]{64})  ([^\n\r/]+)")


class HashingFile:
    """A file for appending, which computes the digest of all that was written."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Append."""
        self._hash.update(data)
        return self._file.write(data)

    def tell(self) -> int:
        """Return the number of bytes written."""
        return self._file.tell()

    def flush(self) -> None:
        """Flush to the kernel."""
        self._file.flush()

    @property
    def digest(self) -> str:
        """SHA-256 of what was written, in hexadecimal."""
        return self._hash.hexdigest()


def digest_of(file: Path) -> str:
    """Read a file and return its SHA-256 in hexadecimal."""
    found = hashlib.sha256()
    try:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                found.update(block)
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error

    return found.hexdigest()


def check(file: Path, noted: str | None) -> str:
    """Return a file's digest. DataError if it is not the one that was noted."""
    found = digest_of(file)
    if noted not in (None, found):
        raise DataError(f"{file} is damaged, not as it was written: `wayfarer bag recover` first")
    return found


def read(folder: Path) -> dict[str, str]:
    """Return the noted digests by file name; an empty dict if there is no list.

    DataError for a damaged list.
    """
    path = folder / NAME
    if not path.exists():
        return {}

    try:
        *lines, rest = path.read_bytes().decode().split("\n")
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from error

    found: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        match = _LINE.fullmatch(line)
        if match is None or match[2] in found:
            raise DataError(
                f"cannot read {path}: line {number} is not a digest and the name of one file more"
            )

        found[match[2]] = match[1]

    if rest:
        raise DataError(f"cannot read {path}: its last line is torn")

    return found


def read_or_say(folder: Path) -> tuple[dict[str, str], str]:
    """Return the noted digests as `read` does, and "".

    For a damaged list return no digests, and the problem in words.
    """
    try:
        return read(folder), ""
    except DataError as error:
        return {}, str(error)


def note(folder: Path, digests: Mapping[str, str]) -> None:
    """Add digests of the folder's files, or replace them."""
    replace(folder, {**read(folder), **digests})


def replace(folder: Path, digests: Mapping[str, str]) -> None:
    """Write the list anew."""
    write_atomically(
        folder / NAME, "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items()))
    )


# --- files that change ---


def write_noted(path: Path, content: str | bytes) -> None:
    """Replace a file; note its digest first.

    After a crash the noted content has its name, or NAME.new.
    """
    data = content.encode() if isinstance(content, str) else content
    stage(path, data)
    note(path.parent, {path.name: hashlib.sha256(data).hexdigest()})
    give_name(path)


def content_of(path: Path) -> tuple[bytes, str]:
    """Return the noted content of a file, from its name or from NAME.new, and "".

    If the noted content does not exist, return the present content, and in words that it differs.
    A file without a note is returned as it is. Raises DataError if there is none, or it cannot be
    read.
    """
    while True:  # another process may be writing: if the note has changed, look again
        wanted = read(path.parent).get(path.name)
        for place in (path, path.with_name(path.name + NEW_SUFFIX)) if wanted else (path,):
            content = _bytes_of(place)
            if content is not None and wanted in (None, hashlib.sha256(content).hexdigest()):
                return content, ""

        if read(path.parent).get(path.name) == wanted:
            break

    content = _bytes_of(path)
    if content is None:
        raise DataError(f"cannot read {path}: it is not there")

    found = hashlib.sha256(content).hexdigest()

    return content, (
        f"{path} is not as it was written: its SHA-256 is {found}, it was {wanted}; if it was "
        "meant to be changed, `wayfarer bag recover --write` takes it as it is"
    )


def settle(folder: Path, names: Iterable[str]) -> None:
    """Rename NAME.new files whose writer was killed before it could.

    Only the process that writes to the folder may call this.
    """
    noted = read(folder)
    for path in (folder / name for name in names if name in noted):
        waiting = _bytes_of(path.with_name(path.name + NEW_SUFFIX))
        if waiting is not None and hashlib.sha256(waiting).hexdigest() == noted[path.name]:
            give_name(path)


def _bytes_of(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
