import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from fixtures.episodes import write_episode, write_run
from fixtures.mcap_parts import Layout as McapLayout
from fixtures.mcap_parts import Said, said_in, write
from fixtures.plain_bags import record
from mcap.reader import make_reader
from rosbags.highlevel import AnyReader
from rosbags.rosbag2 import StoragePlugin
from wayfarer_bags.bag import EpisodeWriter, messages, read_episode, read_info
from wayfarer_bags.files.recorded import Channel, Message
from wayfarer_bags.labels import Label, read_labels, write_label
from wayfarer_bags.run_description import describe
from wayfarer_bags.run_directory import RunDirectory, RunWriter
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_data.cache.dataset import Dataset
from wayfarer_data.upkeep.recover import recover
from wayfarer_data.upkeep.rewrite import merge, relabel_topics, split, write_again
from wayfarer_data.upkeep.verify import GOOD, verify


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [write_run(tmp_path / "a", 2, 4), write_run(tmp_path / "b", 3, 5)]


def with_goal(run: Path, number: int, goal: str) -> None:
    """Record an episode of the run again, with a goal."""
    file = RunDirectory(run).episode_path(number)
    moved = file.rename(file.with_name("old.mcap"))

    def name(record):  # type: ignore[no-untyped-def]
        record.goal = goal
        return record

    write_again(moved, file, None, record=name)
    moved.unlink()


def test_merged_runs_are_numbered_on_and_hold_the_same_steps(
    tmp_path: Path, runs: list[Path]
) -> None:
    with_goal(runs[1], 2, "1/3")
    made = merge(runs, tmp_path / "out")
    assert made.episodes == 5
    assert verify(tmp_path / "out").code == GOOD
    merged, sources = Dataset.open([tmp_path / "out"]), Dataset.open(runs)
    assert merged.index.numbers.tolist() == [0, 1, 2, 3, 4]
    assert (merged.transitions == sources.transitions).all()
    assert (merged.frames(merged.transitions) == sources.frames(sources.transitions)).all()
    assert (merged.actions(merged.transitions) == sources.actions(sources.transitions)).all()
    infos = [read_info(file) for file in RunDirectory(tmp_path / "out").episodes().values()]
    assert [info.number for info in infos] == [0, 1, 2, 3, 4]

    # the goal's episode has a new number, too
    assert [info.goal for info in infos] == ["", "", "", "", "3/3"]


def test_a_run_given_twice_is_refused_under_whichever_name(
    tmp_path: Path, runs: list[Path]
) -> None:
    (tmp_path / "link").symlink_to(runs[0])
    for twice in (
        [runs[0], runs[0]],
        [runs[0], runs[1], tmp_path / "link"],
        [runs[0], runs[1] / ".." / "a"],
    ):
        with pytest.raises(DataError, match="a run is given twice"):
            merge(twice, tmp_path / "out")

    assert not (tmp_path / "out").exists()


def test_a_merged_run_says_what_it_was_made_of(tmp_path: Path, runs: list[Path]) -> None:
    configuration = {"actor": {"a": 1}}
    RunWriter(runs[0]).describe(
        {"format": 1, "configuration": configuration, "sessions": [{"host": "x"}]}
    )
    merge(runs, tmp_path / "out")
    content = yaml.safe_load((tmp_path / "out" / "run.yaml").read_text())
    assert [part["run"] for part in content["merged_from"]] == [str(run.resolve()) for run in runs]
    assert [part["episodes"] for part in content["merged_from"]] == [2, 3]
    assert content["merged_from"][0]["description"]["configuration"] == configuration
    assert content["sessions"] == [{"host": "x"}]
    assert "configuration" not in content


def test_what_all_runs_were_recorded_with_stays_the_merged_run_s_own(
    tmp_path: Path, runs: list[Path]
) -> None:
    camera = {"calibration": "/lab/camera.yaml", "rectify": True, "eye_in_hand": False}
    for run, method in zip(runs, ("goal", "random"), strict=True):
        configuration = {"camera": camera, "actor": {"method": method}}
        RunWriter(run).describe(describe({}, configuration))

    merge(runs, tmp_path / "out")
    content = RunDirectory(tmp_path / "out").description()
    assert content["configuration"] == {"camera": camera}
    assert [
        part["description"]["configuration"]["actor"]["method"] for part in content["merged_from"]
    ] == [*("goal", "random")]
    verdict = verify(tmp_path / "out")
    assert (verdict.code, verdict.findings) == (GOOD, ())  # its digest is that of what is left
    content["configuration"]["camera"]["rectify"] = False
    RunWriter(tmp_path / "out").describe(content)
    assert "its configuration is not the one" in str(verify(tmp_path / "out").findings)


