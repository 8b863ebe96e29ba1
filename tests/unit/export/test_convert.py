"""Bags of any topics to LeRobot datasets by a map, read back.

And bags and maps that cannot be used.
"""

import json
import tracemalloc
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from fixtures import any_bags as bags
from fixtures.any_bags import SECOND, START, Session, arm_and_cameras
from fixtures.official import load_officially
from rosbags.rosbag2 import StoragePlugin
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_export.foreign.convert import Report, convert
from wayfarer_export.foreign.map import Map, read_map

FEATURES = """
features:
  observation.images.front:
    - {topic: /front/image_raw, max_age: 0.25}
  observation.images.wrist:
    - {topic: /wrist/image_raw/compressed, max_age: 0.25}
  observation.state:
    - {topic: /joint_states, max_age: 0.1, names: [joint_b, joint_a]}
    - {topic: /ee_pose, max_age: 0.1, take: [position]}
  action:
    - {topic: /commands, max_age: 0.25, names: [left, right]}
"""
JOINTS = "sensor_msgs/msg/JointState"
ONE = "\nfeatures: {observation.state: [{topic: /joint_states, max_age: 0.1, names: [joint_a]}]}\n"


def written(folder: Path, text: str, rate: Any = 10) -> Path:
    path = folder / "map.yaml"
    path.write_text(f"format: wayfarer map 1\nrate: {rate}\n{text}")
    return path


def exported(bag: Path, text: str = FEATURES, rate: Any = 10) -> tuple[Report, dict[str, Any]]:
    """Export a bag into a folder beside it; return what was said, and the columns."""
    where, out = written(bag.parent, text, rate), bag.parent / "out"
    report = convert([bag], read_map(where), where, out)
    return report, columns(out)


def columns(out: Path) -> dict[str, Any]:
    tables = [pq.read_table(file).to_pydict() for file in sorted((out / "data").rglob("*.parquet"))]
    return {name: [value for table in tables for value in table[name]] for name in tables[0]}


def joints_at(times: list[float]) -> Session:
    session = Session()
    for k, time in enumerate(times):
        now = START + round(time * SECOND)
        session.add("/joint_states", JOINTS, bags.joints(now, [k, 0, 0]), START + k * 1_000_000)

    return session


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return arm_and_cameras().write(tmp_path_factory.mktemp("bags") / "bag")


@pytest.mark.parametrize(
    "storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3], ids=lambda s: s.name.lower()
)
def test_each_frame_has_the_latest_value_of_each_topic_and_says_how_old_it_is(
    tmp_path: Path, storage: StoragePlugin
) -> None:
    path = arm_and_cameras().write(tmp_path / "bag", storage)
    report, found = exported(path)

    # the commands have no header: they are as late as they were heard, 0.02 s
    assert (report.frames, report.episodes, dict(report.passed_over)) == (40, 1, {})
    frames = np.arange(40)
    expected = {"left": frames, "right": -frames}
    assert np.array(found["action"]) == pytest.approx(
        np.stack([expected["left"], expected["right"]], axis=1)
    )
    state = np.array(found["observation.state"])
    joint = np.minimum(frames * 5 + 1, 199)  # of 50 Hz, at 0.02 s behind each tenth
    assert state[:, 0] == pytest.approx(joint + 1)
    assert state[:, 1] == pytest.approx(joint)
    assert state[:, 2] == pytest.approx(np.minimum(frames * 2, 79))
    assert np.array(found["age.action"]) == pytest.approx(0)
    assert np.array(found["age.observation.images.front"]) == pytest.approx(0.02)
    assert np.array(found["age.observation.state"]) == pytest.approx(np.tile([0, 0.02], (40, 1)))
    assert found["timestamp"] == pytest.approx(frames / 10)


