"""The sections of a dataset report with drawings."""

from collections.abc import Sequence

from wayfarer_report.drawings import figures
from wayfarer_report.numbers.records import MOVED, MOVED_TRACKED
from wayfarer_report.numbers.statistics import episode_losses
from wayfarer_report.page.gathered import Gathered, chip, legend
from wayfarer_report.page.markup import Markup, join, note, plot, table, tag


def cube(runs: Sequence[Gathered]) -> Markup:
    """Return Figure 5 of each run with known cube poses."""
    parts = []
    for place, run in enumerate(runs):
        parts.append(tag("h3", chip(place, run.name)))
        if not run.record.knows_cube:
            parts.append(_unknown(run))
            continue

        svg = figures.cube_by_face(run.record, f"cube{place}")
        total = sum(run.numbers.faces.values())
        seen = ", as the tracker saw it," if run.tracked else ""
        caption = (
            f"The cube's position{seen} in {total:,} observations, by the colour of its upper "
            "face, with the number of each."
        )
        parts.append(
            plot(
                svg,
                caption,
                f"Scatter of the cube's position on the table by upper face, run {run.name}",
            )
        )

    return join(parts)


def _unknown(run: Gathered) -> Markup:
    why = run.record.blind or "the cube tracker did not find it in any image"

    return note(
        "Where the cube was is not known: no true pose was recorded (topic sim/object_pose), and "
        f"{why}."
    )


def _tracked(runs: Sequence[Gathered]) -> list[Markup]:
    """Say for which runs the tracker gave the cube's poses."""
    names = [run.name for run in runs if run.tracked]
    words = (
        f"As the tracker saw it: {', '.join(names)}. Nobody recorded the true pose there; images "
        "in which the tracker did not find the cube are left out, and only shifts of more than "
        f"{1e3 * MOVED_TRACKED:.0f} mm count as moves."
    )

    return [note(words)] if names else []


def coverage(runs: Sequence[Gathered]) -> Markup:
    """Return coverage over time and as heat maps."""
    rest = [run.name for run in runs if not run.record.knows_cube]
    if len(rest) == len(runs):
        return join(_unknown(run) for run in runs)

    records = [run.record for run in runs]
    missing = [note(f"Without cube poses, and so empty here: {', '.join(rest)}.")] if rest else []

    return join(
        [
            legend(runs),
            *missing,
            *_tracked(runs),
            plot(
                figures.coverage(records, "coverage"),
                "Left: squares of the table, 1 cm wide, that the cube's centre has been in so "
                f"far. Right: steps so far that shifted the cube by more than {1e3 * MOVED:.0f} "
                "mm.",
                "Curves of table coverage and of cube movements over steps",
            ),
            plot(
                figures.heat_maps(records, "heat"),
                "Observations with the cube in each square of 2 cm; all runs share the "
                "logarithmic scale.",
                "Heat maps of the cube's position, one per run",
            ),
        ]
    )


def balance(runs: Sequence[Gathered]) -> Markup:
    """Return the shares of the upper faces and the entropies."""
    if not any(run.record.knows_cube for run in runs):
        return join(_unknown(run) for run in runs)

    rows = [
        [chip(k, run.name), f"{run.numbers.face_entropy:.3f}", f"{run.numbers.cell_entropy:.3f}"]
        for k, run in enumerate(runs)
        if run.record.knows_cube
    ]

    return join(
        [
            *_tracked(runs),
            plot(
                figures.faces([run.numbers.faces for run in runs], "faces"),
                "How often each colour was on top. Six equal shares would have an entropy of "
                "2.585 bits.",
                "Stacked bars of the shares of the upper faces, one per run",
            ),
            table(
                ["run", "entropy of the upper face [bits]", "entropy of the cube's cell [bits]"],
                rows,
            ),
        ]
    )


