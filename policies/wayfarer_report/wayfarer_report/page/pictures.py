"""The sections of a dataset report with camera images."""

from collections.abc import Sequence

import numpy as np

from wayfarer_report.drawings.drawing import mosaic_uri
from wayfarer_report.numbers.records import GoalPictures
from wayfarer_report.page.gathered import Gathered, chip
from wayfarer_report.page.markup import Markup, join, note, tag

COLUMNS, ROWS = 14, 6
_GONE = (
    "The stored images that this run's goals name are not in it: their episodes are gone, or "
    "another recorder's."
)


def contact_sheets(runs: Sequence[Gathered]) -> Markup:
    """Return Figure 4 of each run."""
    return join(
        part for k, run in enumerate(runs) for part in (tag("h3", chip(k, run.name)), sheet(run))
    )


def sheet(run: Gathered) -> Markup:
    """Return Figure 4: a run's observations from the most to the least novel."""
    if not run.record.frames:
        return note("There is no image in this run.")

    if not len(run.scores.values):
        words = note(f"Not ordered by novelty: {run.scores.judge}. In the order of time:")
        return join([words, _sheet(run, np.arange(len(run.record.frames)), "in the order of time")])

    caption = (
        f"{len(run.record.frames):,} observations, evenly spread over the run, ranked by novelty; "
        f"of the ranks {COLUMNS * ROWS} equally spaced ones are shown, the most novel first. "
        f"Beside each row: its highest novelty. Judged by {run.scores.judge}."
    )

    return _sheet(run, run.scores.order(), caption)


def _sheet(run: Gathered, order: np.typing.NDArray[np.int64], caption: str) -> Markup:
    shown = order[np.unique(np.linspace(0, len(order) - 1, COLUMNS * ROWS).astype(int))]
    rows = []
    for first in range(0, len(shown), COLUMNS):
        places = shown[first : first + COLUMNS]
        uri, width, height = mosaic_uri([run.record.frames[k].pixels for k in places], COLUMNS)
        label = f"{run.scores.values[places[0]]:.3g}" if len(run.scores.values) else ""
        words = ", ".join(
            f"{run.record.frames[k].episode}/{run.record.frames[k].step}" for k in places
        )
        image = tag(
            "img", src=uri, width=width, height=height, alt=f"observations (episode/step) {words}"
        )
        rows.append(tag("div", tag("span", label), image, class_="strip"))

    return tag("figure", *rows, tag("figcaption", caption))


def goals(runs: Sequence[Gathered]) -> Markup:
    """Return the chosen goals, each above the last image of the episode with that goal."""
    parts: list[Markup] = []
    for place, run in enumerate(runs):
        parts.append(tag("h3", chip(place, run.name)))
        if not run.record.goals:
            named = any(e.info.goal for e in run.record.episodes)
            parts.append(note(_GONE if named else "No episode of this run had a goal."))
            continue

        cells = [_goal(one) for one in run.record.goals]
        caption = (
            "Above: the goal, a stored image (episode/step it comes from, and its novelty when it "
            "was chosen). Below: the last observation of the episode that set out for it."
        )
        parts.append(tag("figure", tag("div", *cells, class_="goals"), tag("figcaption", caption)))

    return join(parts)


def _goal(one: GoalPictures) -> Markup:
    final = (
        one.final
        if one.final is not None and one.final.shape == one.goal.shape
        else np.full_like(one.goal, 127)
    )
    uri, width, height = mosaic_uri([one.goal, final], 1)
    alt = f"goal {one.name} above, the end of episode {one.episode} below"
    image = tag("img", src=uri, width=width, height=height, alt=alt)

    return tag(
        "div",
        image,
        f"episode {one.episode}",
        tag("br"),
        f"goal {one.name}",
        tag("br"),
        f"{one.novelty:.3g}",
    )
