"""Tables and progress bars of the commands.

Text that is not ours, such as names, is printed unchanged.
"""

from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table


def plain(stderr: bool = False) -> Console:
    """Return a console that does not turn words between colons into emoji."""
    return Console(stderr=stderr, soft_wrap=True, highlight=False, emoji=False)


def show(table: Table) -> None:
    """Print a table; text in [brackets] is not markup, and no word is cut."""
    for column in table.columns:
        column.overflow = "fold"

    Console(markup=False, emoji=False).print(table)


def writer(console: Console) -> Callable[[str], None]:
    """Return a function that prints other programs' lines unchanged."""
    return lambda line: console.print(
        line, markup=False, emoji=False, highlight=False, soft_wrap=True
    )


def words_of(field: str) -> ProgressColumn:
    """Return a column of a progress bar that shows a text without markup."""
    return TextColumn("{" + field + "}", markup=False)


def bars(transient: bool = False) -> Progress:
    """Return progress bars on standard error, each with its description."""
    columns = (
        words_of("task.description"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )

    return Progress(*columns, console=plain(stderr=True), transient=transient)
