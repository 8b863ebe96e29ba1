"""The grid on Ray's processes."""

import os
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from wayfarer_core.errors import ConfigError, DataError, DeviceError
from wayfarer_paper.grid import Cell, GridError, run_grid
from wayfarer_paper.grid_ray import RayWorkers

pytestmark = pytest.mark.slow


def who(_: Path, name: str) -> dict[str, object]:
    import torch

    return {"name": name, "process": os.getpid(), "threads": torch.get_num_threads()}


def refuse(_: Path) -> None:
    raise DataError("there is nothing here")


def stumble(_: Path) -> None:
    raise ZeroDivisionError("unforeseen")


def die_once(folder: Path) -> str:
    """Be killed the first time, as by the system when memory runs out."""
    trace = folder / "trace"
    if not trace.exists():
        trace.touch()
        os.kill(os.getpid(), signal.SIGKILL)

    return "alive"


def test_cells_run_in_processes_of_their_own_and_errors_come_back(tmp_path: Path) -> None:
    with RayWorkers(2) as workers:
        assert workers.slots == 2
        good = [Cell(name, who, {"name": name}) for name in "abc"]
        values = [result.value for result in run_grid(good, tmp_path, workers).values()]
        assert [value["name"] for value in values] == ["a", "b", "c"]
        assert all(value["process"] != os.getpid() and value["threads"] == 1 for value in values)

        with pytest.raises(
            GridError, match=r"bad: there is nothing here(.|\n)*worse:(.|\n)*ZeroDivisionError"
        ):
            run_grid([Cell("bad", refuse, {}), Cell("worse", stumble, {})], tmp_path, workers)

        killed = Cell("killed", die_once, {})
        assert run_grid([killed], tmp_path, workers)["killed"].value == "alive"


def test_a_cluster_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(DeviceError, match=r"no Ray cluster answers at 127\.0\.0\.1:1: "):
        RayWorkers(address="127.0.0.1:1")
    with pytest.raises(ConfigError, match="either workers or an address"):
        RayWorkers(2, "127.0.0.1:1")


def descendants(of: int) -> dict[int, str]:
    """Processes that a process has started, and those that they have: id -> command line."""
    parents = {}
    for folder in Path("/proc").iterdir():
        try:
            about = (folder / "stat").read_text().rpartition(")")[2].split()
            parents[int(folder.name)] = (
                int(about[1]),
                (folder / "cmdline").read_text().replace("\0", " "),
            )
        except (OSError, ValueError):  # gone in the meantime, or not a process
            continue

    found, grown = {of}, True
    while grown:
        more = {pid for pid, (parent, _) in parents.items() if parent in found} - found
        found, grown = found | more, bool(more)

    return {pid: parents[pid][1] for pid in found - {of}}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_the_paper_without_foreign_words_and_nothing_it_started_lives_on(
    number: signal.Signals, tmp_path: Path
) -> None:
    from fixtures.graph import (  # Ray's workers import this module, and know no fixtures
        VENV,
        wait_for,
    )

    words = ["paper", "toy", "--out", str(tmp_path / "paper"), "--workers", "1"]
    process = subprocess.Popen(
        [VENV / "bin" / "wayfarer", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    started: dict[int, str] = {}

    def at_work() -> bool:
        started.update(descendants(process.pid))
        return any(command.startswith("ray::do") for command in started.values())

    wait_for(at_work, "a worker at its cell", 240.0)
    process.send_signal(number)
    said, _ = process.communicate(timeout=120.0)
    assert process.returncode == 128 + number
    lines = [line for line in said.decode().splitlines() if line.strip()]
    assert f"stopped by {number.name}" in lines[0]
    assert len(lines) <= 3, lines  # that, and the bar as it was
    assert len(started) >= 3
    wait_for(lambda: not started.keys() & _alive(), f"the end of {started}")


def _alive() -> set[int]:
    """Processes that have not ended; one that nobody has asked for its exit code has."""
    alive = set()
    for folder in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            if (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                alive.add(int(folder.name))

    return alive