def novelty(runs: Sequence[Gathered]) -> Markup:
    """Return novelty over time."""
    judged = [tag("li", chip(k, run.name), run.scores.judge, ".") for k, run in enumerate(runs)]
    drawn = plot(
        figures.novelty_over_time([r.record for r in runs], [r.scores for r in runs], "novelty"),
        "Left: how novel the images of each episode are to the RND named below, as it is at the "
        "end. Right: how novel each goal was to the RND of its time. Novelties of two runs come "
        "from different networks: compare shapes, not heights.",
        "Novelty of images by episode, and of goals when chosen",
    )

    return join([legend(runs), drawn, tag("p", "Judged by:"), tag("ul", *judged)])


def actions(runs: Sequence[Gathered]) -> Markup:
    """Return the executed actions, the motion of the arm, and what the gate changed."""
    records = [run.record for run in runs]
    rows = [
        [
            chip(k, run.name),
            f"{100 * run.numbers.saturated:.1f} %",
            f"{100 * run.numbers.mean_step_m:.2f} cm",
            *_gate(run),
        ]
        for k, run in enumerate(runs)
    ]

    return join(
        [
            legend(runs),
            plot(
                figures.actions(records, "actions"),
                "Executed actions.",
                "Histograms of executed actions along x, y and z",
            ),
            plot(
                figures.strides(records, "strides"),
                "How the arm moved.",
                "Histograms of step length and height",
            ),
            table(
                [
                    "run",
                    "actions on the border",
                    "mean way per step",
                    "changed by the safety gate, by reason",
                ],
                rows,
            ),
        ]
    )


def _gate(run: Gathered) -> list[str]:
    changed = sum(run.numbers.reasons.values())
    words = ", ".join(
        f"{name} {100 * n / max(run.numbers.steps, 1):.1f} %"
        for name, n in run.numbers.reasons.items()
    )

    return [words if changed else "none"]


def losses(runs: Sequence[Gathered]) -> Markup:
    """Return the steps lost in recording, and the training losses if they were recorded."""
    rows = [
        [
            chip(k, run.name),
            f"{run.numbers.lost_steps:,} of {run.numbers.steps:,}",
            _episodes_with_losses(run),
        ]
        for k, run in enumerate(runs)
    ]
    parts = [
        tag("h3", "Steps lost in recording"),
        tag(
            "p",
            "A step is lost where its image, the next image or the executed action is missing; it "
            "is never trained on.",
        ),
        table(["run", "steps lost", "in the episodes"], rows),
        tag("h3", "While learning"),
    ]
    tags = sorted(
        {t for run in runs for t in run.scalars if t.split("/")[0] in ("learned", "fitted")}
    )
    series = [
        (t, [(k, *run.scalars[t]) for k, run in enumerate(runs) if t in run.scalars]) for t in tags
    ]
    if not series:
        return join(
            [*parts, note("No training losses were recorded: nothing was learned in these runs.")]
        )

    drawn = figures.curves([(_title(t), lines) for t, lines in series], "losses")
    caption = (
        "Means over the updates after each episode (learned), and over a fit of RND (fitted), by "
        "episode."
    )

    return join(
        [*parts, legend(runs), plot(drawn, caption, "Training losses and values by episode")]
    )


def _title(tag_: str) -> str:
    """Return a panel's title from a tag in a file.

    Letters and digits only, and short: the tag is not trusted.
    """
    return "".join(c if c.isalnum() and c.isascii() else " " for c in tag_)[:40].strip()


def _episodes_with_losses(run: Gathered) -> str:
    found = episode_losses(run.record)
    shown = ", ".join(f"{number}: {lost}" for number, lost in found[:12])
    return (shown + (f" and {len(found) - 12} more" if len(found) > 12 else "")) or "none"


def timing(runs: Sequence[Gathered]) -> Markup:
    """Return the timing histograms."""
    drawn = plot(
        figures.timing([run.record for run in runs], "timing"),
        "Left: the robot's clock (simulated time in lock-step). Middle: from recording an "
        "observation to recording the action that answers it. Right: length of an episode on the "
        "recorder's clock, by its steps. The slowest half per cent is drawn at the right edge.",
        "Histograms of the time between observations, of the answer time, and of the wall time "
        "per step",
    )

    return join([legend(runs), drawn])
