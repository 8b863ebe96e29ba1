"""Opens recorded runs for learning; a progress bar shows the first unpacking of frames."""

from collections.abc import Sequence
from pathlib import Path

from rich.progress import Progress
from wayfarer_data.cache.dataset import Dataset
from wayfarer_offline.pose_labels import PoseLabels


def open_runs(runs: Sequence[Path], progress: Progress) -> Dataset:
    """Return the runs as one dataset. Raises DataError for what cannot be learned from."""
    task = progress.add_task(f"opening {', '.join(run.name for run in runs)}", total=None)
    dataset = Dataset.open(
        runs, lambda done, total: progress.update(task, completed=done, total=total)
    )
    progress.remove_task(task)

    return dataset


def label(dataset: Dataset, progress: Progress) -> PoseLabels:
    """Return the cube's poses; the tracker, if needed, takes some time.

    DataError if there are none.
    """
    task = progress.add_task(
        f"looking where the cube was in {', '.join(run.name for run in dataset.runs)}", total=None
    )
    labels = PoseLabels.of(dataset)
    progress.remove_task(task)

    return labels
