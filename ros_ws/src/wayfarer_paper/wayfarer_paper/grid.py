"""An experiment as a grid of independent jobs, called cells.

They have plain arguments and plain results, and run on all cores.

All cells of a grid work in one folder. A finished cell leaves FOLDER/cells/NAME.json, a failed one
NAME.error with the reason. A second call keeps finished cells and runs all others
(again): a cell continues from what a killed one has left in the folder.
"""

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

import torch
from wayfarer_core.atomic import make_folder, write_atomically
from wayfarer_core.errors import ConfigError, DataError, WayfarerError

Plain = Any  # what JSON can hold: None, bool, int, finite float, str, and lists and dicts of them


@dataclass(frozen=True)
class Cell:
    """One job: `work(folder, **arguments)`, a function of a module, so that any process can import
    it.
    """

    name: str  # for example "collect/goal-0": also the path of its result
    work: Callable[..., Plain]  # takes the grid's folder and the arguments, returns plain data
    arguments: Mapping[str, Plain]
    after: tuple[str, ...] = ()  # names of cells that must be finished before

    def __post_init__(self) -> None:
        if json.loads(json.dumps(self.arguments)) != self.arguments:
            raise ConfigError(
                f"cell {self.name}: arguments must be plain data, not {self.arguments}"
            )


@dataclass(frozen=True)
class Result:
    """The result of a finished cell."""

    arguments: Mapping[str, Plain]
    value: Plain
    seconds: float  # duration of the cell's own work


class CellState(StrEnum):
    """State of a cell."""

    KEPT = "kept"  # finished by an earlier call
    STARTED = "started"
    FINISHED = "finished"
    FAILED = "failed"


class GridError(WayfarerError):
    """Some cells failed; the others are finished and kept."""


class Workers(Protocol):
    """Processes that run cells."""

    @property
    def slots(self) -> int:
        """Number of cells that can run at once."""

    def start(self, cell: Cell, folder: Path) -> None:
        """Begin `do(cell, folder)` somewhere."""

    def wait(self) -> tuple[str, WayfarerError | None]:
        """Return the name of a cell that has ended, and its error if it failed.

        Waits until there is one.
        """


OnChange = Callable[[Cell, CellState, WayfarerError | None], None]  # with the error of a failed one


def do(cell: Cell, folder: Path) -> None:
    """Run a cell in this process and write its result into the grid's folder."""
    torch.set_num_threads(1)  # cells share the cores, and the networks are small
    began = time.monotonic()
    value = cell.work(folder, **cell.arguments)
    seconds = time.monotonic() - began
    content = json.dumps(
        {"arguments": cell.arguments, "seconds": seconds, "value": value}, allow_nan=False
    )
    _write(file_of(folder, cell.name), content)


@dataclass
class _Progress:
    waiting: dict[str, Cell]
    ended: set[str] = field(default_factory=set)
    failed: dict[str, WayfarerError] = field(default_factory=dict)
    under_way: dict[str, Cell] = field(default_factory=dict)

    def ready(self) -> Iterator[Cell]:
        """Yield waiting cells, in order, whose predecessors are finished."""
        return (cell for cell in list(self.waiting.values()) if self.ended.issuperset(cell.after))


def run_grid(
    cells: Sequence[Cell],
    folder: Path,
    workers: Workers,
    on_change: OnChange = lambda _cell, _state, _error: None,
) -> dict[str, Result]:
    """Run all cells; return their results by name.

    A failed cell only prevents those that need it. Raises ConfigError for cells that
    wait for an unknown cell, for a result in `folder` with other arguments, or if another
    process runs a grid in this folder; GridError, naming the failures, after all others are done.
    """
    _check(cells)
    with _alone(folder):
        return _run(cells, folder, workers, on_change)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Keep other processes from running a grid in this folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "grid.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigError(
                f"another process is at work on {folder}: wait for it, or choose another folder"
            ) from error

        yield


def _run(
    cells: Sequence[Cell], folder: Path, workers: Workers, on_change: OnChange
) -> dict[str, Result]:
    kept = {cell.name for cell in cells if _kept(cell, folder)}
    progress = _Progress({cell.name: cell for cell in cells if cell.name not in kept}, set(kept))
    for cell in cells:
        if cell.name in kept:
            on_change(cell, CellState.KEPT, None)

    while True:
        for cell in progress.ready():
            if len(progress.under_way) < workers.slots:
                error_file(folder, cell.name).unlink(missing_ok=True)
                workers.start(cell, folder)
                progress.under_way[cell.name] = progress.waiting.pop(cell.name)
                on_change(cell, CellState.STARTED, None)

        if not progress.under_way:
            break

        name, error = workers.wait()
        cell = progress.under_way.pop(name)
        if error is None:
            progress.ended.add(name)
        else:
            progress.failed[name] = error
            _write(error_file(folder, name), f"{error}\n")

        on_change(cell, CellState.FINISHED if error is None else CellState.FAILED, error)

    if progress.failed:
        raise GridError(_failures(progress))

    return {cell.name: read_result(folder, cell.name) for cell in cells}


def _failures(progress: _Progress) -> str:
    listed = "; ".join(f"{name}: {error}" for name, error in sorted(progress.failed.items()))
    rest = (
        f"; not begun, because they need those: {', '.join(progress.waiting)}"
        if progress.waiting
        else ""
    )

    return f"{len(progress.failed)} of the grid's jobs failed (the others are kept): {listed}{rest}"


def _check(cells: Sequence[Cell]) -> None:
    names = {cell.name for cell in cells}
    if len(names) < len(cells):
        raise ConfigError(
            f"two cells have one name, among {', '.join(sorted(cell.name for cell in cells))}"
        )

    before: set[str] = set()
    for cell in cells:
        if not before.issuperset(cell.after):
            missing = ", ".join(sorted(set(cell.after) - before))
            raise ConfigError(
                f"cell {cell.name} waits for {missing}, which must stand before it in the grid"
            )

        before.add(cell.name)


def _kept(cell: Cell, folder: Path) -> bool:
    """Say whether a cell's result exists. Raises ConfigError if it has other arguments."""
    if not file_of(folder, cell.name).exists():
        return False

    found = read_result(folder, cell.name).arguments
    if found != cell.arguments:
        differing = sorted(
            k for k in found.keys() | cell.arguments.keys() if found.get(k) != cell.arguments.get(k)
        )
        words = "; ".join(
            f"{k} was {found.get(k)!r}, is {cell.arguments.get(k)!r}" for k in differing
        )
        raise ConfigError(
            f"{folder} holds {cell.name} done with other arguments ({words}): choose another folder"
        )

    return True


def file_of(folder: Path, name: str) -> Path:
    """Return the path of a cell's result."""
    return folder / "cells" / f"{name}.json"


def error_file(folder: Path, name: str) -> Path:
    """Return the path of a failed cell's error; it exists until the cell starts again."""
    return folder / "cells" / f"{name}.error"


def read_result(folder: Path, name: str) -> Result:
    """Read a finished cell's result. Raises DataError if there is none, or it cannot be read."""
    file = file_of(folder, name)
    try:
        content = json.loads(file.read_text())
        return Result(content["arguments"], content["value"], float(content["seconds"]))
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise DataError(
            f"{file} is not the result of a cell ({error!r}): remove it, to do that cell again"
        ) from error


def _write(file: Path, content: str) -> None:
    make_folder(file.parent)
    write_atomically(file, content)
