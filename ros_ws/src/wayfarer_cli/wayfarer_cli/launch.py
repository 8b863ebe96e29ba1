"""`wayfarer launch`."""

from collections.abc import Mapping

from rich.table import Table
from wayfarer_launch.launch_file import declared_arguments
from wayfarer_launch.nodes import find_launch_file, launch_nodes
from wayfarer_report.console import plain, show, writer


def run_launch_file(file: str, given: Mapping[str, str]) -> int:
    """Start a launch file's nodes and stay until they end; return the exit code."""
    return launch_nodes(file, given, writer(plain(stderr=True)))


def show_arguments(file: str) -> None:
    """Print a table of a launch file's arguments."""
    table = Table("argument", "default", "meaning")
    for name, (text, default) in declared_arguments(find_launch_file(file)).items():
        table.add_row(f"{name}:=", "(needed)" if default is None else default, text)
    show(table)