def test_split_parts_hold_the_very_files_and_merge_to_the_same_again(
    tmp_path: Path, runs: list[Path]
) -> None:
    made = split(runs[1], tmp_path / "parts", 2)
    assert [one.episodes for one in made] == [2, 1]
    parts = sorted((tmp_path / "parts").iterdir())
    assert [list(RunDirectory(part).episodes()) for part in parts] == [[0, 1], [2]]

    for part in parts:
        assert verify(part).code == GOOD

    merge(parts, tmp_path / "whole")
    for file in RunDirectory(runs[1]).episodes().values():
        assert (tmp_path / "whole" / file.name).read_bytes() == file.read_bytes()


def test_relabelled_topics_read_as_before_under_their_new_names(
    tmp_path: Path, runs: list[Path]
) -> None:
    relabel_topics(runs[0], tmp_path / "out", {"/wayfarer": "/lab/left"})
    assert verify(tmp_path / "out").code == GOOD
    with AnyReader([tmp_path / "out"]) as reader:
        assert {c.topic for c in reader.connections} >= {
            "/lab/left/observation/image",
            "/lab/left/policy/action",
        }
        assert not [c.topic for c in reader.connections if c.topic.startswith("/wayfarer")]

    for old, new in zip(
        RunDirectory(runs[0]).episodes().values(),
        sorted((tmp_path / "out").glob("*.mcap")),
        strict=True,
    ):
        before, after = read_episode(old), read_episode(new)
        assert (before.images == after.images).all()
        assert (before.actions == after.actions).all()


def test_one_topic_can_be_renamed_and_a_name_that_does_not_occur_is_refused(
    tmp_path: Path, runs: list[Path]
) -> None:
    relabel_topics(runs[0], tmp_path / "out", {"/wayfarer/sim/object_pose": "/tracker/pose"})
    assert read_episode(tmp_path / "out" / "episode_000000.mcap").object_poses is None
    with pytest.raises(ConfigError, match="has no topic /wayfare"):
        relabel_topics(runs[0], tmp_path / "none", {"/wayfare": "/x"})
    assert not (tmp_path / "none").exists()


# --- byte for byte ---

LATCHED = """\
- history: 1
  depth: 1
  reliability: 1
  durability: 1
  deadline: {sec: 9223372036, nsec: 854775807}
  avoid_ros_namespace_conventions: false
"""
HUMBLE = b"std_msgs/Header header\nuint8 ULTRASOUND=0  # no variance yet\nuint8 radiation_type\nfloat32 range\n"


def channels_of(*files: Path) -> dict[str, tuple[object, ...]]:
    """What stands in files of each topic, but its name.

    Schema, encodings, metadata, and its messages.
    """
    found: dict[str, tuple[object, ...]] = {}
    for file in files:
        with file.open("rb") as stream:
            for schema, channel, message in make_reader(stream, validate_crcs=True).iter_messages():
                about = (schema.name, schema.encoding, schema.data) if schema else ()
                one = (*about, channel.message_encoding, tuple(channel.metadata.items()))
                said = found.setdefault(channel.topic, (*one, []))
                assert said[:-1] == one

                # records may be numbered anew
                data = message.data if "episode" not in channel.topic else b""
                said[-1].append((data, message.log_time, message.publish_time, message.sequence))  # type: ignore[attr-defined]

    return found


