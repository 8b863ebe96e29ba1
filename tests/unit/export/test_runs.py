"""Each export, read back by the official library of its format (.venv/loaders, made by `make
test`).
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from fixtures import episodes as fixture
from fixtures.episodes import write_episode, write_run
from fixtures.full_disk import at_most
from fixtures.official import load_officially
from fixtures.plain_bags import ALL, record
from numpy.typing import NDArray
from wayfarer_bags.episode import End
from wayfarer_core import names
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_data.cache.dataset import Dataset
from wayfarer_export.lerobot import export_lerobot
from wayfarer_export.minari import export_minari
from wayfarer_export.robomimic import export_robomimic
from wayfarer_export.segments import Material, rate_of
from wayfarer_offline.tasks import task

EXPORTS: dict[str, Callable[[Material, Path], None]] = {
    "lerobot": export_lerobot,
    "robomimic": export_robomimic,
    "minari": export_minari,
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    run = write_run(
        tmp_path_factory.mktemp("runs") / "run", 2, 6, lost_images=[2], joints=True, human=[0, 4]
    )
    write_run(run, 2, 4, end=End.TERMINATED, joints=True)

    return Dataset.open([run])


@pytest.fixture(scope="module")
def material(dataset: Dataset) -> Material:
    rewards = (
        task("push")
        .reward(np.asarray(dataset.column("object_poses"), dtype=float))
        .astype(np.float32)
    )

    return Material.of(dataset, dataset.transitions, rewards, "push")


def test_a_lost_step_ends_a_segment_and_what_lies_behind_it_begins_another(
    dataset: Dataset,
) -> None:
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
    assert [segment.rewards.sum() for segment in segments] == [0.0] * 4 + [1.0] * 2
    assert (segments[1].images[3] == fixture.expected_image(0, 6)).all()


def test_the_rate_is_that_of_the_stamps(dataset: Dataset) -> None:
    assert rate_of(dataset) == 1e9 / fixture.PERIOD


def recorded_every(
    path: Path, period: float, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> Path:
    """Record a run with a period of so many seconds."""
    with monkeypatch.context() as patch:
        patch.setattr(fixture, "PERIOD", round(period * 1e9))
        return write_run(path, 2, 5, **options)


def all_of(*runs: Path) -> Material:
    data = Dataset.open(list(runs))
    return Material.of(data, data.transitions)


@pytest.mark.parametrize(
    ("period", "rate", "exact"),
    [(0.4, 2.5, "5/2"), (0.7, 10 / 7, "10/7"), (0.5, 2, "2"), (2.0, 0.5, "1/2")]
    + [(0.0499999, 20, "20"), (1 / 30, 30, "30")],
)
def test_a_rate_is_written_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, period: float, rate: float, exact: str
) -> None:
    material = all_of(recorded_every(tmp_path / "run", period, monkeypatch))
    export_lerobot(material, tmp_path / "out")
    about = json.loads((tmp_path / "out" / "meta" / "info.json").read_text())
    assert (about["fps"], type(about["fps"])) == (rate, type(rate))
    assert about["wayfarer"]["rate"] == exact
    assert about["wayfarer"]["measured_rate_hz"] == pytest.approx(1 / period, rel=1e-6)
    (file,) = (tmp_path / "out" / "data").rglob("*.parquet")
    times = pq.read_table(file)["timestamp"].to_numpy()
    assert times[:5] == pytest.approx(np.arange(5) * period, rel=1e-3)


def test_the_statistics_of_images_are_those_of_all_their_pixels(
    dataset: Dataset, tmp_path: Path
) -> None:
    material = Material.of(dataset, dataset.transitions)
    export_lerobot(material, tmp_path / "out")
    found = json.loads((tmp_path / "out" / "meta" / "stats.json").read_text())["observation.image"]
    pixels = dataset.frames(material.rows).numpy().transpose(1, 0, 2, 3).reshape(3, -1) / 255

    for name in ("mean", "std", "min", "max"):
        assert np.array(found[name])[:, 0, 0] == pytest.approx(
            getattr(np, name)(pixels, axis=1), abs=1e-12
        )

    assert found["count"] == [pixels.shape[1]]


def test_steps_that_have_no_rate_in_common_are_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    even = recorded_every(tmp_path / "even", 0.4, monkeypatch)
    other = recorded_every(tmp_path / "other", 0.5, monkeypatch)
    with pytest.raises(
        DataError, match=r"(even|other): episode 0 has steps of 0\.[45] to .* LeRobot has one rate"
    ):
        export_lerobot(all_of(even, other), tmp_path / "out")

    with monkeypatch.context() as patch:
        patch.setattr(fixture, "stamp_of", lambda k: fixture.START + (k + (k > 2)) * fixture.PERIOD)
        uneven = write_run(tmp_path / "uneven", 1, 8)

    with pytest.raises(
        DataError, match=r"uneven: episode 0 has steps of 0\.5 to 1 s, .* come at 1\.78 Hz"
    ):
        export_lerobot(all_of(uneven), tmp_path / "out")

    assert not (tmp_path / "out").exists()
    export_robomimic(all_of(even, uneven), tmp_path / "steps.hdf5")  # it has no rate


def test_times_that_tremble_are_a_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shaken = np.random.default_rng(0).integers(-20_000_000, 20_000_000, 60)
    with monkeypatch.context() as patch:
        patch.setattr(
            fixture, "stamp_of", lambda k: fixture.START + k * fixture.PERIOD + int(shaken[k])
        )
        run = write_run(tmp_path / "run", 1, 59)

    export_lerobot(all_of(run), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "meta" / "info.json").read_text())[
        "fps"
    ] == pytest.approx(2, rel=2e-3)


@pytest.mark.slow
def test_the_official_loader_finds_the_next_step_at_a_rate_that_is_no_whole_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    material = all_of(recorded_every(tmp_path / "run", 0.7, monkeypatch))
    export_lerobot(material, tmp_path / "out")
    found = load_officially("lerobot", tmp_path / "out", tmp_path)
    actions = material.dataset.actions(material.rows).numpy()
    there = ~found["next_is_padding"]
    assert np.flatnonzero(~there).tolist() == [4, 9]
    assert (found["next_actions"][there] == actions[np.flatnonzero(there) + 1]).all()
    assert found["times"][:5] == pytest.approx(np.arange(5) * 0.7, rel=1e-5)


# --- a disk that is full ---


@pytest.fixture(scope="module")
def larger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("larger") / "run", 3, 20, size=48)


@pytest.mark.parametrize("room", [0, 100, 5_000, 60_000, 200_000])
@pytest.mark.parametrize("kind", EXPORTS)
def test_a_disk_that_is_full_is_an_error_that_leaves_nothing(
    larger: Path, tmp_path: Path, kind: str, room: int
) -> None:
    material = all_of(larger)
    with (
        at_most(room),
        pytest.raises(DataError, match=rf"cannot write {tmp_path}/out.*File too large"),
    ):
        EXPORTS[kind](material, tmp_path / "out")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["robomimic", "minari"])
def test_the_command_survives_a_disk_that_is_full(larger: Path, tmp_path: Path, kind: str) -> None:
    command = [
        str(Path(sys.prefix) / "bin" / "wayfarer"),
        "export",
        kind,
        str(larger),
        str(tmp_path / "out"),
    ]
    Dataset.open([larger])
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)),
    )
    assert (done.returncode, "Traceback" in done.stderr) == (1, False), done.stderr
    assert "File too large" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_is_interrupted_leaves_nothing(larger: Path, tmp_path: Path) -> None:
    def interrupt(done: int, _all: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    for kind, write in EXPORTS.items():
        with pytest.raises(KeyboardInterrupt):
            write(all_of(larger), tmp_path / kind, interrupt)  # type: ignore[call-arg]

    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", EXPORTS)
def test_the_official_loader_reads_what_was_recorded(
    dataset: Dataset, material: Material, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "cube-v0"
    heard: list[tuple[int, int]] = []
    EXPORTS[kind](material, out, lambda done, total: heard.append((done, total)))  # type: ignore[call-arg]
    assert heard[-1] == (6, 6)
    found = load_officially(kind, out, tmp_path)
    rows = dataset.transitions
    assert len(rows) == 16
    assert (found["images"] == dataset.frames(rows).numpy().transpose(0, 2, 3, 1)).all()
    assert (found["actions"] == dataset.actions(rows).numpy()).all()
    assert (found["positions"] == dataset.ee_positions(rows).numpy()).all()
    assert found["felt"] == pytest.approx(felt_at(dataset, rows), abs=1e-6)
    assert found["sources"].tolist() == [1, 0, 1, 0] * 2 + [0] * 8
    assert (found["rewards"] == material.rewards[rows + 1]).all()
    assert len(set(found["rewards"].tolist())) > 3
    assert (found["terminated"] == dataset.terminated(rows).numpy()).all()
    assert found["episodes"].tolist() == [0] + [1] * 3 + [2] + [3] * 3 + [4] * 4 + [5] * 4

    if "next_images" in found:
        assert (
            found["next_images"] == dataset.frames(rows + 1).numpy().transpose(0, 2, 3, 1)
        ).all()

    if "ends" in found:
        assert np.flatnonzero(found["ends"]).tolist() == [0, 3, 4, 7, 11, 15]

    if kind == "lerobot":
        assert found["object_poses"] == pytest.approx(dataset.object_poses(rows).numpy())
        assert set(found["tasks"]) == {"do push"}
        joints = [f"joint{k}.{what}" for what in ("position", "velocity") for k in range(1, 8)]
        assert found["names"].tolist() == [*"xyz", "qx", "qy", "qz", "qw", *joints]
        assert int(found["rate"]) == 2
        assert found["mean_action"] == pytest.approx(
            dataset.actions(rows).numpy().mean(axis=0), abs=1e-6
        )
        assert found["image_stats_shape"].tolist() == [3, 1, 1]

    if kind == "minari":
        assert found["shapes"].tolist() == [12, 3]


def felt_at(dataset: Dataset, rows: NDArray[np.int64]) -> NDArray[np.float64]:
    """Orientation of the hand, positions and velocities of the joints, as they were recorded.

    (N, 18).
    """
    places = [dataset.place(row) for row in rows.tolist()]
    joints = [fixture.expected_joints(place.episode, place.step).reshape(-1) for place in places]
    return np.array([[1, 0, 0, 0, *values] for values in joints])


def test_what_nobody_knows_of_every_observation_is_left_out_and_that_is_said(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "run", 1, 4, joints=True, lost_joints=[4])
    material = all_of(run)
    assert material.felt == ("ee_orientations",)
    words = "without joint positions: 1 of the observations have none"
    assert words in material.left_out()
    export_lerobot(material, tmp_path / "out")
    about = json.loads((tmp_path / "out" / "meta" / "info.json").read_text())
    assert about["features"]["observation.state"]["names"] == [*"xyz", "qx", "qy", "qz", "qw"]
    assert words in about["wayfarer"]["left_out"]
    export_robomimic(material, tmp_path / "out.hdf5")

    with h5py.File(tmp_path / "out.hdf5") as file:
        assert set(file["data/demo_0/obs"]) == {
            "agentview_image",
            "robot0_eef_pos",
            "robot0_eef_quat",
            "object",
        }

    export_minari(material, tmp_path / "minari")
    with h5py.File(tmp_path / "minari" / "data" / "main_data.hdf5") as file:
        assert set(file["episode_0/observations"]) == {"image", "ee_position", "ee_orientation"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", EXPORTS)
def test_the_official_loader_reads_the_wrist_s_images(tmp_path: Path, kind: str) -> None:
    run = write_run(tmp_path / "run", 2, 6, wrist=True, lost_wrist=[2], joints=True)
    material = all_of(run)
    assert [segment.steps for segment in material.segments()] == [1, 3, 1, 3]
    out = tmp_path / "cube-v0"
    EXPORTS[kind](material, out)
    found = load_officially(kind, out, tmp_path)
    places = [material.dataset.place(row) for row in material.rows.tolist()]
    expected = np.array([fixture.expected_wrist(of.episode, of.step) for of in places])
    assert (found["wrist_images"] == expected).all()
    assert (found["images"] != expected).any()


def test_the_wrist_s_images_are_of_the_size_that_they_have_and_may_be_left_out(
    tmp_path: Path,
) -> None:
    material = all_of(write_run(tmp_path / "run", 2, 4, wrist=True))
    assert material.wrist_shape == (12, 12, 3)
    without = replace(material, wrist_wanted=False)
    assert without.wrist_shape is None
    assert {segment.wrist_images is None for segment in without.segments()} == {True}
    assert without.left_out() == material.left_out()


def test_where_not_every_episode_has_images_of_the_wrist_none_is_exported_and_that_is_said(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "run", 2, 4, wrist=True)
    write_run(run, 1, 4)
    material = all_of(run)
    assert "without images of the wrist: 1 of the episodes have none" in material.left_out()
    export_lerobot(material, tmp_path / "out")
    about = json.loads((tmp_path / "out" / "meta" / "info.json").read_text())
    assert [name for name in about["features"] if "image" in name] == ["observation.image"]


def test_the_wrist_s_images_of_another_recorder_s_bag_are_exported_too(tmp_path: Path) -> None:
    files = [write_episode(tmp_path, number, 4, wrist=True) for number in range(3)]
    bag = record(tmp_path / "bag", files, topics=[*ALL, names.WRIST_OBSERVATION])
    material = all_of(bag)
    for number, segment in enumerate(material.segments()):
        expected = [fixture.expected_wrist(number, k) for k in range(5)]
        assert (segment.wrist_images == np.array(expected)).all()

    assert number == 2


@pytest.fixture(scope="module")
def gripping(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return all_of(
        write_run(tmp_path_factory.mktemp("runs") / "run", 2, 5, joints=True, gripper=True)
    )


def test_a_gripper_is_the_last_number_of_action_and_state_in_every_format(
    gripping: Material, tmp_path: Path
) -> None:
    dataset, rows = gripping.dataset, gripping.rows
    places = [dataset.place(row) for row in rows.tolist()]
    grips = [fixture.expected_grip(place.episode, place.step) for place in places]
    widths = [fixture.expected_width(place.step) for place in places]
    assert gripping.left_out() == []

    export_lerobot(gripping, tmp_path / "out")
    features = json.loads((tmp_path / "out" / "meta" / "info.json").read_text())["features"]
    assert features["action"]["names"] == ["x", "y", "z", "gripper"]
    assert features["observation.state"]["names"][-1] == "gripper.width"
    assert features["observation.state"]["shape"] == [22]
    (file,) = (tmp_path / "out" / "data").rglob("*.parquet")
    table = pq.read_table(file)
    assert [row[3] for row in table["action"].to_pylist()] == grips
    assert [row[-1] for row in table["observation.state"].to_pylist()] == pytest.approx(widths)

    export_robomimic(gripping, tmp_path / "out.hdf5")
    with h5py.File(tmp_path / "out.hdf5") as demos:
        assert demos["data/demo_0/actions"].shape == (5, 4)
        fingers = demos["data/demo_0/obs/robot0_gripper_qpos"][()]  # (5, 2) [m]
        assert fingers[:, 0] - fingers[:, 1] == pytest.approx(widths[:5])

    export_minari(gripping, tmp_path / "minari")
    with h5py.File(tmp_path / "minari" / "data" / "main_data.hdf5") as data:
        assert data["episode_0/actions"].shape == (5, 4)
        assert data["episode_0/observations/gripper_width"].shape == (6, 1)

    about = json.loads((tmp_path / "minari" / "data" / "metadata.json").read_text())
    assert json.loads(about["action_space"])["shape"] == [4]


@pytest.mark.slow
@pytest.mark.parametrize("kind", EXPORTS)
def test_the_official_loader_reads_actions_with_a_gripper(
    gripping: Material, tmp_path: Path, kind: str
) -> None:
    EXPORTS[kind](gripping, tmp_path / "cube-v0")
    found = load_officially(kind, tmp_path / "cube-v0", tmp_path)
    assert (found["actions"] == gripping.dataset.actions(gripping.rows).numpy()).all()
    assert found["actions"].shape == (10, 4)


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


def test_without_a_task_1_is_paid_for_an_end_by_success_and_for_nothing_else(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "run", 1, 4, end=End.TRUNCATED)
    for number, end in ((1, End.TERMINATED), (2, End.ABORTED)):
        write_episode(run, number, 4, end=end)

    material = Material.of(dataset := Dataset.open([run]), dataset.transitions)
    paid = [segment.rewards.tolist() for segment in material.segments()]
    assert paid == [[0.0] * 4, [0.0, 0.0, 0.0, 1.0], [0.0] * 4]
    assert [segment.terminated.tolist() for segment in material.segments()][1] == [
        False,
        False,
        False,
        True,
    ]
    assert (
        material.provenance()["rewards"]
        == "without a task: 1 where an episode ended in success, else 0"
    )
