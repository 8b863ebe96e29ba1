"""Bags as `ros2 bag record` leaves them, written with rosbags' writer in rosbag2's own layout."""

import itertools
import shutil
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from backports import zstd
from fixtures import episodes as fixture
from fixtures.episodes import PERIOD, stamp_of, write_episode
from fixtures.mcap_parts import Layout, Said, at, said_in, write
from fixtures.plain_bags import ALL, record
from rosbags.rosbag2 import CompressionMode, Reader, StoragePlugin, Writer
from wayfarer_bags.episode import End, Episode
from wayfarer_bags.files.bag_files import files_of
from wayfarer_bags.files.recorded import Channel, header_stamp
from wayfarer_bags.message_types import types_of
from wayfarer_core import names
from wayfarer_core.errors import DataError
from wayfarer_data.cache.buffer import recording
from wayfarer_data.cache.dataset import Dataset
from wayfarer_data.upkeep.rewrite import relabel_topics
from wayfarer_data.upkeep.verify import DAMAGED, GOOD, UNUSABLE, verify


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("source")

    return [
        write_episode(folder, 3, 5, lost_images=[2]),
        write_episode(folder, 4, 4, end=End.TERMINATED),
    ]


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
    assert data.index.numbers.tolist() == [3, 4]
    assert [data.place(row)[1:] for row in data.transitions.tolist()] == [
        *((3, step) for step in (0, 3, 4)),
        *((4, step) for step in range(4)),
    ]

    for row in data.transitions.tolist():
        _, number, step = data.place(row)
        one = np.array([row])
        assert (
            data.frames(one)[0].numpy().transpose(1, 2, 0) == fixture.expected_image(number, step)
        ).all()
        assert (data.actions(one)[0].numpy() == fixture.expected_action(number, step)).all()
        assert data.object_poses(one)[0].numpy() == pytest.approx(
            fixture.expected_object(number, step), abs=1e-6
        )

    assert data.terminated(data.lasts - 1).tolist() == [False, True]


def test_it_agrees_with_our_own_recorder_s_files(tmp_path: Path, files: list[Path]) -> None:
    bag = record(tmp_path / "bag", files[:1])
    (episode,) = load(bag)
    assert episode.info.method == "random"
    assert episode.info.end is End.TRUNCATED
    assert (episode.steps, episode.lost_steps) == (5, 2)
    assert episode.stamps.tolist() == [stamp_of(k) for k in range(6)]


def test_the_arm_s_joints_are_read_where_they_were_recorded(tmp_path: Path) -> None:
    files = [write_episode(tmp_path, number, 4, joints=True) for number in range(2)]
    bag = record(tmp_path / "bag", files, topics=[*ALL, names.JOINT_STATES])
    for number, episode in enumerate(load(bag)):
        expected = np.array([fixture.expected_joints(number, k) for k in range(5)])
        assert (
            np.stack([episode.joint_positions, episode.joint_velocities], axis=1) == expected
        ).all()

    (episode,) = load(record(tmp_path / "without", files[:1]))
    assert np.isnan(episode.joint_positions).all()
    assert episode.valid.all()