@pytest.fixture
def odd_run(tmp_path: Path) -> Path:
    """A run with a channel of an older distribution, and metadata that nobody here writes."""
    run = write_run(tmp_path / "odd", 2, 3)
    for file in RunDirectory(run).episodes().values():
        recorded = list(messages(file))
        metadata = (("topic_type_hash", "RIHS01_00"), ("offered_qos_profiles", LATCHED))
        sonar = Channel("/sonar", "sensor_msgs/msg/Range", LATCHED, HUMBLE, metadata=metadata)
        before = recorded[2]
        channels = {
            message.channel: replace(message.channel, metadata=metadata) for message in recorded
        }
        file.unlink()
        writer = EpisodeWriter(file, [sonar, *channels.values()])

        for message in recorded:
            writer.copy(message, channels[message.channel])

        writer.copy(
            Message(sonar, b"\0\1\0\0ab", before.log_time + 5, before.log_time + 3, 77, 0), sonar
        )
        writer.close()

    recorder = RunWriter(run)
    recorder.write_metadata()
    recorder.release()
    assert verify(run).code == GOOD

    return run


def test_schemas_and_quality_of_service_stay_byte_for_byte(tmp_path: Path, odd_run: Path) -> None:
    before = channels_of(*sorted(odd_run.glob("*.mcap")))
    assert before["/sonar"][2] == HUMBLE
    assert dict(before["/sonar"][4])["offered_qos_profiles"] == LATCHED  # type: ignore[call-overload]
    split(odd_run, tmp_path / "parts", 1)
    assert channels_of(*sorted((tmp_path / "parts").rglob("*.mcap"))) == before
    merge([odd_run], tmp_path / "same")
    assert channels_of(*sorted((tmp_path / "same").glob("*.mcap"))) == before
    again = shutil.copytree(odd_run, tmp_path / "again")
    merge([odd_run, again], tmp_path / "twice")  # with other numbers
    merged = sorted((tmp_path / "twice").glob("*.mcap"))
    assert channels_of(*merged[:2]) == channels_of(*merged[2:]) == before
    relabel_topics(odd_run, tmp_path / "relabelled", {"/wayfarer": "/lab"})
    renamed = channels_of(*sorted((tmp_path / "relabelled").glob("*.mcap")))
    assert renamed == {topic.replace("/wayfarer", "/lab"): said for topic, said in before.items()}
    torn = odd_run / "episode_000002.mcap.part"
    torn.write_bytes((odd_run / "episode_000001.mcap").read_bytes()[:-100])
    recover(odd_run, tmp_path / "recovered")
    again = channels_of(tmp_path / "recovered" / "episode_000002.mcap")
    assert again["/sonar"] == channels_of(odd_run / "episode_000001.mcap")["/sonar"]


@pytest.mark.parametrize("sqlite", [False, True])
def test_another_recorder_s_bag_keeps_all_but_its_topics_names(
    tmp_path: Path, runs: list[Path], sqlite: bool
) -> None:
    (first, *_) = RunDirectory(runs[0]).episodes().values()
    said = said_in(first)
    metadata = (("topic_type_hash", "RIHS01_00"), ("offered_qos_profiles", LATCHED))
    sonar = Said(
        "/sonar", "sensor_msgs/msg/Range", HUMBLE, b"\0\1\0\0ab", said[0].log_time, metadata
    )

    if sqlite:
        bag = record(tmp_path / "bag", [first], storage=StoragePlugin.SQLITE3)
        with sqlite3.connect(bag / "bag.db3") as database:
            database.execute("update topics set offered_qos_profiles = ?", (LATCHED,))
    else:
        extra = {"attachments": {"robot.urdf": b"<robot/>"}, "records": {"rosbag2": {"a": "b"}}}
        bag = write(tmp_path / "bag.mcap", [sonar, *said], McapLayout(compression="lz4", **extra))  # type: ignore[arg-type]

    relabel_topics(bag, tmp_path / "out", {"/wayfarer": "/lab"})
    found = channels_of(tmp_path / "out" / "out.mcap")
    assert set(found) == {one.topic.replace("/wayfarer", "/lab") for one in said} | (
        set() if sqlite else {"/sonar"}
    )

    for topic, of in found.items():
        assert dict(of[4]).get("offered_qos_profiles") == (
            LATCHED if sqlite or topic == "/sonar" else ""
        )  # type: ignore[call-overload]

    schemas = {one.topic.replace("/wayfarer", "/lab"): one.schema for one in (*said, sonar)}
    assert {topic: of[2] for topic, of in found.items()} == {
        topic: schemas[topic] for topic in found
    }
    about = yaml.safe_load((tmp_path / "out" / "metadata.yaml").read_text())[
        "rosbag2_bagfile_information"
    ]
    profiles = {
        topic["topic_metadata"]["name"]: topic["topic_metadata"]["offered_qos_profiles"]
        for topic in about["topics_with_message_count"]
    }
    one = profiles["/lab/policy/action" if sqlite else "/sonar"][0]

    # of version 9
    words = {"history": "keep_last", "reliability": "reliable", "durability": "transient_local"}
    assert {key: one[key] for key in words} == words

    if not sqlite:
        with (tmp_path / "out" / "out.mcap").open("rb") as stream:
            reader = make_reader(stream)
            assert [(one.name, one.data) for one in reader.iter_attachments()] == [
                ("robot.urdf", b"<robot/>")
            ]
            assert [(one.name, one.metadata) for one in reader.iter_metadata()] == [
                ("rosbag2", {"a": "b"})
            ]

    assert verify(tmp_path / "out").code == GOOD


