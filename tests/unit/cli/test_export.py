import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from fixtures import any_bags
from fixtures import episodes as fixture
from fixtures.episodes import write_run
from numpy.typing import NDArray
from typer.testing import CliRunner
from wayfarer_cli import opening
from wayfarer_cli.main import app
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_offline.pose_labels import PoseLabels
from wayfarer_offline.tasks import task


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("runs") / "run", 2, 4)


def test_the_rewards_of_a_task_are_those_of_the_states_its_steps_lead_to(
    tmp_path: Path, run: Path
) -> None:
    out = tmp_path / "out.hdf5"
    done = CliRunner().invoke(app, ["export", "robomimic", str(run), str(out), "--task", "push"])
    assert done.exit_code == 0, done.output
    assert "8 steps in 2 unbroken stretches, rewards of push by the recorded truth" in done.output
    poses = np.array([fixture.expected_object(1, step) for step in range(1, 5)])

    with h5py.File(out) as file:
        assert file["data/demo_1/rewards"][:] == pytest.approx(task("push").reward(poses), abs=1e-6)
        assert (
            json.loads(file["data"].attrs["env_args"])["env_kwargs"]["rewards"]
            == "rewards of task push"
        )


def test_where_nobody_recorded_the_cube_the_tracker_s_word_is_exported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def track(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        return np.tile([0.58, 0.18, -0.067, 0, 0, 0, 1.0], (len(images), 1))

    run, out = write_run(tmp_path / "run", 1, 3, truth=False), tmp_path / "out.hdf5"
    monkeypatch.setattr(
        opening, "label", lambda dataset, _: PoseLabels.of(dataset, lambda _: track)
    )
    done = CliRunner().invoke(app, ["export", "robomimic", str(run), str(out), "--task", "push"])
    assert "3 steps in 1 unbroken stretches, rewards of push by the cube tracker" in done.output

    with h5py.File(out) as file:
        assert file["data/demo_0/rewards"][:].tolist() == [1.0] * 3


def test_without_a_task_all_rewards_are_0_and_that_is_said(tmp_path: Path, run: Path) -> None:
    out = tmp_path / "out.hdf5"
    done = CliRunner().invoke(app, ["export", "robomimic", str(run), str(out)])
    assert "without a task: all rewards are 0" in done.output
    with h5py.File(out) as file:
        assert not file["data/demo_0/rewards"][:].any()


@pytest.mark.parametrize(("words", "names"), [([], 21), (["--state", "position"], 3)])
def test_of_the_arm_is_told_all_that_was_recorded_or_its_position_alone(
    tmp_path: Path, words: list[str], names: int
) -> None:
    run = write_run(tmp_path / "run", 1, 4, joints=True)
    done = CliRunner().invoke(app, ["export", "lerobot", str(run), str(tmp_path / "out"), *words])
    assert done.exit_code == 0, done.output
    assert "of the observations have none" not in done.output
    info = json.loads((tmp_path / "out" / "meta" / "info.json").read_text())
    state = info["features"]["observation.state"]
    assert (state["shape"], state["names"][:3], len(state["names"])) == ([names], [*"xyz"], names)
    mapped = ["--map", str(tmp_path / "none.yaml"), *words]
    refused = CliRunner().invoke(
        app, ["export", "lerobot", str(run), str(tmp_path / "mapped"), *mapped]
    )
    assert isinstance(refused.exception, ConfigError if words else DataError)
    assert ("--state and --no-wrist are for runs" in str(refused.exception)) == bool(words)


def test_images_of_the_wrist_go_along_unless_they_are_not_wanted(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, 4, wrist=True)
    for words, images in (
        ([], ["observation.image", "observation.images.wrist"]),
        (["--no-wrist"], ["observation.image"]),
    ):
        out = tmp_path / f"out{len(words)}"
        done = CliRunner().invoke(app, ["export", "lerobot", str(run), str(out), *words])
        assert done.exit_code == 0, done.output
        features = json.loads((out / "meta" / "info.json").read_text())["features"]
        assert [name for name, of in features.items() if of["dtype"] == "image"] == images

    mapped = ["--map", str(tmp_path / "none.yaml"), "--no-wrist"]
    refused = CliRunner().invoke(app, ["export", "lerobot", str(run), str(tmp_path / "m"), *mapped])
    assert "--state and --no-wrist are for runs" in str(refused.exception)


def test_a_task_without_labels_and_an_existing_name_are_refused(tmp_path: Path, run: Path) -> None:
    blind = write_run(tmp_path / "blind", 1, 3, truth=False)
    done = CliRunner().invoke(
        app, ["export", "minari", str(blind), str(tmp_path / "out"), "--task", "push"]
    )
    assert isinstance(done.exception, DataError)
    assert not (tmp_path / "out").exists()
    done = CliRunner().invoke(app, ["export", "minari", str(run), str(tmp_path)])
    assert isinstance(done.exception, ConfigError)


# --- bags of any topics ---


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return any_bags.arm_and_cameras().write(tmp_path_factory.mktemp("bags") / "bag")


def test_the_map_that_is_suggested_runs_as_it_is(tmp_path: Path, bag: Path) -> None:
    map_, out = tmp_path / "map.yaml", tmp_path / "out"
    done = CliRunner().invoke(app, ["export", "lerobot", str(bag), str(map_), "--suggest-map"])
    assert done.exit_code == 0, done.output
    assert (
        "observation.images.front, observation.images.wrist, observation.state, action at 10 Hz"
        in done.output
    )
    done = CliRunner().invoke(
        app, ["export", "lerobot", str(bag), str(bag), str(out), "--map", str(map_)]
    )
    assert done.exit_code == 0, done.output
    assert "80 frames in 2 episodes, at 10 Hz" in done.output
    assert "observation.state: values up to 0.020 s old, in age.observation.state" in done.output
    assert json.loads((out / "meta" / "info.json").read_text())["total_frames"] == 80


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["robomimic", "BAG", "OUT", "--map", "MAP"], "a map is for `wayfarer export lerobot`"),
        (
            ["lerobot", "BAG", "OUT", "--map", "MAP", "--task", "push"],
            "bags of any topics have no rewards",
        ),
        (["lerobot", "BAG", "BAG", "OUT", "--suggest-map"], "--suggest-map makes a map of one bag"),
        (["lerobot", "BAG", "BAG", "--suggest-map"], "exists already"),
    ],
)
def test_what_a_map_is_not_for_is_refused(
    tmp_path: Path, bag: Path, arguments: list[str], words: str
) -> None:
    named = {"BAG": str(bag), "OUT": str(tmp_path / "out"), "MAP": str(tmp_path / "map.yaml")}
    done = CliRunner().invoke(app, ["export", *(named.get(word, word) for word in arguments)])
    assert isinstance(done.exception, ConfigError)
    assert words in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_several_runs_are_one_export(tmp_path: Path, run: Path) -> None:
    other = write_run(tmp_path / "other", 1, 3)
    done = CliRunner().invoke(
        app, ["export", "robomimic", str(run), str(other), str(tmp_path / "out.hdf5")]
    )
    assert "11 steps in 3 unbroken stretches" in done.output