def test_the_wrist_s_images_are_read_where_they_were_recorded(tmp_path: Path) -> None:
    files = [
        write_episode(tmp_path, 0, 4, wrist=True, wrist_age=PERIOD // 3),
        write_episode(tmp_path, 1, 4, wrist=True, lost_wrist=[2]),
    ]
    first, second = load(record(tmp_path / "bag", files, topics=[*ALL, names.WRIST_OBSERVATION]))
    assert (first.lost_steps, second.lost_steps) == (0, 2)
    for number, episode in enumerate((first, second)):
        expected = [fixture.expected_wrist(number, k) for k in range(5)]
        seen = episode.wrist_seen
        assert (episode.wrist_images[seen] == np.array(expected)[seen]).all()

    assert np.flatnonzero(~second.wrist_seen).tolist() == [2]
    (episode,) = load(record(tmp_path / "without", files[:1]))
    assert episode.wrist_images is None
    assert episode.valid.all()


def test_without_episode_records_the_actions_tell_the_episodes_apart(
    tmp_path: Path, files: list[Path]
) -> None:
    bag = record(
        tmp_path / "bag", files, topics=[name for name in ALL if name != names.REPLAY_EPISODE]
    )
    first, second = load(bag)
    assert (first.steps, second.steps) == (5, 4)

    # the image after the last action is its observation
    assert (first.lost_steps, second.lost_steps) == (2, 0)

    # the action said that it was the last
    assert first.info.end is second.info.end is End.TRUNCATED
    assert Dataset.open([bag]).terminated(np.arange(11)).sum() == 0


def test_an_image_long_after_the_last_action_is_not_its_observation(tmp_path: Path) -> None:
    file = write_episode(tmp_path, 0, 4, final=False)
    later = write_episode(tmp_path, 1, 4)
    bag = record(
        tmp_path / "bag",
        [file, later],
        topics=[name for name in ALL if name != names.REPLAY_EPISODE],
    )
    first, second = load(bag)
    assert np.flatnonzero(~first.valid).tolist() == [3]
    assert first.info.end is End.UNFINISHED
    assert second.valid.all()


def test_the_same_number_twice_is_two_episodes(tmp_path: Path, files: list[Path]) -> None:
    bag = record(tmp_path / "bag", [files[1], files[1]])
    assert Dataset.open([bag]).index.numbers.tolist() == [0, 1]
    assert [episode.info.number for episode in load(bag)] == [0, 1]


def test_ends_are_found_by_time_because_files_and_actions_are_numbered_apart(
    tmp_path: Path,
) -> None:
    # 7 is torn
    ends = {5: (4, End.ABORTED), 6: (4, End.TERMINATED), 7: (5, None), 8: (5, End.TRUNCATED)}
    files = []
    for file, (number, end) in ends.items():
        (tmp_path / str(file)).mkdir()
        fields = {"episode": file, "reason": f"of file {file}"}
        files.append(write_episode(tmp_path / str(file), number, 4, end=end, record=fields))

    found = load(record(tmp_path / "bag", files))
    assert [e.info.end for e in found] == [
        End.ABORTED,
        End.TERMINATED,
        End.TRUNCATED,
        End.TRUNCATED,
    ]
    assert [e.info.reason for e in found] == ["of file 5", "of file 6", "", "of file 8"]
    assert [e.lost_steps for e in found] == [0, 0, 0, 0]


def test_a_bag_is_read_once(
    tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    bag = record(tmp_path / "bag", files)
    heard: list[tuple[int, int]] = []
    Dataset.open([bag], lambda done, total: heard.append((done, total)))
    monkeypatch.setattr("wayfarer_bags.foreign.opened", None)
    assert len(Dataset.open([bag])) == 7
    assert heard == [(0, 1), (1, 1)]


def test_one_file_of_a_bag_opens_by_itself(
    tmp_path: Path, files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    for k, (storage, compression) in enumerate(
        way for way in WAYS if way[1] is not CompressionMode.MESSAGE
    ):
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
    assert "episode 3: no image at step 2; the recorder counted 0 lost steps, there are 2" in str(
        lossy.findings
    )


def test_verify_sees_a_damaged_chunk_of_a_lone_file(tmp_path: Path) -> None:
    file = write_episode(tmp_path, 5, 4).rename(tmp_path / "alone.mcap")
    assert verify(file).code == GOOD
    data = bytearray(file.read_bytes())
    data[len(data) // 3] ^= 1
    file.write_bytes(data)
    assert verify(file).code == UNUSABLE


@pytest.mark.parametrize(
    "compression",
    [CompressionMode.NONE, CompressionMode.FILE],
    ids=lambda value: value.name.lower(),
)
def test_verify_lets_sqlite_check_itself_and_says_what_that_leaves(
    tmp_path: Path, files: list[Path], compression: CompressionMode
) -> None:
    bag = record(
        tmp_path / "bag", files[1:], storage=StoragePlugin.SQLITE3, compression=compression
    )
    (file,) = (path for path in bag.iterdir() if path.suffix != ".yaml")
    verdict = verify(bag)
    assert (verdict.code, verdict.episodes) == (GOOD, 1)
    assert [finding.what for finding in verdict.findings] == [
        "sqlite3 bags carry no checksums: not all is seen"
    ]

    # nothing was left beside it
    assert {path.name for path in bag.iterdir()} == {"metadata.yaml", file.name}
    packed = compression is CompressionMode.FILE
    data = bytearray(zstd.decompress(file.read_bytes()) if packed else file.read_bytes())
    data[39] ^= 5  # the header's count of free pages: every message can still be read
    file.write_bytes(zstd.compress(bytes(data)) if packed else data)
    verdict = verify(bag)
    assert (verdict.code, verdict.episodes) == (DAMAGED, 1)
    assert f"'{file.name}', what='is damaged, SQLite says: " in str(verdict.findings)
    file.write_bytes(file.read_bytes()[:3000])
    assert verify(bag).code == UNUSABLE


@pytest.mark.parametrize(
    "storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3], ids=lambda value: value.name.lower()
)
def test_its_topics_can_be_given_other_names(
    tmp_path: Path, files: list[Path], storage: StoragePlugin
) -> None:
    bag = record(tmp_path / "bag", files, storage=storage, namespace="/odd")
    relabel_topics(bag, tmp_path / "out", {"/odd": "/wayfarer"})
    with Reader(tmp_path / "out") as reader:
        assert {connection.topic for connection in reader.connections} == {
            f"/wayfarer/{name}" for name in ALL
        }

    before, after = Dataset.open([bag]), Dataset.open([tmp_path / "out"])
    assert (before.frames(before.transitions) == after.frames(after.transitions)).all()


# --- the files are believed, and not metadata.yaml ---


@pytest.fixture
def split(tmp_path: Path) -> Callable[..., Path]:
    """A bag of two files with an episode each."""

    def make(storage: StoragePlugin = StoragePlugin.MCAP) -> Path:
        (tmp_path / "source").mkdir()
        bag, ending = tmp_path / "bag", ".mcap" if storage is StoragePlugin.MCAP else ".db3"
        bag.mkdir()
        abouts = []

        for k in range(2):
            file = write_episode(tmp_path / "source", k, 4)
            one = record(
                tmp_path / f"one{k}", [file], storage=storage, apart=0, later=k * 100 * PERIOD
            )
            (one / f"one{k}{ending}").rename(bag / f"bag_{k}{ending}")
            abouts.append(
                yaml.safe_load((one / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
            )

        about, other = abouts
        about["relative_file_paths"] = [f"bag_{k}{ending}" for k in range(2)]
        for mine, its in zip(
            about["topics_with_message_count"], other["topics_with_message_count"], strict=True
        ):
            mine["message_count"] += its["message_count"]

        say(bag, about)

        return bag

    return make


def say(bag: Path, about: Any) -> None:
    (bag / "metadata.yaml").write_text(
        yaml.safe_dump({"rosbag2_bagfile_information": about}, sort_keys=False)
    )


def about_of(bag: Path) -> Any:
    return yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]


def told(bag: Path, damage: bool) -> list[str]:
    """What is said of metadata.yaml."""
    findings = verify(bag).findings
    return [
        found.what for found in findings if found.file == "metadata.yaml" and found.damage == damage
    ]


def whole(bag: Path) -> bool:
    verdict = verify(bag)
    return (verdict.episodes, verdict.steps, verdict.lost_steps) == (2, 8, 0) and len(
        Dataset.open([bag])
    ) == 8


BOTH = pytest.mark.parametrize(
    "storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3], ids=lambda one: one.name.lower()
)


@BOTH
def test_metadata_that_agrees_is_not_spoken_of(
    split: Callable[..., Path], storage: StoragePlugin
) -> None:
    bag = split(storage)
    assert whole(bag)
    assert told(bag, True) == told(bag, False) == []


def no_counts(about: Any) -> None:
    for topic in about["topics_with_message_count"]:
        topic["message_count"] = 0


def other_qos(about: Any) -> None:
    about["topics_with_message_count"][0]["topic_metadata"]["offered_qos_profiles"] = [{"depth": 7}]


def other_type(about: Any) -> None:
    about["topics_with_message_count"][0]["topic_metadata"]["type"] = "std_msgs/msg/String"


@BOTH
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda about: about.update(storage_identifier="", version=10), ""),
        (
            lambda about: about.update(relative_file_paths=about["relative_file_paths"][:1]),
            "does not list bag_1.",
        ),
        (lambda about: about.update(relative_file_paths=None), "does not list bag_0."),
        (
            lambda about: about.update(
                relative_file_paths=["bag/" + p for p in about["relative_file_paths"]]
            ),
            "",
        ),
        (
            lambda about: about.update(topics_with_message_count=[]),
            "counts not all messages: 0 for 8 of /wayfarer/",
        ),
        (
            lambda about: about.update(topics_with_message_count=None),
            "counts not all messages: 0 for 8 of /wayfarer/",
        ),
        (
            no_counts,
            "counts not all messages: 0 for 8 of /wayfarer/control/executed, 0 for 10 of "
            "/wayfarer/obs",
        ),
        (
            other_qos,
            "says another quality of service of /wayfarer/observation/image than the files",
        ),
        (other_type, "says another type of /wayfarer/observation/image than the files"),
    ],
)
def test_what_the_files_hold_is_read_and_the_difference_said(
    split: Callable[..., Path], storage: StoragePlugin, change: Callable[[Any], None], words: str
) -> None:
    bag = split(storage)
    about = about_of(bag)
    change(about)
    say(bag, about)
    assert whole(bag)
    assert verify(bag).code == GOOD
    assert not words or any(words in found for found in told(bag, False))


@pytest.mark.parametrize(
    "content", [None, b"", bytes(500), b"a: [", b"rosbag2_bagfile_information: 3", b"a: \xff"]
)
def test_a_bag_without_metadata_that_can_be_read_is_read(
    split: Callable[..., Path], content: bytes | None
) -> None:
    bag = split()
    if content is None:
        (bag / "metadata.yaml").unlink()
        assert told(bag, False) == ["is not there: `ros2 bag reindex` makes it"]
    else:
        (bag / "metadata.yaml").write_bytes(content)
        assert "cannot be read, so `ros2 bag` cannot open the bag" in told(bag, True)[0]

    assert verify(bag).code == (GOOD if content is None else DAMAGED)
    assert whole(bag)


def test_messages_and_files_that_it_counts_and_that_are_not_there_are_damage(
    split: Callable[..., Path],
) -> None:
    bag = split()
    (bag / "bag_0.mcap").unlink()
    assert (verify(bag).code, verify(bag).episodes) == (DAMAGED, 1)
    gone, fewer = told(bag, True)
    assert gone == "lists bag_0.mcap, which is not there"
    assert fewer.startswith(
        "counts more messages than the files hold: 8 for 4 of /wayfarer/control/executed"
    )


def test_files_are_read_in_the_order_of_their_numbers(
    tmp_path: Path, split: Callable[..., Path]
) -> None:
    bag = split()
    (bag / "bag_1.mcap").rename(bag / "bag_10.mcap")
    (bag / "bag_0.mcap").rename(bag / "bag_9.mcap")
    (bag / "._bag_9.mcap").write_bytes(b"what a file manager leaves")
    assert [file.name for file in files_of(bag)] == ["bag_9.mcap", "bag_10.mcap"]
    assert whole(bag)


def test_what_a_killed_recorder_left_in_sqlite_s_journal_is_read(
    tmp_path: Path, files: list[Path]
) -> None:
    bag = record(tmp_path / "bag", files[1:], storage=StoragePlugin.SQLITE3)
    (file,) = bag.glob("*.db3")
    database = sqlite3.connect(file)
    database.execute("pragma journal_mode=wal")
    database.execute("pragma wal_autocheckpoint=0")
    rows = database.execute("select * from messages where id > 9").fetchall()
    database.execute("delete from messages where id > 9")
    database.commit()
    database.execute("pragma wal_checkpoint(truncate)")
    database.executemany("insert into messages values (?, ?, ?, ?)", rows)
    database.commit()
    killed = tmp_path / "killed"
    shutil.copytree(bag, killed)  # as it lies there while the recorder has it open
    database.close()
    before = {path.name: path.read_bytes() for path in killed.iterdir()}
    verdict = verify(killed)
    assert (verdict.code, verdict.episodes, verdict.steps, verdict.lost_steps) == (GOOD, 1, 4, 0)
    assert "was not closed by its recorder: it is read with bag.db3-wal beside it" in str(
        verdict.findings
    )
    assert {path.name: path.read_bytes() for path in killed.iterdir()} == before
    (killed / "bag.db3-wal").unlink()
    assert verify(killed).lost_steps > 0 or verify(killed).steps < 4


def test_what_a_killed_recorder_had_not_committed_is_not_there(
    tmp_path: Path, files: list[Path]
) -> None:
    bag = record(tmp_path / "bag", files[1:], storage=StoragePlugin.SQLITE3)
    code = """
import os, signal, sqlite3, sys
database = sqlite3.connect(sys.argv[1], isolation_level=None)
database.execute("pragma cache_size = 1")  # so that pages are written before the end
database.execute("begin")
database.execute("update messages set data = zeroblob(length(data)), timestamp = 0")
database.execute("insert into messages select null, topic_id, 1, zeroblob(20000) from messages")
os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", code, str(bag / "bag.db3")], check=False)
    assert (bag / "bag.db3-journal").stat().st_size > 0
    before = {path.name: path.read_bytes() for path in bag.iterdir()}
    verdict = verify(bag)
    assert (verdict.code, verdict.episodes, verdict.steps, verdict.lost_steps) == (GOOD, 1, 4, 0)
    assert "read with bag.db3-journal beside it" in str(verdict.findings)
    assert {path.name: path.read_bytes() for path in bag.iterdir()} == before


NAMES = ["run#3", "what?", "100%20done", "mit Leerzeichen", "Würfel_测试", "[a]", "a&b=c;d", "'"]


@pytest.mark.parametrize("name", NAMES)
@BOTH
def test_any_path_will_do(
    tmp_path: Path, files: list[Path], name: str, storage: StoragePlugin
) -> None:
    (tmp_path / name).mkdir()
    bag = record(tmp_path / "bag", files[1:], storage=storage).rename(tmp_path / name / name)
    assert (verify(bag).code, verify(bag).steps) == (GOOD, 4)
    assert len(Dataset.open([bag])) == 4


@BOTH
def test_a_git_lfs_pointer_is_named_as_such(
    tmp_path: Path, files: list[Path], storage: StoragePlugin
) -> None:
    bag = record(tmp_path / "bag", files, storage=storage)
    (file,) = (path for path in bag.iterdir() if path.suffix != ".yaml")
    file.write_text(
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 12345\n"
    )

    with pytest.raises(
        DataError, match=rf"{file} is a Git LFS pointer and not the file itself: `git lfs pull`"
    ):
        Dataset.open([bag])

    assert verify(bag).code == UNUSABLE
    assert "is a Git LFS pointer" in str(verify(bag).findings)


# --- what happened when ---


def clock_set_back(said: list[Said], after: int, by: int) -> list[Said]:
    """Return the messages as they are recorded when the recorder's clock is set back by so many ns
    on the way.
    """
    return [at(one, one.log_time - (by if k >= after else 0)) for k, one in enumerate(said)]


@pytest.mark.parametrize("ordered", [False, True], ids=["as written", "sorted by log time"])
@pytest.mark.parametrize("back", [0.02, 0.2, 1.2, 4.5])
@pytest.mark.parametrize("records", [True, False])
def test_a_recorder_s_clock_that_was_set_back_changes_nothing(
    tmp_path: Path, files: list[Path], back: float, ordered: bool, records: bool
) -> None:
    said = [one for one in said_in(files[1]) if records or "replay" not in one.topic]
    expected = load(write(tmp_path / "straight.mcap", said))
    for after in range(2, len(said), 3):
        set_back = clock_set_back(said, after, round(back * 1e9))
        if ordered:  # as tools leave it that sort by log time
            set_back.sort(key=lambda one: one.log_time)

        verdict = verify(write(tmp_path / "x.mcap", set_back))
        assert (verdict.code, verdict.episodes, verdict.steps, verdict.lost_steps) == (
            GOOD,
            1,
            4,
            0,
        )
        (one,), (other,) = load(tmp_path / "x.mcap"), expected
        assert (one.info.end, one.stamps.tolist()) == (other.info.end, other.stamps.tolist())
        assert (one.images == other.images).all()
        assert (one.actions == other.actions).all()
        assert (one.ee_positions == other.ee_positions).all()


def test_a_robot_s_clock_that_was_set_back_between_two_sessions_is_refused(
    tmp_path: Path, files: list[Path]
) -> None:
    said = said_in(files[1])

    # at other times, in between
    again = [replace(one, cdr=shifted_by(one.cdr, PERIOD // 4)) for one in said]
    file = write(
        tmp_path / "x.mcap", [*said, *(at(one, one.log_time + 100 * PERIOD) for one in again)]
    )
    with pytest.raises(DataError, match="two sessions at the same times: the clock was set back"):
        load(file)


def shifted_by(cdr: bytes, by: int) -> bytes:
    stamp = header_stamp(cdr) + by
    return cdr[:4] + struct.pack("<iI", *divmod(stamp, 10**9)) + cdr[12:]


def test_what_two_recorders_heard_and_somebody_put_together_is_there_once(
    tmp_path: Path, files: list[Path]
) -> None:
    said = said_in(*files[1:])
    file = write(
        tmp_path / "x.mcap",
        [*said, *(at(one, one.log_time + 7) for one in said)],
        Layout(again=True),
    )
    verdict = verify(file)
    assert (verdict.code, verdict.episodes, verdict.steps, verdict.lost_steps) == (GOOD, 1, 4, 0)


def test_numbers_of_another_byte_order_are_read(tmp_path: Path, files: list[Path]) -> None:
    said = []
    for one in said_in(files[1]):
        types = types_of(Channel(one.topic, one.type, "", one.schema))
        message = types.deserialize_cdr(one.cdr, one.type)
        said.append(
            replace(one, cdr=bytes(types.serialize_cdr(message, one.type, little_endian=False)))
        )

    (one,), (other,) = (
        load(write(tmp_path / "x.mcap", said)),
        load(write(tmp_path / "y.mcap", said_in(files[1]))),
    )
    assert (one.images == other.images).all()
    assert (one.actions == other.actions).all()
    assert one.valid.all()


def test_a_type_s_name_without_its_folder_is_known(tmp_path: Path, files: list[Path]) -> None:
    said = [replace(one, type=one.type.replace("/msg/", "/")) for one in said_in(files[1])]
    assert load(write(tmp_path / "x.mcap", said))[0].valid.all()


def test_definitions_that_changed_on_the_way_are_each_read_by_their_own(tmp_path: Path) -> None:
    old, new = write_episode(tmp_path, 3, 4), write_episode(tmp_path, 4, 4, end=End.TERMINATED)
    field = b"uint8 fault\n"
    kind = "wayfarer_msgs/msg/Episode"
    said = []

    for one in said_in(old):
        if one.type == kind:  # as it was written before there were typed faults
            schema = b"".join(
                line for line in one.schema.splitlines(keepends=True) if b"fault" not in line
            )
            before, after = (
                types_of(Channel(one.topic, kind, "", of)) for of in (one.schema, schema)
            )
            values = vars(before.deserialize_cdr(one.cdr, kind))
            values.pop("fault")
            cdr = bytes(after.serialize_cdr(after.types[kind](**values), kind))
            one = replace(one, schema=schema, cdr=cdr)

        said.append(one)

    assert field not in said[-1].schema
    later = [replace(one, cdr=later_by(one, 100 * PERIOD)) for one in said_in(new)]
    first, second = load(write(tmp_path / "x.mcap", [*said, *later]))
    assert (first.info.end, second.info.end) == (End.TRUNCATED, End.TERMINATED)


def later_by(one: Said, by: int) -> bytes:
    if one.type != "wayfarer_msgs/msg/Episode":
        return shifted_by(one.cdr, by)

    types = types_of(Channel(one.topic, one.type, "", one.schema))
    record: Any = types.deserialize_cdr(one.cdr, one.type)
    record.final_stamp.sec += by // 10**9

    return bytes(types.serialize_cdr(record, one.type))


# --- what is in the messages ---


def changed(one: Said, **fields: Any) -> Said:
    """Return a message with other fields."""
    types = types_of(Channel(one.topic, one.type, "", one.schema))
    message = replace(types.deserialize_cdr(one.cdr, one.type), **fields)  # type: ignore[type-var]
    return replace(one, cdr=bytes(types.serialize_cdr(message, one.type)))


def images_changed(said: list[Said], which: Collection[int], **fields: Any) -> list[Said]:
    number = itertools.count()

    return [
        changed(one, **fields) if one.topic.endswith("image") and next(number) in which else one
        for one in said
    ]


def test_padded_rows_are_read(tmp_path: Path, files: list[Path]) -> None:
    said, padded = said_in(files[1]), []
    for k, one in enumerate(said):
        if not one.topic.endswith("image"):
            padded.append(one)
            continue

        types = types_of(Channel(one.topic, one.type, "", one.schema))
        image: Any = types.deserialize_cdr(one.cdr, one.type)
        rows = np.full((12, 40), 99, np.uint8)
        rows[:, :36] = image.data.reshape(12, 36)

        # the last row need not be padded
        data = rows.reshape(-1) if k % 2 else rows.reshape(-1)[:-4]
        padded.append(changed(one, step=40, data=data))

    (one,), (other,) = (
        load(write(tmp_path / "x.mcap", padded)),
        load(write(tmp_path / "y.mcap", said)),
    )
    assert (one.images == other.images).all()
    assert one.valid.all()


@pytest.mark.parametrize(
    "fields",
    [
        {"height": 0, "width": 0, "step": 0, "data": np.zeros(0, np.uint8)},
        {"data": np.zeros(0, np.uint8)},
        {"data": np.zeros(100, np.uint8)},
        {"step": 0},
        {"step": 35},
        {"height": 2**31, "data": np.zeros(9, np.uint8)},
        {"height": 0, "width": 2**31, "step": 2**32 - 1},
    ],
)
def test_an_image_without_its_pixels_is_a_lost_one_and_named(
    tmp_path: Path, files: list[Path], fields: dict[str, Any]
) -> None:
    file = write(tmp_path / "x.mcap", images_changed(said_in(files[1]), [2], **fields))
    (episode,) = load(file)
    assert np.flatnonzero(~episode.valid).tolist() == [1, 2]
    assert "an image without pixels, or with fewer than it says at step 2" in str(
        verify(file).findings
    )
    assert len(Dataset.open([file])) == 2


def test_images_that_are_no_observations_are_named(tmp_path: Path, files: list[Path]) -> None:
    file = write(tmp_path / "x.mcap", images_changed(said_in(files[1]), range(9), encoding="bgr8"))
    with pytest.raises(DataError, match="the image of step 0 is 'bgr8', an observation is 'rgb8'"):
        load(file)


NO_ROTATIONS = [(0, 0, 0, 0), (0, 0, 0, 0.5), (1, 1, 1, 1), (np.nan, 0, 0, 1), (0, 0, 0, 1e300)]


@pytest.mark.parametrize("quaternion", NO_ROTATIONS)
def test_a_quaternion_that_is_no_rotation_is_unknown_and_named(
    tmp_path: Path, files: list[Path], quaternion: tuple[float, ...]
) -> None:
    said = []
    for one in said_in(files[1]):
        if one.topic.endswith("pose"):
            types = types_of(Channel(one.topic, one.type, "", one.schema))
            pose: Any = types.deserialize_cdr(one.cdr, one.type).pose  # type: ignore[attr-defined]
            turned = types.types["geometry_msgs/msg/Quaternion"](*map(float, quaternion))
            one = changed(one, pose=replace(pose, orientation=turned))

        said.append(one)

    file = write(tmp_path / "x.mcap", said)
    (episode,) = load(file)
    assert episode.valid.all()  # where the hand is, is known
    assert episode.object_poses is not None
    assert np.isfinite(episode.object_poses[:, :3]).all()
    assert np.isnan(episode.object_poses[:, 3:]).all()
    findings = str(verify(file).findings)
    assert "an object's quaternion that is no rotation at step 0, 1, 2, 3, 4" in findings
    assert "an end effector's quaternion that is no rotation at step 0, 1, 2, 3, 4" in findings
    assert verify(file).code == GOOD


def test_a_quaternion_that_is_nearly_a_rotation_becomes_one(
    tmp_path: Path, files: list[Path]
) -> None:
    said = []
    for one in said_in(files[1]):
        if one.topic.endswith("object_pose"):
            types = types_of(Channel(one.topic, one.type, "", one.schema))
            pose: Any = types.deserialize_cdr(one.cdr, one.type).pose  # type: ignore[attr-defined]
            turned = types.types["geometry_msgs/msg/Quaternion"](0.0, 0.0, 0.6 * 1.003, 0.8 * 1.003)
            one = changed(one, pose=replace(pose, orientation=turned))

        said.append(one)

    (episode,) = load(write(tmp_path / "x.mcap", said))
    assert episode.object_poses is not None
    assert episode.object_poses[:, 3:] == pytest.approx(np.tile([0, 0, 0.6, 0.8], (5, 1)))


# --- what is refused ---


@pytest.mark.parametrize(
    "topic", ["policy/action", "observation/image", "sim/object_pose", "replay/episode"]
)
def test_another_type_on_a_topic_of_the_contract_is_named(
    tmp_path: Path, files: list[Path], topic: str
) -> None:
    said = [
        replace(
            one, type="std_msgs/msg/String", schema=b"string data\n", cdr=b"\0\1\0\0\2\0\0\0a\0"
        )
        if one.topic.endswith(topic)
        else one
        for one in said_in(files[1])
    ]
    file = write(tmp_path / "x.mcap", said)
    words = f"/wayfarer/{topic} is std_msgs/msg/String in cdr, the contract's {topic} is "
    assert words in str(verify(file).findings)

    if topic in ("sim/object_pose", "replay/episode"):  # a step can do without
        assert load(file)[0].valid.all()
        return

    with pytest.raises(DataError, match=f"{file} cannot be read: {words}"):
        Dataset.open([file])


def test_a_type_of_the_right_name_without_what_is_read_of_it_is_named(
    tmp_path: Path, files: list[Path]
) -> None:
    def act(schema: bytes) -> None:
        said = [
            replace(one, schema=schema) if one.topic.endswith("action") else one
            for one in said_in(files[1])
        ]
        load(write(tmp_path / "x.mcap", said))

    whole_one = next(one.schema for one in said_in(files[1]) if one.topic.endswith("action"))
    with pytest.raises(
        DataError,
        match=r"/wayfarer/policy/action: its wayfarer_msgs/msg/Action has no action, last",
    ):
        act(
            b"\n".join(
                line
                for line in whole_one.split(b"\n")
                if b"action" not in line and b"last" not in line
            )
        )

    with pytest.raises(
        DataError, match=r"its wayfarer_msgs/msg/Action does not begin with a std_msgs/Header"
    ):
        act(b"uint32 count\n" + whole_one)


def test_topics_without_a_message_are_no_damage_and_there_is_no_episode(
    tmp_path: Path, files: list[Path]
) -> None:
    said = said_in(files[1])
    quiet = {one.topic: one for one in said if one.topic.endswith(("action", "executed"))}
    described = [replace(one, cdr=b"") for one in quiet.values()]
    bag = tmp_path / "bag"
    topics = [name for name in ALL if name not in (names.POLICY_ACTION, names.EXECUTED)]
    record(bag, files[1:], topics=topics, silent=[(one.topic, one.type) for one in described])
    verdict = verify(bag)
    assert verdict.code == UNUSABLE
    assert not [found for found in verdict.findings if found.damage]
    assert "no action in it: 0 episodes" in str(verdict.findings)

    with pytest.raises(DataError, match="holds no episode with a step in it"):
        Dataset.open([bag])


def test_images_without_stamps_are_refused(tmp_path: Path, files: list[Path]) -> None:
    said = [
        replace(one, cdr=one.cdr[:4] + bytes(8) + one.cdr[12:])
        if one.topic.endswith("image")
        else one
        for one in said_in(files[1])
    ]
    with pytest.raises(DataError, match="holds an image without a stamp"):
        load(write(tmp_path / "x.mcap", said))


def test_a_bag_without_what_a_step_needs_names_what_is_missing(
    tmp_path: Path, files: list[Path]
) -> None:
    bag = record(tmp_path / "bag", files, topics=[names.OBSERVATION_IMAGE, names.CURRENT_POSE])
    with pytest.raises(
        DataError, match=r"lacks the topics policy/action, control/executed; it holds /wayfarer/obs"
    ):
        Dataset.open([bag])


def test_a_clock_that_was_set_back_is_refused(tmp_path: Path, files: list[Path]) -> None:
    with pytest.raises(DataError, match="the clock was set back"):
        load(record(tmp_path / "bag", files, apart=0))


def test_two_robots_in_one_bag_are_refused(tmp_path: Path, files: list[Path]) -> None:
    bag = tmp_path / "bag"
    with Writer(bag, version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        for namespace in ("/left", "/right"):
            writer.add_connection(
                f"{namespace}/observation/image", "sensor_msgs/msg/Image", typestore=fixture.types()
            )

    with pytest.raises(
        DataError, match=r"holds /left/observation/image and /right/observation/image"
    ):
        load(bag)


@pytest.mark.parametrize(
    "storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3], ids=lambda value: value.name.lower()
)
def test_a_damaged_bag_is_a_data_error_with_its_name(
    tmp_path: Path, files: list[Path], storage: StoragePlugin
) -> None:
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
