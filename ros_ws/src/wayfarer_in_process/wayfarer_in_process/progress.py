"""The bar over the steps of a collection."""

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TimeElapsedColumn, TimeRemainingColumn
from wayfarer_launch.collection import Collection
from wayfarer_report.console import plain, words_of


def make_bar(wanted: Collection, done: int) -> tuple[Progress, TaskID]:
    """Return a progress bar over the steps of a run that holds `done` episodes, and its one task."""
    progress = Progress(
        words_of("task.description"),
        BarColumn(),
        MofNCompleteColumn(),
        words_of("task.fields[rate]"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=plain(stderr=True),
    )
    start, total = done * wanted.steps, wanted.episodes * wanted.steps
    return progress, progress.add_task("starting", total=total, completed=start, rate="")
