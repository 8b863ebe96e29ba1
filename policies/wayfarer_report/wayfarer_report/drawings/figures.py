"""The figures of a dataset report, each from gathered numbers, as an <svg> element."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray
from wayfarer_core.cube import FACES, top_faces

from wayfarer_report.drawings.drawing import FACE_COLOURS, INK, colour, figure, letter
from wayfarer_report.numbers.novelty import Scores
from wayfarer_report.numbers.records import RunRecord
from wayfarer_report.numbers.statistics import (
    CELL,
    all_poses,
    coverage_curve,
    movement_curve,
    periods,
    stacked,
)

# [m] extent of the panels of the table; y grows to the left
_TABLE_Y, _TABLE_X = (0.42, -0.42), (0.30, 0.86)
_MANY = 400  # points beyond which they are drawn as pixels instead of shapes
_AXES = ("x", "y", "z")


def cube_by_face(run: RunRecord, name: str) -> str:
    """Figure 5: positions of the cube, one panel for each colour of its upper face, with the number
    of observations.
    """
    poses = all_poses(run.episodes)
    faces = top_faces(poses[:, 3:])
    with figure(2, 3, 7.6, 3.9) as drawing:
        draw_cube_by_face(drawing.panels, poses, faces)
        drawing.figure.supxlabel("y [m], the robot's left on the left", fontsize=8)
        drawing.figure.supylabel("x [m], away from the robot", fontsize=8)
        return drawing.svg(name)


def draw_cube_by_face(
    panels: Sequence[Axes], poses: NDArray[np.float64], faces: NDArray[np.int64]
) -> None:
    """Draw Figure 5 into six panels: poses (N, 7), index of the upper face (N,)."""
    for index, (axis, face) in enumerate(zip(panels, FACES, strict=True)):
        here = poses[faces == index]
        axis.scatter(
            here[:, 1],
            here[:, 0],
            s=9,
            color=FACE_COLOURS[face],
            edgecolors="#555555",
            linewidths=0.25,
            alpha=0.85,
            rasterized=len(here) > _MANY,
        )
        axis.set_title(f"{face} up: {len(here):,}")
        _table(axis)
        axis.label_outer()


def _table(axis: Axes) -> None:
    axis.set_xlim(*_TABLE_Y)
    axis.set_ylim(*_TABLE_X)
    axis.set_xticks([0.3, 0.0, -0.3])
    axis.set_yticks([0.4, 0.6, 0.8])
    axis.set_aspect("equal")


def coverage(runs: Sequence[RunRecord], name: str) -> str:
    """Cells of the table covered, and steps in which the cube moved, over the steps taken.

    One line for each run.
    """
    with figure(1, 2, 7.6, 2.7) as drawing:
        left, right = drawing.panels
        for place, run in enumerate(runs):
            total = sum(len(e.valid) for e in run.episodes)
            for axis, (steps, values) in (
                (left, coverage_curve(run)),
                (right, movement_curve(run)),
            ):
                if run.knows_cube:
                    x, y = (
                        np.concatenate([[0], steps, [total]]),
                        np.concatenate([[0], values, values[-1:], [0]]),
                    )
                    axis.step(x, y[: len(x)], where="post", color=colour(place), lw=1.8)

        left.set(
            title=f"cells of {100 * CELL:.0f} cm covered by the cube",
            xlabel="steps",
            ylim=(0, None),
        )
        right.set(title="steps in which the cube moved", xlabel="steps", ylim=(0, None))

        return drawing.svg(name)


def heat_maps(runs: Sequence[RunRecord], name: str) -> str:
    """Number of observations with the cube in each cell of 2 cm, on a logarithmic scale.

    One panel for each run.
    """
    columns = min(3, max(2, len(runs)))
    rows = -(-len(runs) // columns)
    with figure(rows, columns, 7.6, 0.3 + 4.2 * rows / columns) as drawing:
        counts = [_heat(all_poses(run.episodes)) for run in runs]
        most = max(1.0, *(float(np.log10(1 + c).max()) for c in counts))
        for place, (axis, found) in enumerate(zip(drawing.panels, counts, strict=False)):
            shown = np.where(found > 0, np.log10(1 + found), np.nan)
            extent = (_TABLE_Y[1], _TABLE_Y[0], *_TABLE_X)
            drawn = axis.imshow(
                shown, origin="lower", extent=extent, vmin=0, vmax=most, interpolation="nearest"
            )
            _table(axis)
            axis.text(
                0.02,
                0.97,
                letter(place),
                color=colour(place),
                weight="bold",
                va="top",
                transform=axis.transAxes,
            )

        for axis in drawing.panels[len(runs) :]:
            axis.set_axis_off()

        bar = drawing.figure.colorbar(drawn, ax=drawing.panels, shrink=0.9, pad=0.01)
        ticks = [k for k in (1, 10, 100, 1000, 10_000, 100_000) if np.log10(1 + k) <= most]
        bar.set_ticks([float(np.log10(1 + k)) for k in ticks], labels=[f"{k:,}" for k in ticks])
        bar.outline.set_visible(False)

        return drawing.svg(name)


def _heat(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return counts by cell (x, y), y growing to the right of the array."""
    low, high = _TABLE_Y[1], _TABLE_Y[0]
    bins = (round((_TABLE_X[1] - _TABLE_X[0]) / (2 * CELL)), round((high - low) / (2 * CELL)))
    counts, _, _ = np.histogram2d(
        poses[:, 0], poses[:, 1], bins=bins, range=(_TABLE_X, (low, high))
    )

    return np.asarray(counts)


