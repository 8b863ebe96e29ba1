"""The tables of a dataset report."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from wayfarer_report.numbers.hands import Hands
from wayfarer_report.numbers.summary import count_labels
from wayfarer_report.page.gathered import UNKNOWN, Gathered, chip
from wayfarer_report.page.markup import Markup, join, table, tag

_HIGHEST_FACE_ENTROPY = 2.58  # bits: log2 6


def overview(runs: Sequence[Gathered]) -> Markup:
    """Return a card for each run, then one table of all."""
    cards = [tag("div", chip(k, run.name), _card(run), class_="card") for k, run in enumerate(runs)]
    columns = [_rows(run) for run in runs]
    rows = [[key, *(column[key] for column in columns)] for key in columns[0]]
    heads = ["", *(chip(k, run.name) for k, run in enumerate(runs))]

    return join([tag("div", *cards, class_="cards"), table(heads, rows)])


def _card(run: Gathered) -> Markup:
    n = run.numbers
    shown = {
        "method": run.collector("method"),
        "seed": run.collector("seed"),
        "steps": f"{n.steps:,}",
    }
    if run.record.knows_cube:
        shown |= {
            "table covered": f"{n.cells:,} cells",
            "cube moved": _share(n.moved_steps, n.steps),
            "upper faces": f"{n.face_entropy:.2f} bits",
        }

    return tag(
        "dl", *(part for key, value in shown.items() for part in (tag("dt", key), tag("dd", value)))
    )


def _rows(run: Gathered) -> dict[str, object]:
    n, record = run.numbers, run.record
    goals = [e.info.goal_novelty for e in record.episodes if e.info.goal]
    last = run.sessions[-1] if run.sessions else {}
    known, seen = record.knows_cube, " as the tracker saw it" if run.tracked else ""

    return {
        "method": run.collector("method"),
        "seed": run.collector("seed"),
        "commit": last.get("commit", UNKNOWN),
        "recorded": last.get("started", UNKNOWN),
        "sessions": len(run.sessions),
        "episodes": f"{n.episodes:,} ({counted(n.ends)})",
        "steps": f"{n.steps:,}",
        "steps lost": f"{n.lost_steps:,} ({_share(n.lost_steps, n.steps)})",
        "torn by a killed recorder": "; ".join(
            f"{file}: {steps} steps readable" for file, steps in record.torn
        )
        or "none",
        "steps chosen by a person": Hands.of(
            (e.info.number, e.sources) for e in record.episodes
        ).in_words(n.steps),
        "labels by people": counted(count_labels(record.path)),
        "duration on the robot's clock": duration(n.robot_s),
        "duration on the recorder's clock": f"{duration(n.wall_s)}, "
        f"{n.steps / max(n.wall_s, 1e-9):.1f} steps/s",
        "size": (
            f"{record.size_bytes / 1e6:.1f} MB, {record.size_bytes / max(n.steps, 1) / 1e3:.1f} kB "
            "per step"
        ),
        "table covered by the cube": f"{n.cells:,} cells of 1 cm{seen}" if known else UNKNOWN,
        "steps in which the cube moved": f"{n.moved_steps:,} "
        f"({_share(n.moved_steps, n.steps)}){seen}"
        if known
        else UNKNOWN,
        "entropy of the upper face": f"{n.face_entropy:.2f} of {_HIGHEST_FACE_ENTROPY} bits{seen}"
        if known
        else UNKNOWN,
        "entropy of the cube's cell": f"{n.cell_entropy:.2f} bits{seen}" if known else UNKNOWN,
        "space covered by the end effector": f"{n.ee_cells:,} cells of 2 cm",
        "actions on the border of their range": f"{100 * n.saturated:.0f} %",
        "actions changed by the safety gate": counted(n.reasons),
        "goals": f"{len(goals)}, novelty {goals[0]:.3g} at first, {goals[-1]:.3g} at last"
        if goals
        else "none",
    }


def parameters(runs: Sequence[Gathered]) -> Markup:
    """Return the parameters and versions in each run.yaml, folded."""
    parts: list[Markup] = []
    for place, run in enumerate(runs):
        nodes = run.record.description.get("configuration")
        listed = nodes.items() if isinstance(nodes, Mapping) else ()
        rows = [
            [f"{node}.{key}", tag("code", _value(value))]
            for node, values in listed
            for key, value in (values.items() if isinstance(values, Mapping) else ())
        ]
        versions = run.sessions[-1].get("versions") if run.sessions else None

        if isinstance(versions, Mapping):
            rows += [[f"version of {name}", tag("code", value)] for name, value in versions.items()]

        folded = tag(
            "details", tag("summary", chip(place, run.name)), table(["parameter", "value"], rows)
        )
        parts.append(
            folded if rows else tag("p", chip(place, run.name), "run.yaml tells no parameters.")
        )

    return join(parts)


def counted(counts: Mapping[str, int]) -> str:
    """Return counts in words."""
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def duration(seconds: float) -> str:
    """Return a time with a unit that fits its length."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{seconds / 60:.1f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _share(part: int, whole: int) -> str:
    return f"{100 * part / max(whole, 1):.1f} %"


def _value(value: Any) -> str:
    return json.dumps(value, default=str, ensure_ascii=False)
