"""paper.html: Figures 2 to 7 and rankings with their spreads, from the finished jobs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from wayfarer_report.drawings.drawing import method_colour
from wayfarer_report.page.dataset import footer
from wayfarer_report.page.markup import Markup, join, note, plot, table, tag
from wayfarer_report.page.page import Section, page
from wayfarer_report.page.tables import counted, duration

from wayfarer_paper import figures, outcome, plan, toy_figures
from wayfarer_paper.cells import REPORT
from wayfarer_paper.grid import Result
from wayfarer_paper.outcome import Colours, Coverage, Positions, Score, Standing
from wayfarer_paper.scales import Scale
from wayfarer_paper.toy import STRATEGIES

_RANKING = (
    "Medians over datasets and seeds, with the lowest, the highest and the number n of datasets "
    "in brackets, the best first. An order is claimed, by >, only between neighbours of at least "
    f"{outcome.ENOUGH} datasets each whose ranges lie apart; all others have ~ between them."
)


def paper_page(scale: Scale, folder: Path, results: Mapping[str, Result], made_by: str) -> str:
    """Return the page."""
    sections = [
        Section("scale", "What was done", _scale(scale, results)),
        Section("figure-2", "Figure 2: novelty in the toy world", _figure2(results)),
        Section("figure-3", "Figure 3: states of the toy world", _figure3(folder, results)),
        Section(
            "figure-4", "Figure 4: observations by novelty", _pictures(scale, results, "sheet", 4)
        ),
        Section("figure-5", "Figure 5: where the cube was", _figure5(scale, results)),
        Section("figure-6", "Figure 6: what predictors learn", _figure6(scale, results)),
        Section("figure-7", "Figure 7: what policies do", _figure7(scale, results)),
        Section("work", "Work", _work(results)),
    ]
    title = "Self-supervised data collection: the paper's figures"
    subtitle = f"Experiments of Endrawis et al., ICRA 2021, done again at scale {scale.name}"

    return page(title, subtitle, sections, footer(made_by))


def _scale(scale: Scale, results: Mapping[str, Result]) -> Markup:
    rows = [
        ["methods", ", ".join(variant.name for variant in scale.variants)],
        [
            "datasets",
            f"per method: {scale.repetitions}, each of {scale.episodes} episodes of {scale.steps} "
            "steps",
        ],
        ["predictors", f"{scale.epochs} epochs, seeds per dataset: {scale.predictor_seeds}"],
        [
            "policies",
            f"BCQ, {scale.updates:,} updates, seeds per dataset: {scale.bcq_seeds}, trials of "
            f"each: {scale.trials}",
        ],
        [
            "toy world",
            f"{scale.toy.schedule.episodes} episodes of {scale.toy.schedule.steps} steps, seeds: "
            f"{scale.repetitions}",
        ],
    ]
    parts: list[Markup] = [table(["", "at this scale"], rows)]
    if "report" in results:
        parts.append(
            tag(
                "p",
                "The first dataset of each method, in full: ",
                tag("a", REPORT, href=REPORT),
                ".",
            )
        )

    return join(parts)


def _legend(names: Sequence[str]) -> Markup:
    chips = [
        tag(
            "span",
            tag("b", Markup("&nbsp;"), style=f"background:{method_colour(n)}"),
            n,
            class_="chip",
        )
        for n in names
    ]

    return tag("p", *chips)


def _ranking(what: str, ranking: Sequence[Standing], form: str) -> Markup:
    words = outcome.in_words(ranking, lambda value: format(value, form))
    return tag("p", tag("b", f"{what}: "), words)


def _figure2(results: Mapping[str, Result]) -> Markup:
    drawn = [
        (name.partition("/")[2], result)
        for name, result in results.items()
        if name.startswith("show-toy/")
    ]
    if not drawn:
        return note("Not done: wayfarer paper toy.")

    return join(
        plot(
            result.value["map"],
            f"{strategy}, seed 0. Left: how often the object was at each place. Right: how novel "
            "its image there is to the RND after its last fit, mean over the angles it had.",
            f"Maps of visits and of novelty for {strategy}",
        )
        for strategy, result in drawn
    )


def _figure3(folder: Path, results: Mapping[str, Result]) -> Markup:
    rows = outcome.toy_rows(folder, results)
    if not rows:
        return note("Not done: wayfarer paper toy.")

    last = max(row.episode for row in rows)
    scores = [
        Score(row.strategy, row.seed, row.seed, row.total_states)
        for row in rows
        if row.episode == last
    ]
    drawn = plot(
        toy_figures.coverage(rows, "figure3"),
        "States of the toy world visited so far, in each episode, and for the first time (means "
        "over 10 episodes). Lines: mean over the seeds; shades: lowest to highest.",
        "Curves of the number of visited states over episodes, by strategy",
    )
    ranking = _ranking("States visited", outcome.standings(scores, higher_is_better=True), ",.0f")

    return join([_legend(STRATEGIES), drawn, ranking, tag("p", _RANKING)])


def _pictures(scale: Scale, results: Mapping[str, Result], key: str, number: int) -> Markup:
    """Return Figure 4 or 5 of each variant's first dataset, drawn by the jobs."""
    parts: list[Markup] = []
    for variant, repetition, run in plan.runs(scale):
        result = results.get(f"show/{run}")
        if repetition == 0 and result is not None and result.value[key]:
            drawn = Markup(result.value[key])  # our own, escaped when it was made
            parts.append(tag("h3", variant.name))
            parts.append(
                drawn
                if key == "sheet"
                else plot(drawn, f"The first dataset of {variant.name}.", f"Figure {number}")
            )

    return join(parts) if parts else note("Not done: wayfarer paper report.")