@pytest.mark.slow
def test_the_official_loader_reads_every_feature(tmp_path: Path, bag: Path) -> None:
    where = written(tmp_path, f"task: stack the cubes\n{FEATURES}", 2.5)
    report = convert([bag, bag], read_map(where), where, tmp_path / "out")
    assert (report.frames, report.episodes) == (20, 2)
    found = load_officially("mapped", tmp_path / "out", tmp_path)
    assert float(found["fps"]) == 2.5
    assert found["timestamp"] == pytest.approx(np.tile(np.arange(10) * 0.4, 2))
    assert found["episode_index"].tolist() == [0] * 10 + [1] * 10
    front = (found["observation.images.front"] * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
    assert (front == np.stack([bags.picture(4 * k) for k in range(10)] * 2)).all()
    wrist = (found["observation.images.wrist"] * 255).round().astype(int).transpose(0, 2, 3, 1)
    assert (
        np.abs(wrist - np.stack([bags.picture(4 * k + 100, 16, 20) for k in range(10)] * 2)).mean()
        < 12
    )
    assert found["observation.state"].shape == (20, 5)
    assert found["age.observation.state"].shape == (20, 2)
    assert found["action"][:, 0].tolist() == [4.0 * k for k in range(10)] * 2
    there = ~found["next_is_padding"]
    assert np.flatnonzero(~there).tolist() == [9, 19]
    assert (found["next_actions"][there] == found["action"][np.flatnonzero(there) + 1]).all()
    assert set(found["tasks"]) == {"stack the cubes"}
    assert found["means"] == pytest.approx(found["observation.state"].mean(axis=0), abs=1e-5)


def test_the_dataset_says_which_map_made_it_and_its_rate_as_a_fraction(
    tmp_path: Path, bag: Path
) -> None:
    where = written(tmp_path, FEATURES, '"30000/1001"')
    convert([bag], read_map(where), where, tmp_path / "out")
    about = json.loads((tmp_path / "out" / "meta" / "info.json").read_text())
    assert about["fps"] == 30000 / 1001
    assert about["wayfarer"]["rate"] == about["wayfarer"]["map"]["rate"] == "30000/1001"
    assert about["wayfarer"]["bags"] == [str(bag)]
    assert about["features"]["observation.state"]["names"] == [
        *("joint_b.position", "joint_a.position", "x", "y", "z"),
    ]
    assert about["features"]["age.observation.state"]["names"] == ["/joint_states", "/ee_pose"]


def test_names_that_occur_twice_say_their_topic(tmp_path: Path, bag: Path) -> None:
    text = "features: {action: [{topic: /speed, max_age: 1, take: [linear]}, {topic: /speed, max_age: 1, take: [linear]}]}"
    exported_to = tmp_path / "out"
    where = written(tmp_path, text)
    convert([bag], read_map(where), where, exported_to)
    names = json.loads((exported_to / "meta" / "info.json").read_text())["features"]["action"][
        "names"
    ]
    assert names[0] == "/speed:linear.x"


# --- stretches and episodes ---


def test_a_gap_cuts_a_stretch_or_is_refused_as_the_map_says(tmp_path: Path) -> None:
    times = [k / 50 for k in range(100) if not 40 <= k < 60]
    path = joints_at(times).write(tmp_path / "bag")
    report, found = exported(path, ONE)
    assert report.episodes == 2
    assert found["episode_index"] == [0] * 9 + [1] * 8
    assert max(age for age in found["age.observation.state"]) <= 0.1
    where = written(tmp_path, ONE.replace("names", "when_older: refuse, names"))
    words = r"bag: /joint_states has no value for observation.state for 0.420 s from 1700000000.780 s on, the map's max_age"

    with pytest.raises(DataError, match=words):
        convert([path], read_map(where), where, tmp_path / "other")

    assert not (tmp_path / "other").exists()


def test_a_video_that_pauses_ends_the_episode_of_all_features(tmp_path: Path) -> None:
    session = arm_and_cameras()
    session.messages = [
        m
        for m in session.messages
        if "front" not in m[0] or not START + SECOND < m[3] < START + 2 * SECOND
    ]
    report, found = exported(session.write(tmp_path / "bag"))
    assert report.episodes == 2
    assert max(found["age.observation.images.front"]) <= 0.25
    source = pq.read_table(next((tmp_path / "out" / "meta" / "episodes").rglob("*.parquet")))[
        "source"
    ].to_pylist()
    assert source == [f"bag from {START + 20_000_000} ns", f"bag from {START + 2 * SECOND} ns"]


def test_stretches_that_are_too_short_are_left_out_and_counted(tmp_path: Path) -> None:
    path = joints_at([0, 0.02, 0.04, 1, 2, 2.1, 2.2]).write(tmp_path / "bag")
    report, _ = exported(path, "shortest: 3\n" + ONE)
    assert (report.episodes, report.frames, report.too_short) == (1, 3, 2)


@pytest.mark.parametrize(
    ("when", "lengths"),
    [("message", [10, 10, 20]), ("change", [20, 20]), ("silence, silence: 0.5", [1, 1])],
)
def test_a_topic_tells_the_episodes_apart(tmp_path: Path, when: str, lengths: list[int]) -> None:
    session = joints_at([k / 50 for k in range(200)])
    for m, (time, value) in enumerate([(0, 1), (1, 1), (2, 2)]):
        if "silence" in when and m == 1:
            continue

        now = START + time * SECOND
        session.add(
            "/episode", "geometry_msgs/msg/PoseStamped", bags.pose(now, value, 0, 0), START + m
        )

    text = "shortest: 1\n" + ONE + f"split: {{topic: /episode, when: {when}}}\n"
    _, found = exported(session.write(tmp_path / "bag"), text)
    assert [found["episode_index"].count(k) for k in range(len(lengths))] == lengths
    assert len(found["index"]) == sum(lengths)


def test_bags_of_different_shapes_are_no_one_dataset(tmp_path: Path) -> None:
    first, second = Session(), Session()
    for session, width in ((first, 8), (second, 10)):
        for k in range(5):
            now = START + k * SECOND // 10
            session.add(
                "/c", "sensor_msgs/msg/Image", bags.image(bags.picture(k, 6, width), now), now
            )

    paths = [first.write(tmp_path / "first"), second.write(tmp_path / "second")]
    where = written(tmp_path, "features: {observation.images.c: [{topic: /c, max_age: 1}]}")
    words = r"second: observation.images.c is \[6, 10, 3\] of image, in .*first it is \[6, 8, 3\]"

    with pytest.raises(DataError, match=words):
        convert(paths, read_map(where), where, tmp_path / "out")

    assert not (tmp_path / "out").exists()


# --- clocks ---


def test_a_clock_that_jumps_back_is_named_with_its_topic_and_time(tmp_path: Path) -> None:
    path = joints_at([0, 0.1, 0.2, 0.3, 0.05, 0.15]).write(tmp_path / "bag")
    words = r"at message 5 of /joint_states its header's clock jumps back by 0.250 s, from 1700000000.300 to 1700000000.050"
    with pytest.raises(DataError, match=words):
        exported(path, ONE)


def test_two_messages_that_were_swapped_are_put_in_order(tmp_path: Path) -> None:
    _, found = exported(joints_at([0, 0.1, 0.25, 0.2, 0.3]).write(tmp_path / "bag"), ONE)
    assert [
        value[0] if isinstance(value, list) else value for value in found["observation.state"]
    ] == [0, 1, 3, 4]


def test_the_recorder_s_clock_is_asked_where_the_map_says_so(tmp_path: Path) -> None:
    path = joints_at([0, 0.1, 0.05, 0.3]).write(tmp_path / "bag")  # heard every millisecond
    _, found = exported(path, "shortest: 1\n" + ONE.replace("names", "time: log, names"), 1000)
    assert found["observation.state"] == [0, 1, 2, 3]


def test_headers_without_a_time_are_refused_with_what_would_help(tmp_path: Path) -> None:
    session = Session()
    session.add("/joint_states", JOINTS, bags.joints(0, [1, 2, 3]), START)
    with pytest.raises(
        DataError, match=r"message 1 of /joint_states has the stamp 0: .* let the map say time: log"
    ):
        exported(session.write(tmp_path / "bag"), ONE)


def test_topics_on_two_clocks_have_no_frame_in_common_and_that_is_said(tmp_path: Path) -> None:
    session = joints_at([k / 10 for k in range(20)])
    for k in range(20):
        session.add(
            "/commands",
            "std_msgs/msg/Float64MultiArray",
            bags.numbers(k),
            START // 2 + k * SECOND // 10,
        )

    text = ONE + "  \n"
    text = text.replace("]}]}", "]}], action: [{topic: /commands, max_age: 1, names: [a]}]}")
    with pytest.raises(
        DataError,
        match=r"at no time is there a value of every feature .* Are all topics on one clock",
    ):
        exported(session.write(tmp_path / "bag"), text)

    assert not (tmp_path / "out").exists()


# --- what cannot be used ---


def test_a_topic_that_is_missing_is_named_with_those_that_are_there(
    tmp_path: Path, bag: Path
) -> None:
    where = written(tmp_path, ONE.replace("/joint_states", "/joints"))
    words = r"map.yaml: observation.state: .*bag has no topic /joints; it has /commands, /ee_pose, /force, /front/image_raw"
    with pytest.raises(ConfigError, match=words):
        convert([bag], read_map(where), where, tmp_path / "out")


def test_a_type_that_nobody_knows_is_named_with_those_that_can_be_read(tmp_path: Path) -> None:
    session = Session()
    session.add("/joint_states", "std_msgs/msg/String", bags.T["std_msgs/msg/String"]("a"), START)
    with pytest.raises(
        ConfigError,
        match=r"/joint_states is std_msgs/msg/String in cdr, what can be read is sensor_msgs",
    ):
        exported(session.write(tmp_path / "bag"), ONE)


def test_messages_without_what_is_wanted_are_passed_over_and_counted(tmp_path: Path) -> None:
    session = joints_at([k / 50 for k in range(20)])
    for k in range(20):
        now = START + k * SECOND // 50
        session.add(
            "/joint_states", JOINTS, bags.joints(now, [1], ["finger"]), START + k * 1_000_000 + 1
        )

    report, found = exported(session.write(tmp_path / "bag"), ONE)
    assert dict(report.passed_over) == {"/joint_states: it has no joint 'joint_a', but finger": 20}
    assert found["observation.state"] == [0, 5, 10, 15]
    where = written(tmp_path, ONE.replace("joint_a", "elbow"))
    words = r"all of its messages were passed over. 20: it has no joint 'elbow', but joint_a, .*; 20: .*, but finger"

    with pytest.raises(DataError, match=words):
        convert([tmp_path / "bag"], read_map(where), where, tmp_path / "other")


@pytest.mark.parametrize(
    "storage", [StoragePlugin.MCAP, StoragePlugin.SQLITE3], ids=lambda s: s.name.lower()
)
def test_a_bag_that_was_cut_off_is_named_and_leaves_nothing(
    tmp_path: Path, storage: StoragePlugin
) -> None:
    path = arm_and_cameras().write(tmp_path / "bag", storage)
    (file,) = [f for f in path.iterdir() if f.suffix in (".mcap", ".db3")]
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=rf"{file.name} is damaged"):
        exported(path)

    assert not (tmp_path / "out").exists()


