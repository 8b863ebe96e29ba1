"""The grid on Ray's processes."""

import os
import signal
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

        with pytest.raises(GridError, match=r"bad: there is nothing here(.|\n)*worse:(.|\n)*ZeroDivisionError"):
            run_grid([Cell("bad", refuse, {}), Cell("worse", stumble, {})], tmp_path, workers)

        killed = Cell("killed", die_once, {})
        assert run_grid([killed], tmp_path, workers)["killed"].value == "alive"


def test_a_cluster_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(DeviceError, match=r"no Ray cluster answers at 127\.0\.0\.1:1: "):
        RayWorkers(address="127.0.0.1:1")
    with pytest.raises(ConfigError, match="either workers or an address"):
        RayWorkers(2, "127.0.0.1:1")