def _figure5(scale: Scale, results: Mapping[str, Result]) -> Markup:
    lines = outcome.coverage(scale, results)
    if not lines:
        return note("Not done: wayfarer paper collect.")

    cells = outcome.standings(
        [Score(c.variant, c.dataset, 0, c.cells) for c in lines], higher_is_better=True
    )
    faces = outcome.standings(
        [Score(c.variant, c.dataset, 0, c.face_entropy) for c in lines], higher_is_better=True
    )
    moved = outcome.standings(
        [Score(c.variant, c.dataset, 0, _share(c)) for c in lines], higher_is_better=True
    )
    head = [
        "method",
        "dataset",
        "steps",
        "lost",
        "cube moved [%]",
        "cells of 1 cm",
        "entropy of the upper face [bits]",
    ]
    rows = [
        [
            c.variant,
            c.dataset,
            f"{c.steps:,}",
            c.lost_steps,
            f"{_share(c):.2f}",
            c.cells,
            f"{c.face_entropy:.2f}",
        ]
        for c in lines
    ]

    return join(
        [
            _pictures(scale, results, "cube", 5),
            tag("h3", "All datasets"),
            _growth(scale, results),
            table(head, rows),
            _ranking("Cells of the table covered", cells, ",.0f"),
            _ranking("Entropy of the upper face [bits]", faces, ".2f"),
            _ranking("Steps in which the cube moved [%]", moved, ".2f"),
            tag("p", _RANKING),
        ]
    )


def _growth(scale: Scale, results: Mapping[str, Result]) -> Markup:
    lines = outcome.growth(scale, results)
    names = [variant.name for variant in scale.variants]
    if not lines:
        return note("These datasets were described by an earlier version, without their growth.")

    drawn = plot(
        figures.growth(lines, names, "growth"),
        "Cells of the table covered by the cube's centre, and steps in which it moved, over the "
        "steps taken. Lines: mean over the datasets; shades: lowest to highest.",
        "Curves of coverage and of movement over steps, by method",
    )

    return join([_legend(names), drawn])


def _share(line: Coverage) -> float:
    return 100 * line.moved_steps / max(line.steps, 1)