def test_a_changed_run_yaml_is_not_handed_on(tmp_path: Path, runs: list[Path]) -> None:
    (runs[0] / "run.yaml").write_text("format: 1\nsessions: []\n")
    for k, act in enumerate((lambda out: merge(runs, out), lambda out: split(runs[0], out, 1))):
        with pytest.raises(
            DataError, match=r"run\.yaml is not as it was written: .*`wayfarer bag recover --write`"
        ):
            act(tmp_path / str(k))

    assert recover(runs[0], tmp_path / "out").failed[0].file == "run.yaml"
    assert verify(tmp_path / "out").code == GOOD


every_tool = pytest.mark.parametrize(
    "act",
    [
        lambda run, out: merge([run], out),
        lambda run, out: split(run, out, 1),
        lambda run, out: relabel_topics(run, out, {"/wayfarer": "/x"}),
    ],
    ids=["merge", "split", "relabel"],
)


@every_tool
def test_nothing_is_written_over_and_damage_is_not_handed_on(
    tmp_path: Path, runs: list[Path], act: Callable[[Path, Path], object]
) -> None:
    before = {p.name: p.read_bytes() for p in runs[0].iterdir() if p.is_file()}
    with pytest.raises(ConfigError, match="exists already"):
        act(runs[0], runs[1])

    assert {p.name: p.read_bytes() for p in runs[0].iterdir() if p.is_file()} == before
    damaged = bytearray(before["episode_000001.mcap"])
    damaged[len(damaged) // 2] ^= 1
    (runs[0] / "episode_000001.mcap").write_bytes(damaged)

    with pytest.raises(DataError, match=r"episode_000001\.mcap"):
        act(runs[0], tmp_path / "out")

    assert not (tmp_path / "out").exists()


@every_tool
@pytest.mark.parametrize("harm", ["torn", "missing", "missing and not noted"])
def test_a_run_that_is_not_whole_is_recovered_first(
    tmp_path: Path, runs: list[Path], act: Callable[[Path, Path], object], harm: str
) -> None:
    if harm == "torn":
        write_episode(runs[0], 2, 4, end=None)
    else:
        (runs[0] / "episode_000001.mcap").unlink()

    if harm == "missing and not noted":
        (runs[0] / "SHA256SUMS").unlink()

    with pytest.raises(DataError, match=r"episode_00000[12].*torn or missing.*bag recover"):
        act(runs[0], tmp_path / "out")

    assert not (tmp_path / "out").exists()
    recover(runs[0], tmp_path / "recovered")
    act(tmp_path / "recovered", tmp_path / "out")


def test_labels_go_along_with_their_episodes_whatever_their_new_numbers(tmp_path: Path) -> None:
    a, b = (write_run(tmp_path / name, 2, 3) for name in "ab")
    write_label(a, 1, success=True, note="first")
    write_label(b, 0, success=False)
    merge([a, b], tmp_path / "both")
    assert read_labels(tmp_path / "both") == {1: Label(True, "first"), 2: Label(False)}
    split(tmp_path / "both", tmp_path / "parts", 2)
    assert read_labels(tmp_path / "parts" / "part_000") == {1: Label(True, "first")}
    assert read_labels(tmp_path / "parts" / "part_001") == {2: Label(False)}
    relabel_topics(a, tmp_path / "renamed", {"/wayfarer": "/left"})
    assert read_labels(tmp_path / "renamed") == read_labels(a)
    merge([a], tmp_path / "one")
    assert read_labels(tmp_path / "one") == read_labels(a)
