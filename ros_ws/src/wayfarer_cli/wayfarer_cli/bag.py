"""`wayfarer bag`.

Show, check, mend, merge and split recorded runs.

Exit code 0: good; 1: damaged, or a wrong argument; 2: unusable. Only `recover --write` changes a
run in place.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from json import dumps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_report.console import bars, plain

bag = typer.Typer(no_args_is_help=True, help="Show, check, mend, merge and split recorded runs.")
_out, _errors = plain(), plain(stderr=True)

Run = Annotated[
    Path, typer.Argument(help="A run: the directory given to `wayfarer collect --out`.")
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object instead of words.")]
New = Annotated[Path, typer.Option("--out", help="New directory; one that exists is refused.")]


@bag.command()
def info(
    runs: Annotated[
        list[Path], typer.Argument(help="Runs: directories given to `wayfarer collect --out`.")
    ],
    json: Annotated[
        bool,
        typer.Option("--json", help="One JSON object (of several runs a list) instead of a table."),
    ] = False,
) -> None:
    """Episodes, steps, losses, durations, coverage and size of runs, side by side, read from their
    bags.
    """
    from wayfarer_cli.bag_info import print_info

    with _unusable(_all(runs), json):
        print_info(runs, json)


@bag.command()
def draw(
    run: Run,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the pictures; default: the run.")
    ] = None,
) -> None:
    """Draw observations (contact_sheet.png) and the cube's positions by its top face
    (cube_positions.png).
    """
    from wayfarer_bags.run_directory import RunDirectory
    from wayfarer_report.drawings.draw import draw_contact_sheet, draw_cube_positions

    folder = out or run

    with _unusable(run, json=False):
        directory = RunDirectory(run)
        for path in (
            draw_contact_sheet(directory, folder / "contact_sheet.png"),
            draw_cube_positions(directory, folder / "cube_positions.png"),
        ):
            print(path)


@bag.command()
def verify(run: Run, json: Json = False) -> None:
    """Check every byte, chunk and step of a run, or of another recorder's bag.

    Exit: 0 good, 1 damaged, 2 unusable.
    """
    from wayfarer_data.upkeep.verify import verify as check

    with _unusable(run, json), _progress("verifying") as tell:
        verdict = check(run, tell)

    if json:
        print(dumps({**asdict(verdict), "code": verdict.code}))
        sys.exit(verdict.code)

    for finding in verdict.findings:
        where = escape(f"{finding.file}: ") if finding.file else ""
        _out.print(f"[{'red' if finding.damage else 'yellow'}]{where}[/]{escape(finding.what)}")

    lost = f"{verdict.steps} steps, {verdict.lost_steps} of them lost"
    _out.print(
        f"{verdict.readable} of {verdict.episodes} episodes can be read: {lost}. "
        f"{_words(verdict.code)}"
    )
    sys.exit(verdict.code)


@bag.command()
def recover(
    run: Run,
    out: Annotated[
        Path | None, typer.Option(help="New directory for the whole run; default: RUN.recovered.")
    ] = None,
    write: Annotated[
        bool,
        typer.Option("--write", help="Change the run itself; the originals go to damaged/ in it."),
    ] = False,
    json: Json = False,
) -> None:
    """Finish torn episodes, and drop damaged chunks.

    Exit: 0 all mended, 1 something is lost for good, 2 all is lost.
    """
    from wayfarer_data.upkeep import recover as mending

    if write and out is not None:
        raise ConfigError(
            "--write changes the run itself, --out writes a new one: choose one of the two"
        )

    with _unusable(run, json):
        target = out or run.with_name(f"{run.resolve().name}.recovered")
        outcome = mending.recover_in_place(run) if write else mending.recover(run, target)

    if json:
        print(dumps({**asdict(outcome), "code": outcome.code}))
        sys.exit(outcome.code)

    for one in outcome.recovered:
        loss = f"{one.damaged_chunks} damaged chunks{' and its torn end' if one.torn else ''}"
        _out.print(
            f"[green]{escape(one.file)}: [/]{one.steps} steps, {one.lost_steps} of them lost, "
            f"without {loss}"
        )

    for lost in outcome.failed:
        _out.print(f"[red]{escape(lost.file)}: [/]{escape(lost.why)}")

    kept = f"{outcome.sound} sound, {len(outcome.recovered)} recovered, {len(outcome.failed)} lost"
    _out.print(f"{escape(str(outcome.out))}: {kept}. {_words(outcome.code)}")
    sys.exit(outcome.code)


@bag.command()
def merge(
    runs: Annotated[
        list[Path], typer.Argument(help="Runs, in the order their episodes shall have.")
    ],
    out: New,
    json: Json = False,
) -> None:
    """Write the episodes of several runs into one new run."""
    from wayfarer_data.upkeep.rewrite import merge as write

    with _unusable(_all(runs), json), _progress("merging") as tell:
        made = write(runs, out, tell)
    print(dumps(asdict(made)) if json else f"{made.run}: {made.episodes} episodes")


@bag.command()
def split(
    run: Run,
    out: New,
    every: Annotated[int, typer.Option(min=1, help="Episodes in each part.")] = 100,
    json: Json = False,
) -> None:
    """Write a run's episodes into new runs of some episodes each: OUT/part_000, OUT/part_001 ..."""
    from wayfarer_data.upkeep.rewrite import split as write

    with _unusable(run, json), _progress("splitting") as tell:
        made = write(run, out, every, tell)

    if json:
        print(dumps([asdict(one) for one in made]))
    else:
        print("\n".join(f"{one.run}: {one.episodes} episodes" for one in made))


@bag.command("relabel-topics")
def relabel_topics(
    run: Run,
    topics: Annotated[
        list[str],
        typer.Argument(help="OLD=NEW, of whole topics or of namespaces: /wayfarer=/lab/left."),
    ],
    out: New,
    json: Json = False,
) -> None:
    """Write a run, or another recorder's bag, with other topic names."""
    from wayfarer_data.upkeep.rewrite import relabel_topics as write

    with _unusable(run, json), _progress("relabelling") as tell:
        made = write(run, out, dict(_renaming(word) for word in topics), tell)
    print(dumps(asdict(made)) if json else made.run)


def _renaming(word: str) -> tuple[str, str]:
    old, separator, new = word.partition("=")
    if not separator or not old.startswith("/") or not new.startswith("/"):
        raise ConfigError(f"{word!r} is not of the form /old=/new")
    return old, new


@contextmanager
def _unusable(run: Path | str, json: bool) -> Iterator[None]:
    """End with exit code 2 if there is no recording, or none that can be used."""
    try:
        yield
    except DataError as error:
        if json:
            print(dumps({"run": str(run), "code": 2, "error": str(error)}))
        _errors.print(f"[bold red]unusable:[/] {escape(str(error))}")
        sys.exit(2)


def _all(runs: Sequence[Path]) -> str:
    return " ".join(map(str, runs))


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], Any]]:
    with bars(transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _words(code: int) -> str:
    return ("[green]Good.[/]", "[red]Damaged.[/]", "[red]Unusable.[/]")[code]
