"""Each export, read back by the official library of its format (.venv/loaders, made by `make test`)."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures import episodes as fixture
from fixtures import loaders
from fixtures.episodes import write_run
from wayfarer_common.errors import ConfigError, DataError
from wayfarer_policies.replay.dataset import Dataset
from wayfarer_policies.replay.episode import End
from wayfarer_policies.replay.export.lerobot import export_lerobot
from wayfarer_policies.replay.export.minari import export_minari
from wayfarer_policies.replay.export.robomimic import export_robomimic
from wayfarer_policies.replay.export.segments import Material, rate_of
from wayfarer_policies.tasks import task

EXPORTS: dict[str, Callable[[Material, Path], None]] = {
    "lerobot": export_lerobot,
    "robomimic": export_robomimic,
    "minari": export_minari,
}
PYTHON = Path(sys.prefix) / "loaders" / "bin" / "python"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    run = write_run(tmp_path_factory.mktemp("runs") / "run", 2, 6, lost_images=[2])
    write_run(run, 2, 4, end=End.TERMINATED)
    return Dataset.open([run])


@pytest.fixture(scope="module")
def material(dataset: Dataset) -> Material:
    rewards = task("push").reward(np.asarray(dataset.column("object_poses"), dtype=float)).astype(np.float32)
    return Material.of(dataset, dataset.transitions, rewards, "push")


def test_a_lost_step_ends_a_segment_and_what_lies_behind_it_begins_another(dataset: Dataset) -> None:
    material = Material.of(dataset, dataset.transitions)
    segments = list(material.segments())
    assert [segment.source for segment in segments] == [
        "run/0/0",
        "run/0/3",
        "run/1/0",
        "run/1/3",
        "run/2/0",
        "run/3/0",
    ]
    assert [segment.steps for segment in segments] == [1, 3, 1, 3, 4, 4]
    assert [segment.truncated.tolist()[-1] for segment in segments] == [True] * 4 + [False] * 2
    assert [segment.terminated.tolist()[-1] for segment in segments] == [False] * 4 + [True] * 2
    assert all(not segment.truncated[:-1].any() for segment in segments)
    assert all(not segment.rewards.any() for segment in segments)
    assert (segments[1].images[3] == fixture.expected_image(0, 6)).all()


def test_the_rate_is_that_of_the_stamps(dataset: Dataset) -> None:
    assert rate_of(dataset) == 1e9 / fixture.PERIOD


@pytest.mark.slow
@pytest.mark.parametrize("kind", EXPORTS)
def test_the_official_loader_reads_what_was_recorded(
    dataset: Dataset, material: Material, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "cube-v0"
    heard: list[tuple[int, int]] = []
    EXPORTS[kind](material, out, lambda done, total: heard.append((done, total)))  # type: ignore[call-arg]
    assert heard[-1] == (6, 6)
    assert PYTHON.exists(), "the official loaders are not installed: make .venv/.loaders"
    done = subprocess.run(
        [PYTHON, loaders.__file__, kind, out, tmp_path / "found.npz"],
        capture_output=True,
        text=True,
        timeout=300,
        env={"HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
    )
    assert done.returncode == 0, done.stderr
    found: Any = np.load(tmp_path / "found.npz")
    rows = dataset.transitions
    assert len(rows) == 16
    assert (found["images"] == dataset.frames(rows).numpy().transpose(0, 2, 3, 1)).all()
    assert (found["actions"] == dataset.actions(rows).numpy()).all()
    assert (found["positions"] == dataset.ee_positions(rows).numpy()).all()
    assert (found["rewards"] == material.rewards[rows + 1]).all()
    assert len(set(found["rewards"].tolist())) > 3
    assert (found["terminated"] == dataset.terminated(rows).numpy()).all()
    assert found["episodes"].tolist() == [0] + [1] * 3 + [2] + [3] * 3 + [4] * 4 + [5] * 4
    if "next_images" in found:
        assert (found["next_images"] == dataset.frames(rows + 1).numpy().transpose(0, 2, 3, 1)).all()
    if "ends" in found:
        assert np.flatnonzero(found["ends"]).tolist() == [0, 3, 4, 7, 11, 15]
    if kind == "lerobot":
        assert found["object_poses"] == pytest.approx(dataset.object_poses(rows).numpy())
        assert set(found["tasks"]) == {"do push"}
        assert int(found["rate"]) == 2
        assert found["mean_action"] == pytest.approx(dataset.actions(rows).numpy().mean(axis=0), abs=1e-6)
        assert found["image_stats_shape"].tolist() == [3, 1, 1]
    if kind == "minari":
        assert found["shapes"].tolist() == [12, 3]


@pytest.mark.parametrize("kind", EXPORTS)
def test_what_exists_is_never_written_over(material: Material, tmp_path: Path, kind: str) -> None:
    out = tmp_path / "out"
    out.write_text("precious")
    with pytest.raises(ConfigError, match="exists already"):
        EXPORTS[kind](material, out)
    assert out.read_text() == "precious"
    out.unlink()
    out.mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        EXPORTS[kind](material, out)
    assert list(out.iterdir()) == []


def test_nothing_to_export_is_an_error(dataset: Dataset) -> None:
    with pytest.raises(DataError, match="no valid step to export"):
        Material.of(dataset, dataset.transitions[:0])
