"""A picture that shows the quality of a calibration.

It shows where the board was seen, and the residuals.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from wayfarer_vision.camera import Array
from wayfarer_vision.charuco import View

_ARROW = 50.0  # enlargement of residuals


def draw_report(
    path: Path, title: str, names: Sequence[str], views: Sequence[View], residuals: Sequence[Array]
) -> None:
    """Write a PNG.

    Corners in the picture with their residuals enlarged, all residuals, and the error of each view.
    """
    figure = Figure(figsize=(15, 5), layout="constrained")
    figure.suptitle(title)
    where, spread, each = figure.subplots(1, 3, width_ratios=(4, 3, 4))

    for k, (view, residual) in enumerate(zip(views, residuals, strict=True)):
        colour = f"C{k % 10}"
        where.quiver(
            *view.pixels.T,
            *(_ARROW * residual.T),
            angles="xy",
            scale_units="xy",
            scale=1,
            color=colour,
            width=0.002,
        )
        where.plot(*view.pixels.T, ".", ms=2, color=colour)
        spread.plot(*residual.T, ".", ms=3, color=colour)

    where.set(
        xlim=(0, views[0].width),
        ylim=(views[0].height, 0),
        aspect="equal",
        xlabel="u [pixel]",
        ylabel="v [pixel]",
    )
    where.set_title(f"corners seen; residuals {_ARROW:g} times as long")
    reach = 1.1 * max(float(np.abs(np.concatenate(list(residuals))).max()), 0.1)
    spread.set(
        xlim=(-reach, reach),
        ylim=(-reach, reach),
        aspect="equal",
        xlabel="du [pixel]",
        ylabel="dv [pixel]",
    )
    spread.set_title("residuals")
    spread.grid(alpha=0.3)
    errors = [float(np.sqrt(np.square(r).sum(axis=1).mean())) for r in residuals]
    each.barh(range(len(errors)), errors, color=[f"C{k % 10}" for k in range(len(errors))])
    each.set_yticks(range(len(errors)), names, fontsize=7)
    each.invert_yaxis()
    each.set(xlabel="root mean square [pixel]", title="reprojection error of each view")
    figure.savefig(path, dpi=100)