def _figure6(scale: Scale, results: Mapping[str, Result]) -> Markup:
    colours = outcome.predictions(scale, results, "color", Colours)
    positions = outcome.predictions(scale, results, "position", Positions)
    if not colours and not positions:
        return note("Not done: wayfarer paper supervised.")

    accuracy = [Score(c.variant, c.dataset, c.seed, 100 * c.accuracy) for c in colours]
    error = [Score(p.variant, p.dataset, p.seed, p.error_mm) for p in positions]
    fresh = [
        Score(c.variant, c.dataset, c.seed, 100 * c.unseen_accuracy)
        for c in colours
        if c.unseen_accuracy is not None
    ]
    far = [
        Score(p.variant, p.dataset, p.seed, p.unseen_error_mm)
        for p in positions
        if p.unseen_error_mm is not None
    ]
    panels = [
        (
            "accuracy of the upper colour [%]",
            accuracy,
            _mean([100 * c.guess_accuracy for c in colours]),
        ),
        ("error of the position [mm]", error, _mean([p.guess_error_mm for p in positions])),
    ]
    drawn = plot(
        figures.spread(panels, [variant.name for variant in scale.variants], "figure6"),
        "Each dot: a predictor trained on one dataset with one seed, tested on 5 % of every "
        "dataset of every method. Bars: medians. Dotted: the mean of the best guesses that look "
        "at no image.",
        "Dot plots of colour accuracy and position error by method",
    )

    return join(
        [
            drawn,
            _ranking(
                "Accuracy of the upper colour [%]",
                outcome.standings(accuracy, higher_is_better=True),
                ".1f",
            ),
            _ranking(
                "The same over pictures not trained on [%]",
                outcome.standings(fresh, higher_is_better=True),
                ".1f",
            ),
            _ranking(
                "Error of the position [mm]",
                outcome.standings(error, higher_is_better=False),
                ".1f",
            ),
            _ranking(
                "The same over pictures not trained on [mm]",
                outcome.standings(far, higher_is_better=False),
                ".1f",
            ),
            tag("p", _RANKING),
        ]
    )


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _figure7(scale: Scale, results: Mapping[str, Result]) -> Markup:
    lines = outcome.trials(scale, results)
    if not lines:
        return note("Not done: wayfarer paper offline.")

    panels: list[figures.Panel] = []
    parts: list[Markup] = []
    for task in scale.tasks:
        of = [line for line in lines if line.task == task]
        scores = [
            Score(t.variant, t.dataset, t.seed, _success(t))
            for t in of
            if t.episodes and t.dataset >= 0
        ]
        reference = [_success(t) for t in of if t.dataset < 0]
        panels.append((f"{task}: success [%]", scores, reference[0] if reference else None))
        parts.append(_successes(task, scores, outcome.without_policy(of)))

    drawn = plot(
        figures.spread(panels, [variant.name for variant in scale.variants], "figure7"),
        f"Each dot: the share of {scale.trials} trials that end in a success, of a BCQ policy "
        "from one dataset and seed. Bars: medians. Dotted: actions at random.",
        "Dot plots of success by method, one panel per task",
    )

    return join([drawn, *parts, tag("p", _RANKING)])


def _success(trial: outcome.Trial) -> float:
    return 100 * trial.at_end / trial.episodes


def _successes(task: str, scores: Sequence[Score], without: Mapping[str, Sequence[int]]) -> Markup:
    """Return a task's ranking of the methods whose datasets all gave a policy, and the results of
    the others beside it.
    """
    standings = outcome.standings(scores, higher_is_better=True)
    ranked = [one for one in standings if one.variant not in without]
    parts = [
        _ranking(f"{task}, success [%]", ranked, ".0f")
        if ranked
        else note(f"{task}: no method to rank.")
    ]

    if without:
        told = {
            one.variant: outcome.standing_in_words(one, lambda v: format(v, ".0f"))
            for one in standings
        }
        items = [
            tag(
                "li",
                f"{told.get(variant, variant)}: none from dataset {', '.join(map(str, datasets))}",
            )
            for variant, datasets in without.items()
        ]
        why = (
            f"{task}: not ranked, because not every dataset gave a policy (all of its steps pay "
            "the same):"
        )
        parts.append(note(join([why, tag("ul", *items)])))

    return join(parts)


def _work(results: Mapping[str, Result]) -> Markup:
    seconds: dict[str, float] = {}
    counts: dict[str, int] = {}
    for name, result in results.items():
        kind = name.split("/")[0]
        seconds[kind] = seconds.get(kind, 0.0) + result.seconds
        counts[kind] = counts.get(kind, 0) + 1

    rows = [[kind, counts[kind], duration(seconds[kind])] for kind in seconds]
    whole = f"{counted(counts)}: {duration(sum(seconds.values()))} of one core in all."

    return join([table(["cells", "finished", "time, added up"], rows), tag("p", whole)])
