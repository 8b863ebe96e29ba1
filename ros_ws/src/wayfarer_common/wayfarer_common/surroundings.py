"""Checks the environment variables that ROS reads: each problem is corrected or refused, in one
line.

Pure.
"""

import os
import re
import sys
import tempfile
from collections.abc import MutableMapping
from importlib.util import find_spec
from pathlib import Path

from wayfarer_core.errors import ConfigError

HIGHEST_DOMAIN = 232  # DDS has no ports for higher ones
RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"

_RANGES = ("LOCALHOST", "SUBNET", "SYSTEM_DEFAULT")
_RMW = "RMW_IMPLEMENTATION"
_INSTALLED_RMWS = Path("share/ament_index/resource_index/rmw_typesupport")
_SWITCHES = (
    "RCUTILS_LOGGING_USE_STDOUT",
    "RCUTILS_LOGGING_BUFFERED_STREAM",
    "RCUTILS_COLORIZED_OUTPUT",
)
_DECIMAL = re.compile("0|[1-9][0-9]{0,9}")
_NAMESPACE = re.compile(r"(/[A-Za-z_][A-Za-z0-9_]*)*")

Environment = MutableMapping[str, str]


def use_own_rmw(environment: Environment = os.environ) -> None:
    """Use the DDS of the wheels if the shell names the DDS of another ROS.

    rcl would end the process at import, so call this before. With an installed ROS
    the shell's choice stays.
    """
    wanted, prefix = environment.get(_RMW, ""), _prefix_of_wheels()
    if not wanted or prefix is None:
        return

    there = sorted(
        path.name
        for path in (prefix / _INSTALLED_RMWS).glob("rmw_*")
        if path.name != "rmw_implementation"
    )
    if wanted not in there:
        del environment[_RMW]
        _tell(f"{_RMW}={wanted} is not installed in {prefix}: {' or '.join(there)} is used")


def settle(environment: Environment = os.environ) -> None:
    """Check all that ROS reads of the environment at its start.

    Choose a folder for ROS's logs if there is none.

    Raises:
        ConfigError: a variable with which ROS would not start, or no node would find
            another.
    """
    domain_of(environment)
    if environment.get(RANGE) == "":  # ROS would then open DDS to the subnet
        environment[RANGE] = "LOCALHOST"

    reach = environment.get(RANGE, "LOCALHOST")
    if reach not in _RANGES:
        why = "no node would find another" if reach == "OFF" else "ROS does not know it"
        raise ConfigError(
            f"{RANGE}={reach}: {why}; unset it, or give it one of {', '.join(_RANGES)}"
        )

    for name in _SWITCHES:
        # ROS would repeat this with every log line
        if environment.get(name, "") not in ("", "0", "1"):
            raise ConfigError(f"{name}={environment[name]} must be 0 or 1")

    if environment.get("ROS_SECURITY_ENABLE") == "true" and _prefix_of_wheels() is not None:
        raise ConfigError(
            "ROS_SECURITY_ENABLE=true: only an installed ROS has a DDS with security, not the "
            "wheels"
        )

    _find_log_folder(environment)


def domain_of(environment: Environment = os.environ, highest: int = HIGHEST_DOMAIN) -> int:
    """Return the ROS domain.

    Raises ConfigError for an invalid one, and for 010, which ROS reads as 8.
    """
    text = environment.get("ROS_DOMAIN_ID") or "0"
    if not _DECIMAL.fullmatch(text) or int(text) > highest:
        raise ConfigError(f"ROS_DOMAIN_ID={text!r} must be a number from 0 to {highest}")
    return int(text)


def namespace_of(text: str) -> str:
    """Return a namespace with its leading "/", "" for the root.

    Raises ConfigError for an invalid one.
    """
    namespace = "".join(f"/{part}" for part in text.split("/") if part)
    if not _NAMESPACE.fullmatch(namespace):
        raise ConfigError(
            f"namespace {text!r} is none: its parts between / must be letters, digits and _, and "
            "begin with no digit"
        )

    return namespace


def _prefix_of_wheels() -> Path | None:
    """Return the prefix of the Python environment with rclpy.

    None for an installed ROS.
    """
    spec = find_spec("rclpy")
    prefix = Path(sys.prefix)

    return (
        prefix
        if spec is not None and spec.origin is not None and prefix in Path(spec.origin).parents
        else None
    )


def _find_log_folder(environment: Environment) -> None:
    """Let ROS write its logs elsewhere if it cannot write them to its own folder.

    It would not start otherwise.
    """
    if environment.get("ROS_LOG_DIR"):
        name, folder = "ROS_LOG_DIR", Path(environment["ROS_LOG_DIR"])
    elif environment.get("ROS_HOME"):
        name, folder = "ROS_HOME", Path(environment["ROS_HOME"], "log")
    elif environment.get("HOME"):
        name, folder = "HOME", Path(environment["HOME"], ".ros", "log")
    else:
        name, folder = "HOME", None

    if folder is not None and _can_be_written(folder.expanduser()):
        return

    what = (
        "is not set" if folder is None else f"is {environment[name]}, where nothing can be written"
    )
    environment["ROS_LOG_DIR"] = tempfile.mkdtemp(prefix="wayfarer-log-")
    _tell(f"{name} {what}: ROS logs go to {environment['ROS_LOG_DIR']}")


def _can_be_written(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False

    return os.access(folder, os.W_OK | os.X_OK)


def _tell(note: str) -> None:
    print(f"note: {note}", file=sys.stderr, flush=True)
