"""`wayfarer report`."""

from collections.abc import Sequence
from pathlib import Path

from rich.progress import TaskID
from wayfarer_core.errors import ConfigError
from wayfarer_core.provenance import made_by
from wayfarer_report.console import bars
from wayfarer_report.page.dataset import dataset_page
from wayfarer_report.page.gathered import Gathered, gather
from wayfarer_report.page.page import write_page


def write_report(runs: Sequence[Path], out: Path) -> None:
    """Write one page that compares runs. Raises DataError for a path that is no run."""
    if out.is_dir():
        raise ConfigError(f"--out {out} is a directory: name the HTML file to write")

    gathered: list[Gathered] = []
    with bars() as progress:
        for run in runs:
            task = progress.add_task(f"reading {run.name}", total=None)

            def tell(done: int, total: int, task: TaskID = task) -> None:
                progress.update(task, completed=done, total=total)

            gathered.append(gather(run, tell))

        task = progress.add_task("drawing", total=1)
        write_page(out, dataset_page(gathered, made_by()))
        progress.update(task, completed=1)

    print(out)
