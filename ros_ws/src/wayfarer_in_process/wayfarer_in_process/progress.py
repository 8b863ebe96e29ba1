"""Progress of a collection.

A bar in a terminal, lines if the output goes into a file or a pipe.
"""

import time
from collections.abc import Callable
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn
from wayfarer_bags.run_directory import finished
from wayfarer_launch.collection import Collection
from wayfarer_report.console import plain, words_of

LINE_PERIOD = 30.0  # s between two lines at most; also a line at each episode's end


class CollectionProgress:
    """Episodes and steps done, the rate over the whole command, and what is running."""

    def __init__(
        self,
        episodes: int,
        steps: int,
        done: int,
        console: Console | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with `done` of `episodes` episodes of `steps` steps each.

        Shows nothing before `start`.
        """
        self.console = console or plain(stderr=True)
        self._episodes, self._steps, self._clock = episodes, steps, clock
        self._done = self._told = done
        self._first = self._completed = done * steps
        self._began = self._last_line = clock()
        columns = (
            words_of("task.description"),
            BarColumn(),
            MofNCompleteColumn(),
            words_of("task.fields[rate]"),
        )
        self._bar = Progress(*columns, TimeElapsedColumn(), console=self.console)
        self._task = self._bar.add_task(
            "starting", total=episodes * steps, completed=self._first, rate=""
        )

    def start(self) -> None:
        """Show it from now on. Time counts from its construction."""
        if self.console.is_terminal:
            self._bar.start()

    def stop(self) -> None:
        """Leave the last state on the screen."""
        if self._bar.live.is_started:
            self._bar.stop()

    def tell(self, done: int, step: int, words: str) -> None:
        """Set the progress: `done` episodes, `step` steps of the next one, and what is
        running.

        Steps never go back: an episode that begins again counts from its last step.
        """
        self._done = max(self._done, done)
        self._completed = max(self._completed, min(done, self._episodes) * self._steps + step)
        if self.console.is_terminal:
            self._bar.update(
                self._task, completed=self._completed, description=words, rate=self._rate()
            )
        elif self._done > self._told or self._clock() - self._last_line >= LINE_PERIOD:
            self._told, self._last_line = self._done, self._clock()
            self.console.print(self._line(words), markup=False)

    def _line(self, words: str) -> str:
        elapsed = timedelta(seconds=round(self._clock() - self._began))
        rate = f", {rate}" if (rate := self._rate()) else ""
        steps = f"{self._completed} of {self._episodes * self._steps} steps"

        return (
            f"{self._done} of {self._episodes} episodes, {steps} after {elapsed}{rate}; "
            f"{words.strip()}"
        )

    def _rate(self) -> str:
        """Return steps per second since the beginning, and the time left at that rate."""
        elapsed, taken = self._clock() - self._began, self._completed - self._first
        if not taken or elapsed <= 0:
            return ""

        left = timedelta(
            seconds=round((self._episodes * self._steps - self._completed) * elapsed / taken)
        )

        return f"{taken / elapsed:.1f} steps/s, {left} left"


def progress_of(wanted: Collection) -> CollectionProgress:
    """Return the progress of a run so far, for updates."""
    return CollectionProgress(wanted.episodes, wanted.steps, finished(wanted.out)[0])
