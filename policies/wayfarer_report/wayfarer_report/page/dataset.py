"""`wayfarer report`: one page that compares the data of runs."""

from collections.abc import Sequence
from datetime import UTC, datetime

from wayfarer_report.page import pictures, plots, tables
from wayfarer_report.page.gathered import Gathered
from wayfarer_report.page.page import Section, page


def dataset_sections(runs: Sequence[Gathered]) -> list[Section]:
    """Return the sections of the page."""
    return [
        Section("runs", "Runs", tables.overview(runs)),
        Section("cube", "Where the cube was", plots.cube(runs)),
        Section("coverage", "Coverage", plots.coverage(runs)),
        Section("balance", "Balance", plots.balance(runs)),
        Section("pictures", "What the camera saw", pictures.contact_sheets(runs)),
        Section("novelty", "Novelty over time", plots.novelty(runs)),
        Section("goals", "Goals", pictures.goals(runs)),
        Section("actions", "Actions and steps", plots.actions(runs)),
        Section("losses", "Losses", plots.losses(runs)),
        Section("timing", "Timing", plots.timing(runs)),
        Section("parameters", "Parameters", tables.parameters(runs)),
    ]


def dataset_page(runs: Sequence[Gathered], made_by: str) -> str:
    """Return the page of at least one run; `made_by` names the program and its version."""
    episodes, steps = (
        sum(getattr(run.numbers, name) for run in runs) for name in ("episodes", "steps")
    )
    subtitle = f"{len(runs)} run{'s' * (len(runs) != 1)}, {episodes:,} episodes, {steps:,} steps"

    return page("Dataset report", subtitle, dataset_sections(runs), footer(made_by))


def footer(made_by: str) -> str:
    """Return the footer: the time, and the program that made the page."""
    return f"Written {datetime.now(UTC).strftime('%Y-%m-%d %H:%M UTC')} by {made_by}."