def faces(shares: Sequence[dict[str, int]], name: str) -> str:
    """Shares of the upper faces, one bar for each run."""
    with figure(1, 1, 7.6, 0.7 + 0.34 * len(shares)) as drawing:
        (axis,) = drawing.panels
        for place, counts in enumerate(shares):
            left, total = 0.0, max(sum(counts.values()), 1)
            for face in FACES:
                share = counts.get(face, 0) / total
                axis.barh(
                    place,
                    share,
                    left=left,
                    color=FACE_COLOURS[face],
                    edgecolor="#555555",
                    lw=0.4,
                    height=0.7,
                )
                if share > 0.06:
                    axis.text(
                        left + share / 2,
                        place,
                        f"{100 * share:.0f} %",
                        ha="center",
                        va="center",
                        color="#111111",
                    )

                left += share

        axis.set_yticks(
            range(len(shares)), labels=[letter(k) for k in range(len(shares))], fontweight="bold"
        )
        axis.set(xlim=(0, 1), xlabel="share of the observations")
        axis.invert_yaxis()
        axis.grid(False)

        return drawing.svg(name)


def novelty_over_time(runs: Sequence[RunRecord], scores: Sequence[Scores], name: str) -> str:
    """Left: novelty of the images under one RND, by episode.

    Right: novelty of goals when chosen.
    """
    with figure(1, 2, 7.6, 2.8) as drawing:
        left, right = drawing.panels
        for place, (run, found) in enumerate(zip(runs, scores, strict=True)):
            numbers = np.array([frame.episode for frame in run.frames])
            if len(found.values):
                values = [found.values[numbers == k] for k in np.unique(numbers)]
                low, middle, high = np.array([np.percentile(v, (10, 50, 90)) for v in values]).T
                left.plot(np.unique(numbers), middle, color=colour(place), lw=1.8)
                left.fill_between(
                    np.unique(numbers), low, high, color=colour(place), alpha=0.18, lw=0
                )

            goals = [
                (e.info.number, e.info.goal_novelty)
                for e in run.episodes
                if np.isfinite(e.info.goal_novelty)
            ]
            if goals:
                right.plot(*zip(*goals, strict=True), color=colour(place), lw=1.2, marker="o", ms=3)

        left.set(title="novelty of the images: median, 10 to 90 %", xlabel="episode", yscale="log")
        right.set(title="novelty of the goal when it was chosen", xlabel="episode", yscale="log")
        if not right.has_data():
            right.text(
                0.5, 0.5, "no goals", transform=right.transAxes, ha="center", color=INK, alpha=0.6
            )
            right.set(yscale="linear", xticks=[], yticks=[])

        for axis in (left, right):
            _plain_ticks(axis)

        return drawing.svg(name)


