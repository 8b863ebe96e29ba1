"""Opens recorded runs to learn from, with a bar while their frames are unpacked for the first time."""

from collections.abc import Sequence
from pathlib import Path

from rich.progress import Progress
from wayfarer_policies.replay.dataset import Dataset


def open_runs(runs: Sequence[Path], progress: Progress) -> Dataset:
    """Return the runs as one dataset. Raises DataError for what cannot be learned from."""
    task = progress.add_task(f"opening {', '.join(run.name for run in runs)}", total=None)
    dataset = Dataset.open(runs, lambda done, total: progress.update(task, completed=done, total=total))
    progress.remove_task(task)
    return dataset
