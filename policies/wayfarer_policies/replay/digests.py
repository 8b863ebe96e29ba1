"""SHA256SUMS of a run: each closed file's digest, in the format of `sha256sum -c`; MCAP's own checksums leave gaps."""

import hashlib
from pathlib import Path
from typing import IO

from wayfarer_common.errors import DataError

from wayfarer_policies.atomic import write_atomically

NAME = "SHA256SUMS"
_BLOCK = 1 << 20


class HashingFile:
    """A file that is only appended to, with the digest of all that was written."""

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
        """Hand on to the kernel."""
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


def read(folder: Path) -> dict[str, str]:
    """Return the noted digests by file name; none where nothing was noted. DataError for a damaged list."""
    path = folder / NAME
    if not path.exists():
        return {}
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
        return {name: digest for digest, name in lines}
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}") from error


def note(folder: Path, digests: dict[str, str]) -> None:
    """Add digests to those of the folder's files, or put others in their place."""
    replace(folder, {**read(folder), **digests})


def replace(folder: Path, digests: dict[str, str]) -> None:
    """Write the list anew."""
    write_atomically(folder / NAME, "".join(f"{digest}  {name}\n" for name, digest in sorted(digests.items())))
