"""The grid runner, with workers in this process; Ray's are tried in test_grid_ray.py."""

import fcntl
import json
from pathlib import Path
from typing import Any

import pytest
from fixtures.workers import Here
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_core.errors import ConfigError, DataError, WayfarerError
from wayfarer_paper.grid import (
    Cell,
    CellState,
    GridError,
    error_file,
    file_of,
    read_result,
    run_grid,
)


def count_up(folder: Path, number: int) -> dict[str, int]:
    """Work that leaves a trace of having been done."""
    with (folder / "journal").open("a") as file:
        file.write(f"{number}\n")
    if number < 0:
        raise DataError(f"{number} is negative")
    return {"next": number + 1}


def not_plain(_: Path) -> Any:
    return {1, 2}


class Journal:
    """Cells over `count_up`, and what became of them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.file = folder, folder / "journal"
        folder.mkdir(exist_ok=True)
        self.told: list[tuple[str, CellState]] = []
        self.errors: list[str] = []

    def cell(self, name: str, number: int, *after: str) -> Cell:
        return Cell(name, count_up, {"number": number}, after)

    def run(self, *cells: Cell, workers: Here | None = None) -> dict[str, Any]:
        self.told.clear()
        found = run_grid(cells, self.folder, workers or Here(), self.tell)
        return {name: result.value for name, result in found.items()}

    def tell(self, cell: Cell, state: CellState, error: WayfarerError | None) -> None:
        self.told.append((cell.name, state))
        self.errors += [] if error is None else [f"{cell.name}: {error}"]

    @property
    def done(self) -> list[int]:
        return [int(line) for line in self.file.read_text().split()] if self.file.exists() else []


def test_every_cell_is_done_once_and_its_result_is_a_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    assert journal.run(journal.cell("a/one", 1), journal.cell("a/two", 2)) == {
        "a/one": {"next": 2},
        "a/two": {"next": 3},
    }
    content = json.loads((tmp_path / "cells" / "a" / "two.json").read_text())
    assert content["value"] == {"next": 3}
    assert content["arguments"]["number"] == 2
    assert content["seconds"] >= 0
    assert sorted(journal.done) == [1, 2]


def test_finished_cells_are_kept_and_missing_ones_are_done(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    cells = [journal.cell("one", 1), journal.cell("two", 2)]
    journal.run(*cells)
    file_of(tmp_path, "one").unlink()  # as if that one had been killed
    (tmp_path / "cells" / "one.json.123").write_text("{")  # what it might have left
    journal.run(*cells)
    assert sorted(journal.done) == [1, 1, 2]
    assert ("two", CellState.KEPT) in journal.told
    assert ("one", CellState.FINISHED) in journal.told


def test_a_cell_waits_for_those_it_needs(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.run(
        journal.cell("one", 1), journal.cell("two", 2), journal.cell("three", 3, "one", "two")
    )
    order = [
        name for name, state in journal.told if state in (CellState.STARTED, CellState.FINISHED)
    ]
    assert order.index("three") > max(k for k, name in enumerate(order) if name in ("one", "two"))


def test_no_more_cells_are_under_way_than_there_are_slots(tmp_path: Path) -> None:
    journal, workers = Journal(tmp_path), Here()
    journal.run(*(journal.cell(str(k), k) for k in range(7)), workers=workers)
    assert workers.most == 2
    assert sorted(journal.done) == list(range(7))


def test_a_failure_keeps_only_what_needs_it_from_being_done(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    cells = [
        journal.cell("bad", -1),
        journal.cell("good", 1),
        journal.cell("behind", 2, "bad"),
        journal.cell("last", 3),
    ]
    with pytest.raises(
        GridError, match=r"1 of .* bad: -1 is negative; not begun, because they need those: behind"
    ):
        journal.run(*cells)

    assert sorted(journal.done) == [-1, 1, 3]
    assert ("bad", CellState.FAILED) in journal.told
    assert not file_of(tmp_path, "bad").exists()


def test_an_error_is_told_with_its_cell_and_kept_until_that_is_done_again(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(GridError):
        journal.run(journal.cell("collect/bad", -1), journal.cell("good", 1))

    assert journal.errors == ["collect/bad: -1 is negative"]
    assert error_file(tmp_path, "collect/bad").read_text() == "-1 is negative\n"
    journal.run(journal.cell("collect/bad", 5))
    assert not error_file(tmp_path, "collect/bad").exists()


def test_results_of_other_arguments_are_not_taken_for_these(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    journal.run(journal.cell("one", 1))
    with pytest.raises(
        ConfigError,
        match=r"one done with other arguments .number was 1, is 2.: choose another folder",
    ):
        journal.run(journal.cell("one", 2))


def test_a_damaged_result_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    file_of(tmp_path, "one").parent.mkdir()
    file_of(tmp_path, "one").write_text("{}")
    with pytest.raises(DataError, match=r"one\.json is not the result of a cell .*remove it"):
        journal.run(journal.cell("one", 1))

    with pytest.raises(DataError, match=r"gone\.json"):
        read_result(tmp_path, "gone")


def test_one_process_at_a_time_works_in_a_folder(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with (tmp_path / "grid.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match="another process is at work on"):
            journal.run(journal.cell("one", 1))

    assert journal.run(journal.cell("one", 1)) == {"one": {"next": 2}}
    assert journal.done == [1]


def test_grids_that_cannot_be_done_are_refused(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    with pytest.raises(ConfigError, match="waits for nobody, which must stand before it"):
        journal.run(journal.cell("one", 1, "nobody"))

    with pytest.raises(ConfigError, match="two cells have one name"):
        journal.run(journal.cell("one", 1), journal.cell("one", 2))

    with pytest.raises(ConfigError, match="plain data"):
        Cell("one", count_up, {"number": (1, 2)})

    with pytest.raises(TypeError):
        journal.run(Cell("one", not_plain, {}))

    assert journal.done == []


@given(
    st.dictionaries(
        st.text(max_size=5),
        st.integers() | st.text(max_size=5) | st.lists(st.booleans()),
        max_size=4,
    )
)
def test_any_plain_arguments_may_be_given(arguments: dict[str, Any]) -> None:
    assert Cell("one", count_up, arguments).arguments == arguments
