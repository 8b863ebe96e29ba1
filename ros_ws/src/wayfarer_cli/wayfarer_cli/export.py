"""`wayfarer export`: recorded runs in the formats of other learning libraries."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from wayfarer_core.errors import ConfigError
from wayfarer_report.console import bars


class Format(StrEnum):
    """Whose format."""

    LEROBOT = "lerobot"
    ROBOMIMIC = "robomimic"
    MINARI = "minari"


def export(
    to: Annotated[
        Format,
        typer.Argument(
            help="[b]lerobot[/b] (v3.0, a folder), [b]robomimic[/b] (an HDF5 file), [b]minari[/b] (a folder)."
        ),
    ],
    run: Annotated[Path, typer.Argument(help="A run, or another recorder's bag of the contract's topics.")],
    out: Annotated[Path, typer.Argument(help="What to write; something that exists is refused.")],
    task: Annotated[
        str, typer.Option(help="Whose rewards to write, as in flip-green or push; without it all are 0.")
    ] = "",
) -> None:
    """Write a run's valid steps for another learning library: frames, actions, positions, rewards, without loss."""
    import numpy as np
    from wayfarer_data.export.lerobot import export_lerobot
    from wayfarer_data.export.minari import export_minari
    from wayfarer_data.export.robomimic import export_robomimic
    from wayfarer_data.export.segments import Material
    from wayfarer_policies.offline.tasks import task as task_named

    from wayfarer_cli.opening import label, open_runs

    if out.exists():
        raise ConfigError(f"{out} exists already: choose another name")
    wanted = task_named(task) if task else None
    write = {Format.LEROBOT: export_lerobot, Format.ROBOMIMIC: export_robomimic, Format.MINARI: export_minari}[to]
    note = "no task: all rewards are 0"
    with bars(transient=True) as progress:
        dataset = open_runs([run], progress)
        if wanted is None:
            material = Material.of(dataset, dataset.transitions)
        else:
            labels = label(dataset, progress)
            rewards = wanted.reward(labels.poses).astype(np.float32)
            material = Material.of(dataset, labels.transitions(dataset), rewards, wanted.name)
            note = f"rewards of {wanted.name} by the {labels.sources[str(run)]}"
        bar = progress.add_task(f"writing {out.name}")
        write(material, out, lambda done, total: progress.update(bar, completed=done, total=total))
    print(f"{out}: {len(material.rows)} steps in {len(material)} unbroken stretches, {note}")
