"""Writes the progress of Algorithm 1 for TensorBoard.

Losses, values, novelty, distances, coverage, rates.
"""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from torch.utils.tensorboard import SummaryWriter
from wayfarer_policies.exploration.algorithm_1 import Progress, Stage

from wayfarer_report.live.monitor import Monitor


class Scalars:
    """RUN/tensorboard; the x axis is the number of finished episodes."""

    def __init__(self, run: Path) -> None:
        self._writer = SummaryWriter(str(run / "tensorboard"))
        self._monitor = Monitor(run)
        self._began = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._writer.close()

    def write(self, progress: Progress) -> None:
        """Write the figures of one stage of Algorithm 1."""
        detail = progress.detail
        if progress.stage is Stage.ACTING:
            self._began = time.monotonic()
            if detail is not None:  # the goal
                self._add("novelty/goal", detail.novelty, progress)
        elif progress.stage is Stage.STORING:  # the end record of the episode
            self._add("rate/steps_per_s", detail.steps / (time.monotonic() - self._began), progress)
            self._add("episode/lost_steps", detail.lost_steps, progress)
            for name, value in self._monitor.figures(detail.file, detail.goal).items():
                self._add(name, value, progress)
        elif progress.stage in (Stage.LEARNED, Stage.FITTED) and isinstance(detail, dict):
            for name, value in detail.items():
                self._add(f"{progress.stage.value}/{name}", value, progress)

    def _add(self, name: str, value: float, progress: Progress) -> None:
        self._writer.add_scalar(name, value, progress.episode)
