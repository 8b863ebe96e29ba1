import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from fixtures.episodes import PERIOD, START, stamp_of, write_episode, write_run
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from wayfarer_bags.bag import messages
from wayfarer_bags.episode import End
from wayfarer_bags.run_directory import (
    RunDirectory,
    RunWriter,
    finished,
    summarise,
)
from wayfarer_core import atomic
from wayfarer_core.atomic import write_atomically
from wayfarer_core.errors import ConfigError, DataError

MESSAGES = 2 + 4 * 3 + 3 * 2  # of an episode of three steps


def metadata(run: Path) -> dict[str, Any]:
    content = yaml.safe_load((run / "metadata.yaml").read_text())
    assert list(content) == ["rosbag2_bagfile_information"]
    information: dict[str, Any] = content["rosbag2_bagfile_information"]
    return information


def test_a_new_run_is_an_empty_run(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "deep" / "run")
    assert run.episodes() == run.torn() == {}
    assert run.next_number() == 0
    assert run.description() == {}
    assert RunDirectory(run.path).path == tmp_path / "deep" / "run"


def test_episodes_are_numbered_and_listed_in_order(tmp_path: Path) -> None:
    run = RunDirectory(write_run(tmp_path / "run", 3, 2))
    assert list(run.episodes()) == [0, 1, 2]
    assert run.episodes()[1] == run.episode_path(1) == tmp_path / "run" / "episode_000001.mcap"
    assert run.next_number() == 3