def test_an_image_of_another_size_in_the_middle_is_named(tmp_path: Path) -> None:
    session = Session()
    for k in range(6):
        now = START + k * SECOND // 10
        message = bags.image(bags.picture(k, 6, 8 + (k == 4)), now)
        session.add("/c", "sensor_msgs/msg/Image", message, now)

    text = "features: {observation.images.c: [{topic: /c, max_age: 1}]}"
    with pytest.raises(
        DataError, match=r"image 5 of /c has the shape \(6, 9, 3\), the first one \(6, 8, 3\)"
    ):
        exported(session.write(tmp_path / "bag"), text)

    assert not (tmp_path / "out").exists()


def of_jpegs(count: int, wide: int = -1) -> Session:
    """A camera at 10 Hz that grows brighter; the image `wide` is a column wider."""
    session = Session()
    for k in range(count):
        now = START + k * SECOND // 10
        pixels = np.full((6, 8 + (k == wide), 3), (k * 255) // count, np.uint8)
        session.add("/c", COMPRESSED, bags.compressed(pixels, now, "jpg"), now)

    return session


COMPRESSED = "sensor_msgs/msg/CompressedImage"
JPEGS = "features: {observation.images.c: [{topic: /c, max_age: 1}]}"


@pytest.mark.parametrize(("count", "each"), [(150, 1), (450, 4), (1200, 10), (1999, 10)])
def test_the_statistics_of_jpegs_are_those_of_each_tenth_but_of_a_hundred_at_least(
    tmp_path: Path, count: int, each: int
) -> None:
    _, found = exported(of_jpegs(count).write(tmp_path / "bag"), JPEGS)
    files = [image["bytes"] for image in found["observation.images.c"]]
    assert len(files) == count
    pixels = np.concatenate(
        [
            cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_COLOR)[..., ::-1].reshape(-1, 3)
            for file in files[::each]
        ]
    )
    told = json.loads((tmp_path / "out" / "meta" / "stats.json").read_text())
    told = told["observation.images.c"]
    for name in ("mean", "std", "min", "max"):
        expected = getattr(np, name)(pixels / 255, axis=0)
        assert np.array(told[name])[:, 0, 0] == pytest.approx(expected, abs=1e-12), name

    assert told["count"] == [len(pixels)]


