"""Runs the unfinished experiments of the paper, and writes tables and page."""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from wayfarer_core.atomic import write_table
from wayfarer_core.errors import WayfarerError
from wayfarer_core.provenance import made_by
from wayfarer_report.console import plain, words_of
from wayfarer_report.page.page import write_page

from wayfarer_paper import outcome
from wayfarer_paper.document import paper_page
from wayfarer_paper.figures import growth_png
from wayfarer_paper.grid import Cell, CellState, GridError, run_grid
from wayfarer_paper.grid_ray import RayWorkers, StoppedError
from wayfarer_paper.outcome import Colours, Coverage, Growth, Positions, Trial
from wayfarer_paper.plan import cells_of
from wayfarer_paper.scales import Scale
from wayfarer_paper.toy import Row
from wayfarer_paper.toy_figures import coverage_png

PAGE = "paper.html"
CURVES = "figure3.png"
GROWTH = "growth.png"


def run_paper(stage: str, size: Scale, out: Path, workers: int | None, address: str) -> None:
    """Run the unfinished cells of a stage, then write tables and page from all results.

    Raises ConfigError for an unknown stage or a folder of another scale (nothing is
    written then); GridError for failed cells: the others are kept, and the page shows the results
    that exist. A signal ends it with the exit code of a shell, and no process that it
    has started lives on.
    """
    cells = cells_of(stage, size)
    out.mkdir(parents=True, exist_ok=True)
    console = plain(stderr=True)

    with _Bar(console, len(cells)) as bar, RayWorkers(workers, address) as processes:
        failure: GridError | None = None
        try:
            run_grid(cells, out, processes, bar.tell)
        except GridError as error:
            failure = error
        except StoppedError as error:
            bar.stopped(str(error))
            sys.exit(128 + error.signal)

        for path in write_results(size, out):
            bar.written(path)

        if failure is not None:
            raise failure


def write_results(size: Scale, out: Path) -> list[Path]:
    """Write tables, curves and page from the finished cells; return their paths."""
    results = outcome.finished(out, cells_of("all", size))
    rows = outcome.toy_rows(out, results)
    tables: list[tuple[str, type, Sequence[object]]] = [
        ("coverage.csv", Row, rows),
        ("figure5.csv", Coverage, outcome.coverage(size, results)),
        ("growth.csv", Growth, outcome.growth(size, results)),
        ("figure6-color.csv", Colours, outcome.predictions(size, results, "color", Colours)),
        (
            "figure6-position.csv",
            Positions,
            outcome.predictions(size, results, "position", Positions),
        ),
        ("figure7.csv", Trial, outcome.trials(size, results)),
    ]
    written = []

    for name, kind, lines in tables:
        if lines:
            write_table(out / name, kind, lines)
            written.append(out / name)

    written += [coverage_png(rows, out / CURVES)] if rows else []
    grown = outcome.growth(size, results)
    names = [variant.name for variant in size.variants]
    written += [growth_png(grown, names, out / GROWTH)] if grown else []
    write_page(out / PAGE, paper_page(size, out, results, made_by()))

    return [*written, out / PAGE]


class _Bar:
    """A bar of finished cells, with those that are running."""

    def __init__(self, console: Console, total: int) -> None:
        self._progress = Progress(
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            words_of("task.description"),
            console=console,
        )
        self._task = self._progress.add_task("starting", total=total)
        self._under_way: list[str] = []

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def tell(self, cell: Cell, state: CellState, error: WayfarerError | None) -> None:
        """Show a cell's new state."""
        if state is CellState.STARTED:
            self._under_way.append(cell.name)
        elif cell.name in self._under_way:
            self._under_way.remove(cell.name)

        if state is CellState.FAILED:
            words = f"[red]failed:[/] {escape(cell.name)}: {escape(str(error))}"
            self._progress.console.print(words)

        done = state in (CellState.KEPT, CellState.FINISHED)
        self._progress.update(
            self._task, advance=int(done), description=", ".join(self._under_way) or "done"
        )

    def stopped(self, words: str) -> None:
        """Say why it ends."""
        self._progress.console.print(words, markup=False)

    def written(self, path: Path) -> None:
        """Say where something was written."""
        self._progress.console.print(str(path), markup=False)
