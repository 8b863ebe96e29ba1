"""Which version of Wayfarer made a run or a page."""

import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from wayfarer_core.errors import ConfigError

UNKNOWN = "unknown"
_DEADLINE = 10.0  # s


@cache
def commit() -> str:
    """Return the commit of the source tree, with a + if files differ from the commit.

    "unknown" elsewhere.
    """
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--abbrev=7", "--dirty=+", "--exclude=*"],
            cwd=Path(__file__).resolve().parent,
            capture_output=True,
            text=True,
            timeout=_DEADLINE,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):  # no git, or installed away from its source tree
        return UNKNOWN

    return found.stdout.strip() or UNKNOWN


def made_by() -> str:
    """Return name, version and commit for the foot of a page."""
    return f"wayfarer {version('wayfarer-core')}, commit {commit()}"


def refuse_another_training(
    kept: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]
) -> None:
    """Raise ConfigError, naming the differences, if the training kept in `kept` is not the wanted
    one.
    """
    keys = sorted(key for key in {*found, *wanted} if found.get(key) != wanted.get(key))
    if keys:
        differ = "; ".join(f"{key} was {found.get(key)}, is {wanted.get(key)}" for key in keys)
        raise ConfigError(f"{kept} holds another training: {differ}; choose a new folder")


def completed(found: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return a saved description, with defaults for keys that its version did not have."""
    known = dict(found)
    for key, value in defaults.items():
        if isinstance(value, dict) and isinstance(known.get(key), dict):
            known[key] = completed(known[key], value)
        elif key not in known and not isinstance(value, dict):
            known[key] = value

    return known