def test_a_jpeg_of_another_size_is_named_though_it_is_not_decoded(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"image 1206 of /c has the shape \(6, 9, 3\)"):
        exported(of_jpegs(1300, wide=1205).write(tmp_path / "bag"), JPEGS)


def test_an_image_feature_of_two_topics_is_refused(tmp_path: Path, bag: Path) -> None:
    text = "features: {a: [{topic: /front/image_raw, max_age: 1}, {topic: /ee_pose, max_age: 1}]}"
    where = written(tmp_path, text)
    with pytest.raises(
        ConfigError, match=r"a is made of 2 topics: an image is a feature by itself"
    ):
        convert([bag], read_map(where), where, tmp_path / "out")


def test_what_exists_is_never_written_over(tmp_path: Path, bag: Path) -> None:
    where = written(tmp_path, FEATURES)
    with pytest.raises(ConfigError, match="exists already"):
        convert([bag], read_map(where), where, where)


# --- memory ---


def peak(work: Callable[[], Any]) -> int:
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_bag(tmp_path: Path) -> None:
    peaks = []
    for seconds in (10, 40):
        session = Session()
        for k in range(seconds * 10):
            now = START + k * SECOND // 10
            noise = np.random.default_rng(k).integers(0, 256, (120, 160, 3), dtype=np.uint8)
            session.add("/c", "sensor_msgs/msg/Image", bags.image(noise, now), now)

        path = session.write(tmp_path / f"bag_{seconds}")
        del session
        mapping = Map(
            Fraction(10),
            read_map(written(tmp_path, "features: {i: [{topic: /c, max_age: 1}]}")).features,
        )
        peaks.append(
            peak(lambda p=path, m=mapping: convert([p], m, tmp_path, p.with_suffix(".out")))
        )  # type: ignore[misc]

    assert peaks[1] < 1.3 * peaks[0]


def test_topics_far_apart_in_a_file_are_refused_before_they_fill_the_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = arm_and_cameras()
    session.messages.sort(key=lambda m: m[0])
    path = session.write(tmp_path / "bag", by_time=False)
    _, found = exported(path)
    assert len(found["index"]) == 40
    monkeypatch.setattr("wayfarer_export.foreign.convert._WAITING", 5_000)

    with pytest.raises(
        DataError, match=r"images wait for messages of other topics .* `ros2 bag convert`"
    ):
        convert([path], read_map(tmp_path / "map.yaml"), tmp_path, tmp_path / "other")
