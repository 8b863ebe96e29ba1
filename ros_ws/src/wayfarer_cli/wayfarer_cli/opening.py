"""Opens recorded runs to learn from, with a bar while their frames are unpacked for the first
time.
"""

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
    """Return where the cube was; without recorded truth that takes the tracker its time.

    DataError if nobody knows.
    """
    task = progress.add_task(
        f"looking where the cube was in {', '.join(run.name for run in dataset.runs)}", total=None
    )
    labels = PoseLabels.of(dataset)
    progress.remove_task(task)

    return labels
