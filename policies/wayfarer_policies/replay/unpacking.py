"""Bag files compressed as a whole (`ros2 bag record --compression-mode file`), unpacked into a passing folder."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from backports import zstd
from wayfarer_common.errors import DataError

PACKED = ".zstd"
LONGEST = 3600.0  # s to unpack a file: a disk that is slower than that stands still
_BLOCK = 1 << 22


@contextlib.contextmanager
def plain_file(file: Path) -> Iterator[Path]:
    """Give a file as it was before it was compressed, under its own name without the ending; another file as it is.

    Raises DataError where it is damaged, or holds more than there is room for: zstd packs up to 32,000 to one.
    """
    if file.suffix != PACKED:
        yield file
        return
    with tempfile.TemporaryDirectory(prefix="wayfarer-") as folder:
        yield _unpack(file, Path(folder))


@contextlib.contextmanager
def plain_bag(path: Path) -> Iterator[Path]:
    """Give a whole bag, or one of its files, with every file plain and metadata that say so. DataError as above."""
    if not path.is_dir():
        with plain_file(path) as file:
            yield file
        return
    description = _description(path)
    if str(description.get("compression_mode", "")).lower() != "file":
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="wayfarer-") as folder:
        for name in _files(path, description):
            _unpack(path / name, Path(folder)) if name.endswith(PACKED) else _link(path / name, Path(folder))
        description |= {"compression_mode": "", "compression_format": ""}
        for key in ("relative_file_paths", "files"):
            description[key] = [_renamed(entry) for entry in description.get(key) or ()]
        content = yaml.safe_dump({"rosbag2_bagfile_information": description}, sort_keys=False)
        (Path(folder) / "metadata.yaml").write_text(content)
        yield Path(folder)


def _description(bag: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
        return dict(content)
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError) as error:
        raise DataError(f"{bag / 'metadata.yaml'} cannot be read: {error}") from error


def _files(bag: Path, description: dict[str, Any]) -> list[str]:
    """Return the names of the bag's files; older rosbag2 put the bag's name before them."""
    names = [Path(str(entry)).name for entry in description.get("relative_file_paths") or ()]
    if missing := [name for name in names if not (bag / name).is_file()]:
        raise DataError(f"{bag} lacks {', '.join(missing)}, which its metadata.yaml lists")
    return names


def _renamed(entry: Any) -> Any:
    """Take the ending from a name, or from the path of a file's description."""
    if isinstance(entry, dict):
        return {**entry, "path": _renamed(entry.get("path", ""))}
    return Path(str(entry)).name.removesuffix(PACKED)


def _link(file: Path, folder: Path) -> None:
    (folder / file.name).symlink_to(file.resolve())


def _unpack(file: Path, folder: Path) -> Path:
    target, written = folder / file.stem, 0
    room = shutil.disk_usage(folder).free // 2  # the other half is others'
    until = time.monotonic() + LONGEST
    try:
        with zstd.open(file, "rb") as packed, target.open("wb") as plain:
            while block := packed.read(_BLOCK):
                written += len(block)
                if written > room:
                    raise DataError(
                        f"{file} unpacks to more than {room / 1e9:.3g} GB, half of what is free in {folder.parent}: "
                        "let TMPDIR name a folder with more room"
                    )
                if time.monotonic() > until:
                    raise DataError(f"{file} is not unpacked after {LONGEST:.0f} s, {written / 1e9:.3g} GB so far")
                plain.write(block)
    except (zstd.ZstdError, EOFError) as error:
        raise DataError(f"{file} is damaged: zstd stops behind {written} bytes of its content: {error}") from error
    except OSError as error:
        raise DataError(f"cannot unpack {file} into {folder.parent}: {error.strerror or error}") from error
    if not written:
        raise DataError(f"{file} is damaged: there is nothing in it")
    return target
