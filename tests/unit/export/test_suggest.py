from fractions import Fraction
from pathlib import Path

import pytest
from fixtures import any_bags as bags
from fixtures.any_bags import SECOND, START, Session, arm_and_cameras
from wayfarer_core.errors import ConfigError
from wayfarer_export.foreign.convert import convert
from wayfarer_export.foreign.map import Map, read_map
from wayfarer_export.foreign.suggest import suggest_map

JOINTS, POSE = "sensor_msgs/msg/JointState", "geometry_msgs/msg/PoseStamped"


def suggested(folder: Path, session: Session) -> tuple[Map, str]:
    """Suggest a map, and run it as it is."""
    bag, out = session.write(folder / "bag"), folder / "map.yaml"
    suggest_map(bag, out)
    found = read_map(out)
    assert convert([bag], found, out, folder / "out").frames > 1

    return found, out.read_text()


def test_it_says_what_the_bag_holds_and_finds_joints_and_commands(tmp_path: Path) -> None:
    found, text = suggested(tmp_path, arm_and_cameras())
    assert list(found.features) == [
        *("observation.images.front", "observation.images.wrist", "observation.state", "action"),
    ]
    joints, pose, *_ = found.features["observation.state"]
    assert (joints.names, joints.take) == (bags.JOINTS, ("position", "velocity"))
    assert (joints.max_age, pose.max_age) == (0.06, 0.15)  # three periods
    assert [source.topic for source in found.features["action"]] == ["/commands"]
    assert "# sensor_msgs/msg/JointState, 200 messages, 50 Hz" in text


@pytest.mark.parametrize(
    ("period", "rate"),
    [(0.4, "5/2"), (0.0334, "30"), (0.5, "2"), (0.7, "10/7"), (2.0, "1/2"), (4.0, "1/4")],
)
def test_the_rate_is_that_of_the_slowest_camera_as_a_plain_fraction(
    tmp_path: Path, period: float, rate: str
) -> None:
    session = Session()
    for k in range(12):
        now = START + round(k * period * SECOND)
        session.add("/c/image_raw", "sensor_msgs/msg/Image", bags.image(bags.picture(k), now), now)
        session.add("/pose", POSE, bags.pose(now, k, 0, 0), now)

    found, _ = suggested(tmp_path, session)
    assert found.rate == Fraction(rate) or abs(found.rate - Fraction(rate)) < Fraction(rate) / 50
    assert abs(float(found.rate) * period - 1) < 0.02


def test_a_topic_with_two_publishers_is_two_sources(tmp_path: Path) -> None:
    session = Session()
    for k in range(50):
        now = START + k * SECOND // 50
        session.add("/joint_states", JOINTS, bags.joints(now, [k, k, k]), now)
        session.add("/joint_states", JOINTS, bags.joints(now + 1000, [k], ["finger"]), now + 1000)

    found, _ = suggested(tmp_path, session)
    assert [source.names for source in found.features["observation.state"]] == [
        bags.JOINTS,
        ("finger",),
    ]


def test_headers_that_are_of_no_use_leave_the_recorder_s_clock(tmp_path: Path) -> None:
    session = Session()
    for k in range(30):
        now = START + k * SECOND // 10
        session.add("/unset", POSE, bags.pose(0, k, 0, 0), now)
        session.add("/simulated", POSE, bags.pose(k * SECOND // 10 + 1, k, 0, 0), now)

    found, text = suggested(tmp_path, session)
    assert [source.time for source in found.features["observation.state"]] == ["log", "log"]
    assert "time: log  # its headers hold no time" in text
    assert "time: log  # its headers have another clock than the recorder" in text


def test_what_is_not_used_is_listed_with_its_reason(tmp_path: Path) -> None:
    session = arm_and_cameras(1.0)
    for k in range(10):
        now = START + k * SECOND // 10
        session.add(
            "/front/compressed",
            "sensor_msgs/msg/CompressedImage",
            bags.compressed(bags.picture(k), now),
            now,
        )
        session.add(
            "/depth",
            "sensor_msgs/msg/Image",
            bags.image(bags.picture(k)[..., 0], now, "16UC1"),
            now,
        )
        session.add("/chatter", "std_msgs/msg/String", bags.T["std_msgs/msg/String"]("a"), now)

    found, text = suggested(tmp_path, session)
    assert "observation.images.depth" not in found.features
    assert "#   /front/compressed: the same camera as one above" in text
    assert "#   /depth: /depth has images of the encoding '16UC1'" in text
    assert "#   /chatter: std_msgs/msg/String is not read" in text


def test_names_that_never_end_do_not_fill_the_map(tmp_path: Path) -> None:
    session = arm_and_cameras(1.0)
    for k in range(40):
        now = START + k * SECOND // 50
        session.add("/endless", JOINTS, bags.joints(now, [k], [f"joint_{k}"]), now)
        session.add("/wide", "std_msgs/msg/Float64MultiArray", bags.numbers(*range(1001)), now)

    found, text = suggested(tmp_path, session)
    assert not {"/endless", "/wide"} & found.topics
    assert "#   /endless: /endless has other names in every message" in text
    assert "#   /wide: /wide has 1001 numbers in a message" in text


def test_a_bag_with_nothing_to_read_is_refused(tmp_path: Path) -> None:
    session = Session()
    session.add("/chatter", "std_msgs/msg/String", bags.T["std_msgs/msg/String"]("a"), START)
    bag = session.write(tmp_path / "bag")

    with pytest.raises(
        ConfigError,
        match=r"bag has no topic that can be read; it has /chatter, what can be read is ",
    ):
        suggest_map(bag, tmp_path / "map.yaml")

    with pytest.raises(ConfigError, match=r"exists already"):
        suggest_map(bag, bag)
