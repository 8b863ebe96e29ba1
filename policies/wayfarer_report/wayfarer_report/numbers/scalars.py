"""Reads what a run's learner wrote for TensorBoard.

Losses and rates by episode; TensorBoard need not run.
"""

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]  # episodes (N,), values (N,)


def read_scalars(run: Path) -> dict[str, Curve]:
    """Return every scalar of RUN/tensorboard by its tag; for a repeated step the last value."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # type: ignore[import-untyped]

    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    folder = run / "tensorboard"
    found: dict[str, Curve] = {}
    if not folder.is_dir() or not any(folder.iterdir()):
        return found

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    events.Reload()
    for tag in events.Tags()["scalars"]:
        values = {
            event.step: event.value
            for event in sorted(events.Scalars(tag), key=lambda e: e.wall_time)
        }
        steps = sorted(values)
        found[tag] = (
            np.array(steps, dtype=float),
            np.array([values[step] for step in steps], dtype=float),
        )

    return found
