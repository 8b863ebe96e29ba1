"""Bags as `ros2 bag record` leaves them, written with rosbags' writer in rosbag2's own layout."""

import sqlite3
from pathlib import Path

import numpy as np
import pytest
from backports import zstd
from fixtures import episodes as fixture
from fixtures.episodes import stamp_of, write_episode
from fixtures.plain_bags import ALL, record
from rosbags.rosbag2 import CompressionMode, Reader, StoragePlugin, Writer
from wayfarer_common import names
from wayfarer_common.errors import DataError
from wayfarer_policies.replay.buffer import recording
from wayfarer_policies.replay.dataset import Dataset
from wayfarer_policies.replay.episode import End, Episode
from wayfarer_policies.replay.rewrite import relabel_topics
from wayfarer_policies.replay.verify import DAMAGED, GOOD, UNUSABLE, verify


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("source")
    return [write_episode(folder, 3, 5, lost_images=[2]), write_episode(folder, 4, 4, end=End.TERMINATED)]


def load(path: Path) -> list[Episode]:
    (source,) = recording(path).sources()
    return list(recording(path).load(source))


WAYS = [
    (StoragePlugin.MCAP, CompressionMode.NONE),
    (StoragePlugin.MCAP, CompressionMode.STORAGE),
    (StoragePlugin.MCAP, CompressionMode.FILE),
    (StoragePlugin.MCAP, CompressionMode.MESSAGE),
    (StoragePlugin.SQLITE3, CompressionMode.NONE),
    (StoragePlugin.SQLITE3, CompressionMode.FILE),
    (StoragePlugin.SQLITE3, CompressionMode.MESSAGE),
]


@pytest.mark.parametrize(("storage", "compression"), WAYS, ids=lambda value: value.name.lower())
def test_a_plain_bag_opens_as_a_dataset(
    tmp_path: Path, files: list[Path], storage: StoragePlugin, compression: CompressionMode
) -> None:
    bag = record(tmp_path / "bag", files, storage=storage, compression=compression)
    data = Dataset.open([bag])
    assert data.episode_numbers.tolist() == [3, 4]
    assert [data.place(row)[1:] for row in data.transitions.tolist()] == [
        *((3, step) for step in (0, 3, 4)),
        *((4, step) for step in range(4)),
    ]
    for row in data.transitions.tolist():
        _, number, step = data.place(row)
        one = np.array([row])
        assert (data.frames(one)[0].numpy().transpose(1, 2, 0) == fixture.expected_image(number, step)).all()
        assert (data.actions(one)[0].numpy() == fixture.expected_action(number, step)).all()
        assert data.object_poses(one)[0].numpy() == pytest.approx(fixture.expected_object(number, step), abs=1e-6)
    assert data.terminated(data.lasts - 1).tolist() == [False, True]


def test_it_agrees_with_our_own_recorder_s_files(tmp_path: Path, files: list[Path]) -> None:
    bag = record(tmp_path / "bag", files[:1])
    (episode,) = load(bag)
    assert episode.info.method == "random"
    assert episode.info.end is End.TRUNCATED
    assert (episode.steps, episode.lost_steps) == (5, 2)
    assert episode.stamps.tolist() == [stamp_of(k) for k in range(6)]


def test_without_episode_records_the_actions_tell_the_episodes_apart(tmp_path: Path, files: list[Path]) -> None:
    bag = record(tmp_path / "bag", files, topics=[name for name in ALL if name != names.REPLAY_EPISODE])
    first, second = load(bag)
    assert (first.steps, second.steps) == (5, 4)
    assert (first.lost_steps, second.lost_steps) == (2, 0)  # the image after the last action is its observation
    assert first.info.end is second.info.end is End.TRUNCATED  # the action said that it was the last
    assert Dataset.open([bag]).terminated(np.arange(11)).sum() == 0


