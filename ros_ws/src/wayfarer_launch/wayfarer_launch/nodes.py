"""Starts a launch file's nodes.

It finds packages in the ament index, as ros2 launch does.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from ament_index_python.packages import (
    PackageNotFoundError,
    get_package_prefix,
    get_package_share_directory,
)
from wayfarer_common import surroundings
from wayfarer_core.errors import ConfigError

from wayfarer_launch.launch_file import read_launch_file
from wayfarer_launch.supervisor import Supervisor


def find_launch_file(file: str) -> Path:
    """Return a launch file given by path, or by name in wayfarer_bringup."""
    for path in (Path(file), _launch_folder() / file):
        if path.is_file():
            return path

    raise ConfigError(
        f"no launch file {file}: neither a path nor one of {', '.join(launch_files())}"
    )


def launch_files() -> list[str]:
    """Return the names of the launch files in wayfarer_bringup."""
    return sorted(path.name for path in _launch_folder().glob("*.launch.xml"))


def _launch_folder() -> Path:
    return share_of("wayfarer_bringup") / "launch"


def launch_nodes(
    file: str,
    given: Mapping[str, str],
    write: Callable[[str], None],
    meanwhile: Callable[[], None] = lambda: None,
) -> int:
    """Start a launch file's nodes, print their output, and wait until they end.

    Return the exit code.
    """
    launch = read_launch_file(find_launch_file(file), given, share_of)
    os.environ.update(launch.environment)  # so that this process can hear the nodes
    surroundings.settle()
    return Supervisor(launch, executable, write).run(meanwhile)


def share_of(package: str) -> Path:
    """Return a package's share directory; ConfigError if it is not installed."""
    try:
        return Path(get_package_share_directory(package))
    except PackageNotFoundError as error:
        raise ConfigError(
            f"package {package} is not installed: run make, or source your ROS workspace"
        ) from error


def executable(package: str, name: str) -> Path:
    """Return a package's program; ConfigError if it is not installed."""
    try:
        path = Path(get_package_prefix(package)) / "lib" / package / name
    except PackageNotFoundError as error:
        raise ConfigError(
            f"package {package} is not installed: run make, or source your ROS workspace"
        ) from error

    if not os.access(path, os.X_OK):
        raise ConfigError(f"package {package} has no executable {name} (looked for {path})")

    return path
