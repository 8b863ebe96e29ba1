"""Tables and bars of the commands.

Names, and whatever else is not of our wording, stand in them as they are.
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
    """Return a console that makes no pictures of words between colons."""
    return Console(stderr=stderr, soft_wrap=True, highlight=False, emoji=False)


def show(table: Table) -> None:
    """Print a table; what is in [brackets] in it is no markup, and no word is cut short."""
    for column in table.columns:
        column.overflow = "fold"

    Console(markup=False, emoji=False).print(table)


def writer(console: Console) -> Callable[[str], None]:
    """Return what prints lines of other programs as they are."""
    return lambda line: console.print(
        line, markup=False, emoji=False, highlight=False, soft_wrap=True
    )


def words_of(field: str) -> ProgressColumn:
    """Return a column of a bar's words, which are no markup."""
    return TextColumn("{" + field + "}", markup=False)


def bars(transient: bool = False) -> Progress:
    """Return bars on standard error, each with its description."""
    columns = (
        words_of("task.description"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )

    return Progress(*columns, console=plain(stderr=True), transient=transient)