def test_an_image_long_after_the_last_action_is_not_its_observation(tmp_path: Path) -> None:
    file = write_episode(tmp_path, 0, 4, final=False)
    later = write_episode(tmp_path, 1, 4)
    bag = record(tmp_path / "bag", [file, later], topics=[name for name in ALL if name != names.REPLAY_EPISODE])
    first, second = load(bag)
    assert np.flatnonzero(~first.valid).tolist() == [3]
    assert first.info.end is End.UNFINISHED
    assert second.valid.all()


def test_the_same_number_twice_is_two_episodes(tmp_path: Path, files: list[Path]) -> None:
    bag = record(tmp_path / "bag", [files[1], files[1]])
    assert Dataset.open([bag]).episode_numbers.tolist() == [0, 1]
    assert [episode.info.number for episode in load(bag)] == [0, 1]


def test_ends_are_found_by_time_because_files_and_actions_are_numbered_apart(tmp_path: Path) -> None:
    ends = {5: (4, End.ABORTED), 6: (4, End.TERMINATED), 7: (5, None), 8: (5, End.TRUNCATED)}  # 7 is torn
    files = []
    for file, (number, end) in ends.items():
        (tmp_path / str(file)).mkdir()
        fields = {"episode": file, "reason": f"of file {file}"}
        files.append(write_episode(tmp_path / str(file), number, 4, end=end, record=fields))
    found = load(record(tmp_path / "bag", files))
    assert [e.info.end for e in found] == [End.ABORTED, End.TERMINATED, End.TRUNCATED, End.TRUNCATED]
    assert [e.info.reason for e in found] == ["of file 5", "of file 6", "", "of file 8"]
    assert [e.lost_steps for e in found] == [0, 0, 0, 0]


def test_a_bag_is_read_once(tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    bag = record(tmp_path / "bag", files)
    heard: list[tuple[int, int]] = []
    Dataset.open([bag], lambda done, total: heard.append((done, total)))
    monkeypatch.setattr("wayfarer_policies.replay.foreign.opened", None)
    assert len(Dataset.open([bag])) == 7
    assert heard == [(0, 1), (1, 1)]


def test_one_file_of_a_bag_opens_by_itself(tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    for k, (storage, compression) in enumerate(way for way in WAYS if way[1] is not CompressionMode.MESSAGE):
        bag = record(tmp_path / str(k), files, storage=storage, compression=compression)
        (file,) = (path for path in bag.iterdir() if path.suffix != ".yaml")
        assert len(Dataset.open([file])) == 7


def test_sqlite_without_definitions_uses_installed_packages_or_says_so(
    tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = record(tmp_path / "bag", files, storage=StoragePlugin.SQLITE3)
    (file,) = bag.glob("*.db3")
    with sqlite3.connect(file) as database:
        database.execute("delete from message_definitions")
    assert len(load(bag)) == 2
    monkeypatch.delenv("AMENT_PREFIX_PATH")
    with pytest.raises(DataError, match="carries no definition of wayfarer_msgs/msg/"):
        load(bag)


def test_verify_checks_its_chunks_and_steps(tmp_path: Path, files: list[Path]) -> None:
    bag = record(tmp_path / "bag", files[1:], compression=CompressionMode.STORAGE)
    verdict = verify(bag)
    assert (verdict.code, verdict.episodes, verdict.steps) == (GOOD, 1, 4)
    assert "chunks have no checksum" in str(verdict.findings)  # rosbags' writer leaves them out
    lossy = verify(record(tmp_path / "lossy", files[:1]))  # its record says that nothing was lost
    assert lossy.code == DAMAGED
    assert "episode 3: no image at step 2; the recorder counted 0 lost steps, there are 2" in str(lossy.findings)


def test_verify_sees_a_damaged_chunk_of_a_lone_file(tmp_path: Path) -> None:
    file = write_episode(tmp_path, 5, 4).rename(tmp_path / "alone.mcap")
    assert verify(file).code == GOOD
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)
    assert verify(file).code == UNUSABLE


@pytest.mark.parametrize(
    "compression", [CompressionMode.NONE, CompressionMode.FILE], ids=lambda value: value.name.lower()
)
def test_verify_lets_sqlite_check_itself_and_says_what_that_leaves(
    tmp_path: Path, files: list[Path], compression: CompressionMode
) -> None:
    bag = record(tmp_path / "bag", files[1:], storage=StoragePlugin.SQLITE3, compression=compression)
    (file,) = (path for path in bag.iterdir() if path.suffix != ".yaml")
    verdict = verify(bag)
    assert (verdict.code, verdict.episodes) == (GOOD, 1)
    assert [finding.what for finding in verdict.findings] == ["sqlite3 bags carry no checksums: not all is seen"]
    assert {path.name for path in bag.iterdir()} == {"metadata.yaml", file.name}  # nothing was left beside it
    packed = compression is CompressionMode.FILE
    data = bytearray(zstd.decompress(file.read_bytes()) if packed else file.read_bytes())
    data[39] ^= 5  # the header's count of free pages: every message can still be read
    file.write_bytes(zstd.compress(bytes(data)) if packed else data)
    verdict = verify(bag)
    assert (verdict.code, verdict.episodes) == (DAMAGED, 1)
    assert f"'{file.name}', what='is damaged, SQLite says: " in str(verdict.findings)
    file.write_bytes(file.read_bytes()[:3000])
    assert verify(bag).code == UNUSABLE


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3], ids=lambda value: value.name.lower())
def test_its_topics_can_be_given_other_names(tmp_path: Path, files: list[Path], storage: StoragePlugin) -> None:
    bag = record(tmp_path / "bag", files, storage=storage, namespace="/odd")
    relabel_topics(bag, tmp_path / "out", {"/odd": "/wayfarer"})
    with Reader(tmp_path / "out") as reader:
        assert {connection.topic for connection in reader.connections} == {f"/wayfarer/{name}" for name in ALL}
    before, after = Dataset.open([bag]), Dataset.open([tmp_path / "out"])
    assert (before.frames(before.transitions) == after.frames(after.transitions)).all()


