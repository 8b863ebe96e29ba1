"""Decompression of bags within bounds: whole files, MCAP's chunks, single messages.

Compressed data declare their size, and zstd compresses up to 32,000 to one: check a size against a
bound before believing it.
"""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import lz4.frame
import zstandard
from backports import zstd
from wayfarer_core.errors import DataError
from wayfarer_core.plain_yaml import refuse_pointer

from wayfarer_bags.files.recorded import UnreadableError

PACKED = ".zstd"
LONGEST = 3600.0  # s to unpack a file; a slower disk counts as not working
LARGEST = (
    256 << 20
)  # bytes of an unpacked chunk or message: enough for an image of 80 million pixels
_BLOCK = 1 << 22
_ZSTD = b"\x28\xb5\x2f\xfd"  # start of its frames; CDR starts with a zero


# --- chunks and messages ---


def unpacked(content: bytes | memoryview, compression: str, size: int) -> bytes:
    """Decompress data that declare `size` bytes, and never make more than that.

    Raises UnreadableError for another compression, ValueError, RuntimeError or ZstdError if the
    data are damaged.
    """
    if compression == "":
        return bytes(content)

    if compression == "zstd":
        told = zstandard.frame_content_size(content)
        if told not in (-1, size):  # -1: the frame does not declare its size
            raise ValueError(f"its zstd frame holds {told} bytes and not {size}")

        return (
            zstandard.ZstdDecompressor().decompress(content, max_output_size=size) if size else b""
        )

    if compression == "lz4":
        decompressor = lz4.frame.LZ4FrameDecompressor()
        plain = decompressor.decompress(content, max_length=size)

        return bytes(
            plain if decompressor.eof else plain + decompressor.decompress(b"", max_length=1)
        )

    raise UnreadableError(f"is compressed with {compression!r}: only zstd and lz4 can be read")


def plain_message(cdr: bytes) -> bytes:
    """Return a message before `ros2 bag record --compression-mode message` compressed it.

    Errors as above.
    """
    if not cdr.startswith(_ZSTD):
        return cdr

    size = zstandard.frame_content_size(cdr)
    if size > LARGEST:
        raise UnreadableError(
            f"has a message that unpacks to {size / 1e9:.3g} GB: at most {LARGEST / 1e9:.2g} GB "
            "are read"
        )

    return zstandard.ZstdDecompressor().decompress(
        cdr, max_output_size=LARGEST if size < 0 else size
    )


# --- whole files ---


@contextlib.contextmanager
def plain_file(file: Path) -> Iterator[Path]:
    """Give a file decompressed, under its name without the ending.

    Give another file as it is.

    Raises DataError if it is damaged, or needs more room than there is.
    """
    if file.suffix != PACKED:
        yield file
        return

    with tempfile.TemporaryDirectory(prefix="wayfarer-") as folder:
        yield _unpack(file, Path(folder))


def room_in(folder: Path) -> int:
    """Return how many bytes may be put into a temporary folder.

    It is half of the free space; the rest is for other programs.
    """
    return shutil.disk_usage(folder).free // 2


def _unpack(file: Path, folder: Path) -> Path:
    target, written = folder / file.stem, 0
    room = room_in(folder)
    until = time.monotonic() + LONGEST

    try:
        with file.open("rb") as packed:
            refuse_pointer(file, packed.read(64))

        with zstd.open(file, "rb") as packed, target.open("wb") as plain:
            while block := packed.read(_BLOCK):
                written += len(block)
                if written > room:
                    raise DataError(
                        f"{file} unpacks to more than {room / 1e9:.3g} GB, half of what is free "
                        f"in {folder.parent}: let TMPDIR name a folder with more room"
                    )
                if time.monotonic() > until:
                    raise DataError(
                        f"{file} is not unpacked after {LONGEST:.0f} s, {written / 1e9:.3g} GB so "
                        "far"
                    )

                plain.write(block)
    except (zstd.ZstdError, EOFError) as error:
        raise DataError(
            f"{file} is damaged: zstd stops behind {written} bytes of its content: {error}"
        ) from error
    except OSError as error:
        raise DataError(
            f"cannot unpack {file} into {folder.parent}: {error.strerror or error}"
        ) from error

    if not written:
        raise DataError(f"{file} is damaged: there is nothing in it")

    return target
