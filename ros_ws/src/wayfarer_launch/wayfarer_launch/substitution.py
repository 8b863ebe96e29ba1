"""The substitutions of ROS 2's launch format that our launch files use. Pure."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

FindShare = Callable[[str], Path]  # package -> its share directory

KNOWN = (
    "$(var ARGUMENT), $(env NAME DEFAULT), $(find-pkg-share PACKAGE), $(dirname), "
    "$(equals LEFT RIGHT), $(or LEFT RIGHT)"
)

_TRUE, _FALSE = {"true", "1"}, {"false", "0"}
_INNERMOST = re.compile(r"\$\(([^()]*)\)")
_PLACEHOLDER = re.compile("\0([0-9]+)\0")


class UnknownSubstitutionError(Exception):
    """Holds a substitution, as written, that is not in KNOWN or names something that does not
    exist.
    """


def substitute(
    text: str,
    arguments: Mapping[str, str],
    environment: Mapping[str, str],
    folder: Path,
    find_share: FindShare,
) -> str:
    """Return a text with its substitutions replaced, the innermost first.

    Replacements are not substituted again.

    Args:
        text: as in the file.
        arguments: of the launch file, by name.
        environment: variables, by name.
        folder: of the file.
        find_share: finds a package's share directory; ConfigError for one that is not installed.

    Raises:
        UnknownSubstitutionError: see there.
    """
    # replacements; a placeholder stands for each, so that it is not read again
    values: list[str] = []

    def filled(piece: str) -> str:
        return _PLACEHOLDER.sub(lambda match: values[int(match.group(1))], piece)

    def put_in(match: re.Match[str]) -> str:
        kind, *words = match.group(1).split(" ") if match.group(1) else [""]
        value = _value(
            kind,
            [filled(word) for word in words if word],
            arguments,
            environment,
            folder,
            find_share,
        )
        if value is None:
            raise UnknownSubstitutionError(filled(match.group(0)))

        values.append(value)

        return f"\0{len(values) - 1}\0"

    while _INNERMOST.search(text):
        text = _INNERMOST.sub(put_in, text)

    return filled(text)


def _value(
    kind: str,
    words: list[str],
    arguments: Mapping[str, str],
    environment: Mapping[str, str],
    folder: Path,
    find_share: FindShare,
) -> str | None:
    if kind == "var" and len(words) == 1:
        return arguments.get(words[0])
    if kind == "env" and len(words) in (1, 2):
        return environment.get(words[0], words[1] if len(words) == 2 else None)
    if kind == "find-pkg-share" and len(words) == 1:
        return str(find_share(words[0]))
    if kind == "dirname" and not words:
        return str(folder)
    if kind == "equals" and len(words) == 2:
        return str(words[0] == words[1]).lower()
    if kind == "or" and len(words) == 2 and {word.lower() for word in words} <= _TRUE | _FALSE:
        return str(any(word.lower() in _TRUE for word in words)).lower()

    return None
