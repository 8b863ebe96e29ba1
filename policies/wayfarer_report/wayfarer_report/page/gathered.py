"""A run with all figures for a report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wayfarer_core.cube import TRACKER
from wayfarer_offline.pose_labels import TrackerOf, calibrated_tracker

from wayfarer_report.drawings.drawing import colour, letter
from wayfarer_report.numbers.gather import OnProgress, quiet, read_run
from wayfarer_report.numbers.novelty import Scores, score
from wayfarer_report.numbers.records import RunRecord
from wayfarer_report.numbers.scalars import Curve, read_scalars
from wayfarer_report.numbers.statistics import RunStatistics, statistics
from wayfarer_report.page.markup import Markup, join, tag

UNKNOWN = "not recorded"


@dataclass(frozen=True)
class Gathered:
    """A run with all figures for a report."""

    record: RunRecord
    numbers: RunStatistics
    scores: Scores
    scalars: dict[str, Curve]

    @property
    def name(self) -> str:
        """The run's folder."""
        return self.record.path.name or str(self.record.path)

    @property
    def sessions(self) -> list[Mapping[str, Any]]:
        """The sessions of run.yaml; malformed ones are left out."""
        listed = self.record.description.get("sessions")
        return (
            [one for one in listed if isinstance(one, Mapping)] if isinstance(listed, list) else []
        )

    @property
    def tracked(self) -> bool:
        """Whether the cube's poses come from a tracker, not from the simulator."""
        return self.record.poses_from == TRACKER and self.record.knows_cube

    def collector(self, key: str) -> Any:
        """Return a parameter of the last session's collector."""
        last = self.sessions[-1].get("collector") if self.sessions else None
        return last.get(key, UNKNOWN) if isinstance(last, Mapping) else UNKNOWN


def gather(
    path: Path, on_progress: OnProgress = quiet, tracker_of: TrackerOf = calibrated_tracker
) -> Gathered:
    """Read a run, or a bag of another recorder, and compute its figures.

    Raises DataError as `read_run` does.
    """
    record = read_run(path, on_progress, tracker_of)
    return Gathered(record, statistics(record), score(record), read_scalars(path))


def chip(place: int, name: str) -> Markup:
    """Return a run's letter in its colour, and its name."""
    return tag(
        "span", tag("b", letter(place), style=f"background:{colour(place)}"), name, class_="chip"
    )


def legend(runs: Sequence[Gathered]) -> Markup:
    """Return the letters, colours and names of all runs."""
    return tag("p", join(chip(place, run.name) for place, run in enumerate(runs)))
