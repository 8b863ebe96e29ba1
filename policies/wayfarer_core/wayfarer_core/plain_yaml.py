"""A reader for untrusted YAML.

It makes plain values only, within bounds, and raises one kind of error.
"""

from pathlib import Path
from typing import Any

import yaml

from wayfarer_core.errors import DataError

LARGEST = 64 << 20  # bytes of a file
DEEPEST = 64  # nested lists and mappings
MOST = 1_000_000  # values in all; a value with an anchor counts at each use

_SAFE = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # compiled if PyYAML has it
_ODD = ("binary", "omap", "pairs", "set")  # tags whose values are not plain
_DIGITS = 40  # of a whole number
_WRONG = (
    yaml.YAMLError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RecursionError,
)
_POINTER = b"version https://git-lfs.github.com/spec/v1"


class _Loader(_SAFE):  # type: ignore[misc, valid-type]
    """Makes only None, bool, int, float, str, list and dict; a date stays text."""


def _whole_number(loader: Any, node: yaml.ScalarNode) -> int:
    if len(node.value) > _DIGITS:
        raise ValueError(f"a whole number has {len(node.value)} digits")
    return int(_SAFE.construct_yaml_int(loader, node))


def _refuse(_loader: Any, node: yaml.Node) -> None:
    raise ValueError(
        f"line {node.start_mark.line + 1} holds a value of the kind {node.tag.rpartition(':')[2]!r}"
    )


_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _SAFE.construct_yaml_str)
for _tag in _ODD:
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _refuse)


def parse(content: bytes | str) -> Any:
    """Return the document in `content`.

    Raises ValueError, in one line, if it is no YAML or exceeds a bound.
    """
    try:
        text = content.decode("utf-8-sig") if isinstance(content, bytes) else content
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from error

    if len(text) > LARGEST:
        raise ValueError(f"it is longer than {LARGEST >> 20} MiB")

    try:
        _check(text)
        return yaml.load(text, Loader=_Loader)
    except _WRONG as error:
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error


def read(path: Path) -> Any:
    """Return the document in a file. Raises DataError, naming the file, if it has no valid one."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        refuse_pointer(path, content)
        return parse(content)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise DataError(f"cannot read {path}: {error}") from error


def refuse_pointer(path: Path, content: bytes) -> None:
    """Raise DataError if a file is a Git LFS pointer, by its first bytes: the content itself is
    then missing.
    """
    if content.startswith(_POINTER):
        raise DataError(
            f"{path} is a Git LFS pointer and not the file itself: `git lfs pull` fetches it"
        )


def _check(text: str) -> None:
    """Count the values that `text` would make, event by event, before making any.

    Raises ValueError if it exceeds a bound.
    """
    sizes: dict[str, int] = {}  # anchor -> number of its values, once complete
    open_ones: list[tuple[str | None, int]] = []  # anchor, and the count before it
    count = 0

    for event in yaml.parse(text, Loader=_SAFE):
        if isinstance(event, yaml.CollectionStartEvent):
            open_ones.append((event.anchor, count))
            count += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_ones.pop()
            if anchor is not None:
                sizes[anchor] = count - before
        elif isinstance(event, yaml.ScalarEvent):
            count += 1
            if event.anchor is not None:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.AliasEvent):
            if any(anchor == event.anchor for anchor, _ in open_ones):
                raise ValueError(f"the value {event.anchor!r} holds itself")
            count += sizes.get(str(event.anchor), 1)

        if len(open_ones) > DEEPEST:
            raise ValueError(f"more than {DEEPEST} lists or mappings lie inside one another")
        if count > MOST:
            raise ValueError(
                f"it holds more than {MOST} values, those counted that its aliases repeat"
            )