def actions(runs: Sequence[RunRecord], name: str) -> str:
    """Executed actions along each axis, one line for each run."""
    edges = np.linspace(-1.0, 1.0, 42)
    with figure(1, 3, 7.6, 2.4) as drawing:
        for axis, (index, letter) in zip(drawing.panels, enumerate(_AXES), strict=True):
            for place, run in enumerate(runs):
                executed = stacked([e.displacements for e in run.episodes], 3)[:, index]
                _histogram(axis, executed, edges, place)

            axis.set(title=f"along {letter}", xlabel="executed action", ylim=(0, None))
            axis.set_yticks([])

        drawing.panels[0].set_ylabel("share of the steps")

        return drawing.svg(name)


def strides(runs: Sequence[RunRecord], name: str) -> str:
    """Distance that the end effector moved in a step, and its height."""
    with figure(1, 2, 7.6, 2.4) as drawing:
        left, right = drawing.panels
        for place, run in enumerate(runs):
            moved = [np.linalg.norm(np.diff(e.ee_positions, axis=0), axis=1) for e in run.episodes]
            heights = [e.ee_positions[:, 2] for e in run.episodes]
            _histogram(
                left, 100 * np.concatenate([np.zeros(0), *moved]), np.linspace(0, 24, 49), place
            )
            _histogram(
                right,
                100 * np.concatenate([np.zeros(0), *heights]),
                np.linspace(-10, 42, 53),
                place,
            )

        left.set(title="end effector's way in a step", xlabel="cm", ylim=(0, None))
        right.set(title="end effector's height in the base frame", xlabel="cm", ylim=(0, None))
        for axis in drawing.panels:
            axis.set_yticks([])

        left.set_ylabel("share of the steps")

        return drawing.svg(name)


def timing(runs: Sequence[RunRecord], name: str) -> str:
    """Time between observations on the robot's clock.

    From observation to recorded action; wall clock per step.
    """
    with figure(1, 3, 7.6, 2.5) as drawing:
        found = [
            [1e3 * periods(run) for run in runs],
            [np.concatenate([np.zeros(0), *(e.answer_ms for e in run.episodes)]) for run in runs],
            [
                np.array([1e3 * e.wall_s / max(len(e.valid), 1) for e in run.episodes])
                for run in runs
            ],
        ]
        titles = (
            "between observations, robot's clock",
            "observation to action, recorder's clock",
            "per step, wall clock",
        )
        for axis, values, title in zip(drawing.panels, found, titles, strict=True):
            known = np.concatenate([v[np.isfinite(v) & (v >= 0)] for v in values])
            high = max(float(np.percentile(known, 99.5)) * 1.15, 1e-3) if len(known) else 1.0
            low = float(known.min()) * 0.85 if len(known) else 0.0
            for place, one in enumerate(values):
                _histogram(axis, np.clip(one, low, high), np.linspace(low, high, 41), place)

            axis.set(title=title, xlabel="ms", ylim=(0, None))
            axis.set_yticks([])

        drawing.panels[0].set_ylabel("share")

        return drawing.svg(name)


def curves(
    series: Sequence[tuple[str, Sequence[tuple[int, NDArray[np.float64], NDArray[np.float64]]]]],
    name: str,
) -> str:
    """Draw one panel for each (title, lines), a line being (place of its run, x, y) over
    episodes.
    """
    columns = min(3, len(series))
    rows = -(-len(series) // columns)
    with figure(rows, columns, 7.6, 0.2 + 1.9 * rows) as drawing:
        for axis, (title, lines) in zip(drawing.panels, series, strict=False):
            for place, x, y in lines:
                axis.plot(
                    x, y, color=colour(place), lw=1.5, marker="o" if len(x) < 30 else "", ms=2.5
                )

            axis.set_title(title)
            axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))

        for axis in drawing.panels[len(series) :]:
            axis.set_axis_off()

        return drawing.svg(name)


def _plain_ticks(axis: Axes) -> None:
    """Use whole numbers for episodes, and plain numbers on a logarithmic axis."""
    axis.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
    if axis.get_yscale() == "log":
        axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=8))
        axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.yaxis.set_minor_locator(NullLocator())


def _histogram(
    axis: Axes, values: NDArray[np.floating], edges: NDArray[np.float64], place: int
) -> None:
    known = values[np.isfinite(values)]
    if len(known):
        counts, _ = np.histogram(known, edges)
        axis.stairs(counts / len(known), edges, color=colour(place), fill=True, alpha=0.18)
        axis.stairs(counts / len(known), edges, color=colour(place), lw=1.3)
