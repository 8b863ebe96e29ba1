"""`wayfarer export`: recorded runs in the formats of other learning libraries."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from wayfarer_core.errors import ConfigError
from wayfarer_report.console import bars


class Format(StrEnum):
    """Formats of datasets."""

    LEROBOT = "lerobot"
    ROBOMIMIC = "robomimic"
    MINARI = "minari"


class State(StrEnum):
    """Which parts of the arm's state to export."""

    ALL = "all"
    POSITION = "position"


def export(
    to: Annotated[
        Format,
        typer.Argument(
            help=(
                "[b]lerobot[/b] (v3.0, a folder), [b]robomimic[/b] (an HDF5 file), [b]minari[/b] "
                "(a folder)."
            )
        ),
    ],
    bags: Annotated[
        list[Path],
        typer.Argument(
            help=(
                "Runs, or other recorders' bags of the contract's topics; with a map bags of any "
                "topics."
            )
        ),
    ],
    out: Annotated[Path, typer.Argument(help="File or folder to write; it must not exist.")],
    task: Annotated[
        str,
        typer.Option(
            help=(
                "Rewards of this task, for example flip-green or push; without it 1 for an end in "
                "success."
            )
        ),
    ] = "",
    state: Annotated[
        State,
        typer.Option(
            help=(
                "Which state of the arm: [b]all[/b] that was recorded, or only the end effector's "
                "[b]position[/b]."
            )
        ),
    ] = State.ALL,
    wrist: Annotated[
        bool, typer.Option(help="Whether images of the camera in the hand go along.")
    ] = True,
    map_: Annotated[
        Path | None,
        typer.Option("--map", help="YAML file that maps topics to features, for lerobot."),
    ] = None,
    suggest_map: Annotated[
        bool,
        typer.Option("--suggest-map", help="Write a first map of the bag to OUT, not a dataset."),
    ] = False,
) -> None:
    """Write runs' valid steps for another learning library.

    Frames, actions, positions, rewards, without loss.

    With a map: bags of any topics, resampled to one rate by their stamps. `--suggest-map` writes a
    first map.
    """
    if (map_ is not None or suggest_map) and (to is not Format.LEROBOT or task):
        raise ConfigError(
            "a map is for `wayfarer export lerobot`, without --task: bags of any topics have no "
            "rewards"
        )
    if (map_ is not None or suggest_map) and (state is not State.ALL or not wrist):
        raise ConfigError(
            "--state and --no-wrist are for runs: with a map, the map says what is exported"
        )
    if suggest_map and (map_ is not None or len(bags) > 1):
        raise ConfigError(
            "--suggest-map makes a map of one bag: wayfarer export lerobot BAG map.yaml "
            "--suggest-map"
        )
    if out.exists():
        raise ConfigError(f"{out} exists already: choose another name")

    if suggest_map:
        from wayfarer_export.foreign.suggest import suggest_map as write_map

        print(f"{out}: {write_map(bags[0], out)}")
    elif map_ is not None:
        _export_mapped(bags, map_, out)
    else:
        _export_runs(to, bags, out, task, state, wrist)


def _export_mapped(bags: list[Path], map_: Path, out: Path) -> None:
    from wayfarer_export.foreign.convert import convert
    from wayfarer_export.foreign.map import read_map

    mapping = read_map(map_)

    with bars(transient=True) as progress:
        bar = progress.add_task(f"writing {out.name}")
        done = convert(
            bags,
            mapping,
            map_,
            out,
            lambda done, total: progress.update(bar, completed=done, total=total),
        )

    print(f"{out}: {done.frames} frames in {done.episodes} episodes, at {mapping.rate} Hz")
    for feature, age in done.oldest.items():
        print(f"  {feature}: values up to {age:.3f} s old, in age.{feature}")

    for text, count in done.passed_over.items():
        print(f"  {count} messages passed over: {text}")

    if done.too_short:
        print(f"  {done.too_short} stretches of fewer than {mapping.shortest} frames left out")

    for bag in done.without:
        print(
            f"  {bag}: at no time was there a young value of every feature; nothing of it is in "
            "the dataset"
        )


def _export_runs(
    to: Format, runs: list[Path], out: Path, task: str, state: State, wrist: bool
) -> None:
    from dataclasses import replace

    import numpy as np
    from wayfarer_export.lerobot import export_lerobot
    from wayfarer_export.minari import export_minari
    from wayfarer_export.robomimic import export_robomimic
    from wayfarer_export.segments import Material
    from wayfarer_offline.tasks import task as task_named

    from wayfarer_cli.opening import label, open_runs

    wanted = task_named(task) if task else None
    write = {
        Format.LEROBOT: export_lerobot,
        Format.ROBOMIMIC: export_robomimic,
        Format.MINARI: export_minari,
    }[to]

    with bars(transient=True) as progress:
        dataset = open_runs(runs, progress)
        if wanted is None:
            material = Material.of(dataset, dataset.transitions)
            note = material.rewards_in_words
        else:
            labels = label(dataset, progress)
            rewards = wanted.reward(labels.poses).astype(np.float32)
            material = Material.of(dataset, labels.transitions(dataset), rewards, wanted.name)
            note = (
                f"rewards of {wanted.name} by the "
                f"{' and the '.join(sorted(set(labels.sources.values())))}"
            )

        material = replace(material, wrist_wanted=wrist)
        if state is State.POSITION:
            material = replace(material, wanted=())

        bar = progress.add_task(f"writing {out.name}")
        write(material, out, lambda done, total: progress.update(bar, completed=done, total=total))

    print(f"{out}: {len(material.rows)} steps in {len(material)} unbroken stretches, {note}")
    for text in material.left_out():
        print(f"  {text}")