# --- what is refused ---


def test_a_bag_without_what_a_step_needs_names_what_is_missing(tmp_path: Path, files: list[Path]) -> None:
    bag = record(tmp_path / "bag", files, topics=[names.OBSERVATION_IMAGE, names.CURRENT_POSE])
    with pytest.raises(DataError, match=r"lacks the topics policy/action, control/executed; it holds /wayfarer/obs"):
        Dataset.open([bag])


def test_a_clock_that_was_set_back_is_refused(tmp_path: Path, files: list[Path]) -> None:
    with pytest.raises(DataError, match="the clock was set back"):
        load(record(tmp_path / "bag", files, apart=0))


def test_two_robots_in_one_bag_are_refused(tmp_path: Path, files: list[Path]) -> None:
    bag = tmp_path / "bag"
    with Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for namespace in ("/left", "/right"):
            writer.add_connection(f"{namespace}/observation/image", "sensor_msgs/msg/Image", typestore=fixture.types())
    with pytest.raises(DataError, match=r"holds /left/observation/image and /right/observation/image"):
        load(bag)


@pytest.mark.parametrize("storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3], ids=lambda value: value.name.lower())
def test_a_damaged_bag_is_a_data_error_with_its_name(tmp_path: Path, files: list[Path], storage: StoragePlugin) -> None:
    bag = record(tmp_path / "bag", files, storage=storage)
    (file,) = (path for path in bag.iterdir() if path.suffix != ".yaml")
    data = file.read_bytes()
    for damaged in (b"", data[: len(data) // 2], bytes(len(data))):
        file.write_bytes(damaged)
        with pytest.raises(DataError, match=str(bag)):
            load(bag)


def test_a_folder_of_something_else_is_no_bag(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a run"):
        recording(tmp_path)