def test_a_torn_episode_keeps_its_number_and_is_listed_apart(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", 2, 2)
    write_episode(path, 2, 2, end=None)
    run = RunDirectory(path)
    assert list(run.episodes()) == [0, 1]
    assert list(run.torn()) == [2]
    assert run.next_number() == 3


def test_numbers_beyond_a_million_and_gaps_are_in_order(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "run")
    for number in (1_000_000, 999_999, 4):
        run.episode_path(number).touch()
    assert list(run.episodes()) == [4, 999_999, 1_000_000]
    assert run.next_number() == 1_000_001


@pytest.mark.parametrize(
    "stray", ["episode_1.mcap", "episode_000001.mcap.bak", "xepisode_000001.mcap", "notes.txt"]
)
def test_other_files_in_a_run_are_left_alone(tmp_path: Path, stray: str) -> None:
    run = RunWriter(tmp_path / "run")
    (run.path / stray).touch()
    assert run.next_number() == 0


def test_opening_a_run_changes_nothing(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", 1, 2)
    before = {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in path.iterdir()}
    run = RunDirectory(path)
    run.episodes(), run.torn(), run.next_number(), run.description()
    assert {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in path.iterdir()} == before


@pytest.mark.parametrize("make", [Path.exists, Path.touch, Path.mkdir])
def test_what_is_not_a_run_is_refused_by_name(tmp_path: Path, make: Any) -> None:
    make(tmp_path / "thing")
    with pytest.raises(DataError, match=r"thing is not a (run|directory).*wayfarer collect"):
        RunDirectory(tmp_path / "thing")


@pytest.mark.parametrize("text", ["- a list\n", "", "just words\n", "a: [unclosed\n", "\x00"])
def test_a_run_yaml_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.yaml").write_text(text)
    with pytest.raises(DataError, match=r"run\.yaml"):
        RunDirectory(tmp_path).description()


def test_the_description_reads_back_as_written(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "run")
    run.describe({"format": 1, "configuration": {"control": {"max_step": 0.22}}})
    assert run.description() == {"format": 1, "configuration": {"control": {"max_step": 0.22}}}


# --- one recorder at a time, and only into a run ---


def test_a_second_recorder_is_refused_until_the_first_lets_go(tmp_path: Path) -> None:
    first = RunWriter(tmp_path / "run")
    with pytest.raises(
        ConfigError, match=r"another recorder is writing to .*run: one run takes one recorder"
    ):
        RunWriter(tmp_path / "run")

    first.release()
    RunWriter(tmp_path / "run").release()


def test_a_recorder_of_another_process_is_noticed_and_its_death_frees_the_run(
    tmp_path: Path,
) -> None:
    code = "import sys, pathlib; from wayfarer_bags.run_directory import RunWriter as W\n"
    code += "run = W(pathlib.Path(sys.argv[1])); print('locked', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "run")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )

    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        with pytest.raises(ConfigError, match="another recorder"):
            RunWriter(tmp_path / "run")
    finally:
        other.kill()
        other.communicate(timeout=10)

    RunWriter(tmp_path / "run").release()


def test_reading_needs_no_lock(tmp_path: Path) -> None:
    RunWriter(tmp_path / "run")
    assert RunDirectory(tmp_path / "run").next_number() == 0


def test_a_directory_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(
        ConfigError, match="exists and is not a run: choose a new or an empty directory"
    ):
        RunWriter(tmp_path)

    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_an_empty_directory_becomes_a_run(tmp_path: Path) -> None:
    RunWriter(tmp_path).release()
    assert RunDirectory(tmp_path).next_number() == 0


@pytest.mark.parametrize("below", ["", "run", "a/b/run"])
def test_a_path_through_a_file_is_refused(tmp_path: Path, below: str) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError, match=r"cannot write to .*file.*(Not a directory|File exists)"):
        RunWriter(file / below if below else file)


def test_a_directory_that_takes_no_files_is_refused() -> None:
    # root may write anywhere else
    with pytest.raises((ConfigError, DataError), match=r"cannot write( to)? /proc/"):
        RunWriter(Path("/proc/wayfarer_test_run"))


# --- metadata.yaml ---


def test_metadata_adds_up_over_the_files(tmp_path: Path) -> None:
    information = metadata(write_run(tmp_path / "run", 2, 3))
    assert information["storage_identifier"] == "mcap"
    assert information["message_count"] == 2 * MESSAGES
    assert information["relative_file_paths"] == ["episode_000000.mcap", "episode_000001.mcap"]
    assert [f["path"] for f in information["files"]] == information["relative_file_paths"]
    assert [f["message_count"] for f in information["files"]] == [MESSAGES, MESSAGES]
    assert information["starting_time"]["nanoseconds_since_epoch"] == START - PERIOD
    assert information["duration"]["nanoseconds"] == stamp_of(3) + PERIOD - (START - PERIOD)
    counts = {
        t["topic_metadata"]["name"]: t["message_count"]
        for t in information["topics_with_message_count"]
    }
    assert counts == {
        "/wayfarer/observation/image": 8,
        "/wayfarer/policy/action": 6,
        "/wayfarer/control/executed": 6,
        "/wayfarer/robot/current_pose": 8,
        "/wayfarer/sim/object_pose": 8,
        "/wayfarer/replay/episode": 4,
    }


def test_metadata_names_type_and_quality_of_service_of_each_topic(tmp_path: Path) -> None:
    topics = metadata(write_run(tmp_path / "run", 1, 2))["topics_with_message_count"]
    about = {t["topic_metadata"]["name"]: t["topic_metadata"] for t in topics}[
        "/wayfarer/policy/action"
    ]
    assert about["type"] == "wayfarer_msgs/msg/Action"
    assert about["serialization_format"] == "cdr"
    (profile,) = about["offered_qos_profiles"]
    assert profile["reliability"] == "reliable"


def test_a_continued_run_counts_the_files_it_found(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", 2, 3)
    assert write_run(path, 1, 3) == path
    assert metadata(path)["message_count"] == 3 * MESSAGES
    assert len(metadata(path)["files"]) == 3


def test_the_run_opens_with_rosbags(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", 2, 3)
    with AnyReader([path]) as reader:
        assert reader.message_count == 2 * MESSAGES
        assert "/wayfarer/observation/image" in reader.topics
        connections = [c for c in reader.connections if c.topic == "/wayfarer/policy/action"]
        steps = [
            reader.deserialize(raw, c.msgtype).step for c, _, raw in reader.messages(connections)
        ]

    assert sorted(steps) == [0, 0, 1, 1, 2, 2]


def test_each_file_of_the_run_opens_with_mcap(tmp_path: Path) -> None:
    for file in RunDirectory(write_run(tmp_path / "run", 2, 3)).episodes().values():
        with file.open("rb") as stream:
            assert len(list(make_reader(stream, validate_crcs=True).iter_messages())) == MESSAGES


def test_a_run_without_files_has_valid_metadata(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "run")
    run.write_metadata()
    assert metadata(run.path)["message_count"] == 0
    assert metadata(run.path)["files"] == []


def test_a_crash_while_writing_leaves_the_old_text_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "metadata.yaml"
    write_atomically(file, "old: whole\n")

    def crash(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(atomic.os, "fsync", crash)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(file, "new: torn\n")

    assert file.read_text() == "old: whole\n"
    monkeypatch.undo()
    write_atomically(file, "new: whole\n")
    assert file.read_text() == "new: whole\n"
    assert [p.name for p in tmp_path.iterdir()] == ["metadata.yaml"]


def test_a_text_that_cannot_be_written_is_an_error_with_its_name(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot write .*gone/metadata\.yaml: No such file"):
        write_atomically(tmp_path / "gone" / "metadata.yaml", "")


# --- what is in the files ---


@pytest.mark.parametrize(
    ("ends", "ended"),
    [([End.TERMINATED, End.TRUNCATED], 2), ([End.ABORTED, End.TRUNCATED], 1), ([None], 0), ([], 0)],
)
def test_only_episodes_that_came_to_their_end_count_as_finished(
    tmp_path: Path, ends: list[End | None], ended: int
) -> None:
    for end in ends:
        write_run(tmp_path / "run", 1, 2, end=end)
    assert finished(tmp_path / "run")[0] == ended


def test_a_summary_says_what_the_file_holds(tmp_path: Path) -> None:
    summary = summarise(write_episode(tmp_path, 7, 3, truth=False))
    assert summary.name == "episode_000007.mcap"
    assert (summary.start, summary.end) == (START - PERIOD, stamp_of(3) + PERIOD)
    kind, _, count = summary.channels["/wayfarer/control/executed"]
    assert (kind, count) == ("wayfarer_msgs/msg/ExecutedAction", 3)
    assert "/wayfarer/sim/object_pose" not in summary.channels


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("run.yaml", b"format: 1\n"),
        ("run.yaml", b"a: \xff"),
        ("SHA256SUMS", b"\xff"),
        ("SHA256SUMS", b"no digest\n"),
    ],
)
def test_a_run_is_not_continued_whose_words_are_not_its_own(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = write_run(tmp_path / "run", 1, 2)
    before = (path / name).read_bytes()
    (path / name).write_bytes(content)
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        RunWriter(path)

    (path / name).write_bytes(before)
    RunWriter(path).release()  # the failed attempt holds no lock


def test_a_damaged_file_is_refused_by_name_when_the_run_is_continued(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", 2, 2)
    file = path / "episode_000001.mcap"
    data = file.read_bytes()

    for length in (0, 8, 9, 200, len(data) // 2, len(data) - 1):
        file.write_bytes(data[:length])
        with pytest.raises(DataError, match=r"episode_000001\.mcap"):
            RunWriter(path)
        with pytest.raises(DataError, match=r"episode_000001\.mcap"):
            finished(path)

    file.write_bytes(data)
    RunWriter(path).release()  # the failed attempts hold no lock


def test_a_run_that_cannot_be_continued_is_free_again_while_the_error_is_still_looked_at(
    tmp_path: Path,
) -> None:
    """The error keeps the constructor's frame alive, and in it what that had opened."""
    path = write_run(tmp_path / "run", 1, 2)
    file = path / "episode_000000.mcap"
    data = file.read_bytes()
    file.write_bytes(data[:-1])

    with pytest.raises(DataError) as kept:
        RunWriter(path)

    file.write_bytes(data)
    RunWriter(path).release()
    assert "episode_000000.mcap" in str(kept.value)


def test_what_all_files_of_a_run_say_alike_is_kept_once(tmp_path: Path) -> None:
    path = write_run(tmp_path / "run", 2, 2)
    one, other = (summarise(file) for file in RunDirectory(path).episodes().values())
    for topic, (kind, qos, _) in one.channels.items():
        assert kind is other.channels[topic][0], topic
        assert qos is other.channels[topic][1], topic


def test_a_clock_that_begins_anew_is_shifted_behind_the_end_of_the_run_and_another_is_not(
    tmp_path: Path,
) -> None:
    run = RunWriter(write_run(tmp_path / "run", 2, 3))
    end = max(message.log_time for file in run.episodes().values() for message in messages(file))
    assert run.shift(0) == end + 1_000_000_000
    assert run.shift(end - 1) == 1_000_000_001
    assert run.shift(end) == run.shift(end + 1) == 0
    run.release()


def test_the_clock_of_a_new_run_is_taken_as_it_is(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "run")
    assert (run.shift(0), run.shift(7)) == (0, 0)
    run.release()
