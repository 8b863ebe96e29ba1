"""`wayfarer bag info`."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.table import Table
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_report.console import show
from wayfarer_report.numbers.hands import Hands
from wayfarer_report.numbers.summary import RunSummary, summarise_run


def print_info(runs: Sequence[Path], as_json: bool) -> None:
    """Print the figures of runs, side by side; as JSON one object for one run, else a list."""
    summaries = [summarise_run(RunDirectory(run)) for run in runs]
    if as_json:
        found = [asdict(summary) for summary in summaries]
        print(json.dumps(found[0] if len(found) == 1 else found, sort_keys=True))
        return

    table = Table("", *(Path(s.run).name for s in summaries))
    columns = [_rows(summary) for summary in summaries]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))

    show(table)


def _rows(s: RunSummary) -> dict[str, str]:
    rows = {
        "episodes": f"{s.episodes} ({_counts(s.ends)})",
        "steps": f"{s.steps}, of which {s.lost_steps} lost",
        "actions changed by the safety gate": _counts(s.reasons),
        "steps chosen by a person": Hands(s.human_steps, s.human).in_words(s.steps),
        "images of the wrist": f"{s.wrist_images}" if s.wrist_images else "none",
        "labels by people": _counts(s.labels),
        "duration": (
            f"{s.duration_s:.1f} s recorded, {s.duration_s / max(s.episodes, 1):.1f} s per episode"
        ),
        "size": (
            f"{s.size_bytes / 1e6:.1f} MB, {s.size_bytes / max(s.steps, 1) / 1e3:.2f} kB per step"
        ),
        "torn by a killed recorder": "; ".join(
            f"{t.file}: {t.steps} steps readable" for t in s.torn
        )
        or "none",
        "novelty of the goals": _first_and_last(s.goal_novelties),
    }
    if s.top_faces:
        share = s.cube_moved_steps / max(s.steps, 1)
        rows["cube moved"] = f"in {s.cube_moved_steps} steps ({100 * share:.1f} %)"
        rows["table covered by the cube"] = f"{s.cube_cells} cells of 1 cm"
        rows["observations by top face"] = _counts(s.top_faces)
        rows["entropy of the top faces"] = f"{s.top_face_entropy:.2f} of 2.58 bits"

    return rows


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in counts.items()) or "none"


def _first_and_last(values: list[float]) -> str:
    return (
        f"{values[0]:.3g} at first, {values[-1]:.3g} at last, {len(values)} goals"
        if values
        else "no goals"
    )
