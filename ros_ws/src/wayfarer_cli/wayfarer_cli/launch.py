"""`wayfarer launch`: starts a launch file's nodes, and prints the run's place and progress."""

from collections.abc import Mapping
from pathlib import Path

from rich.table import Table
from wayfarer_bags.run_directory import finished
from wayfarer_common.surroundings import namespace_of
from wayfarer_in_process.progress import CollectionProgress
from wayfarer_launch.launch_file import declared_arguments, read_launch_file
from wayfarer_launch.nodes import find_launch_file, launch_nodes, share_of
from wayfarer_report.console import plain, show, writer

from wayfarer_cli.collect import StatusListener

_OF_A_RUN = {"run", "episodes", "steps", "namespace"}  # arguments of a launch file that collects


def run_launch_file(file: str, given: Mapping[str, str]) -> int:
    """Start a launch file's nodes and wait until they end; return the exit code."""
    write = writer(plain(stderr=True))
    arguments = read_launch_file(find_launch_file(file), given, share_of).arguments
    numbers = [arguments.get(name, "") for name in ("episodes", "steps")]
    if not set(arguments) >= _OF_A_RUN or not all(number.isdecimal() for number in numbers):
        # it collects nothing, or a node will report the problem
        return launch_nodes(file, given, write)

    run, (episodes, steps) = Path(arguments["run"]), map(int, numbers)
    done, _ = finished(run)
    write(f"run {run.absolute()} holds {done} of {episodes} episodes")
    write(f"to see more: wayfarer bag info {run} | tensorboard --logdir {run}")
    progress = CollectionProgress(episodes, steps, done)

    with StatusListener(namespace_of(arguments["namespace"]), progress) as listener:
        code = launch_nodes(file, given, writer(progress.console), listener.update)

    write(f"run {run.absolute()} holds {finished(run)[0]} of {episodes} episodes")

    return code


def show_arguments(file: str) -> None:
    """Print a table of a launch file's arguments."""
    table = Table("argument", "default", "one of", "meaning")
    for name, argument in declared_arguments(find_launch_file(file)).items():
        default = "(needed)" if argument.default is None else argument.default
        table.add_row(f"{name}:=", default, ", ".join(argument.choices), argument.description)

    show(table)
