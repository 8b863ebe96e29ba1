import sys
from pathlib import Path

import numpy as np
import pytest
from rosbags.typesys.msg import get_types_from_msg
from wayfarer_bags.message_types import add_schema, base_types, types_of_packages
from wayfarer_core.errors import DataError

SHARE = Path(sys.prefix) / "share"
OURS = [SHARE / "wayfarer_msgs", SHARE / "franka_msgs"]


def test_ros_own_types_are_known_from_the_start() -> None:
    assert "sensor_msgs/msg/Image" in base_types().fielddefs
    assert "wayfarer_msgs/msg/Action" not in base_types().fielddefs


def test_every_message_of_an_interface_package_is_read_from_its_installed_files() -> None:
    store = types_of_packages(OURS)
    for folder in OURS:
        for file in (folder / "msg").glob("*.msg"):
            assert f"{folder.name}/msg/{file.stem}" in store.fielddefs

    # besides __msgtype__
    assert len(store.types["franka_msgs/msg/Errors"].__dataclass_fields__) - 1 == 36


def test_a_folder_without_messages_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no \.msg file: build the interface packages first"):
        types_of_packages([tmp_path])


@pytest.mark.parametrize(
    "name", ["Action", "ExecutedAction", "Episode", "Weights", "CollectorStatus"]
)
def test_the_schema_written_to_a_bag_teaches_a_reader_the_same_type(name: str) -> None:
    kind = f"wayfarer_msgs/msg/{name}"
    writer, reader = types_of_packages(OURS), base_types()
    text, digest = writer.generate_msgdef(kind, ros_version=2)
    add_schema(reader, kind, text)
    assert reader.generate_msgdef(kind, ros_version=2) == (text, digest)


def test_a_schema_leaves_types_alone_that_are_known_already() -> None:
    store = base_types()
    header = store.fielddefs["std_msgs/msg/Header"]
    kind = "wayfarer_msgs/msg/Action"
    text, _ = types_of_packages(OURS).generate_msgdef(kind, ros_version=2)
    add_schema(store, kind, text)
    add_schema(store, kind, text)
    assert store.fielddefs["std_msgs/msg/Header"] is header


def test_bytes_are_those_of_rclpy() -> None:
    from rclpy.serialization import deserialize_message, serialize_message
    from wayfarer_msgs.msg import Action

    message = Action(
        episode=3,
        step=4,
        action=np.array([0.5, -1.0, 0.25], np.float32),
        policy_version=2,
        last=True,
    )
    message.header.frame_id = "base"
    message.header.stamp.sec = 12
    store = types_of_packages(OURS)
    read = store.deserialize_cdr(serialize_message(message), "wayfarer_msgs/msg/Action")
    assert (read.header.stamp.sec, read.episode, read.step, read.last) == (12, 3, 4, True)  # type: ignore[attr-defined]
    assert read.action.tolist() == [0.5, -1.0, 0.25]  # type: ignore[attr-defined]
    assert (
        deserialize_message(bytes(store.serialize_cdr(read, "wayfarer_msgs/msg/Action")), Action)
        == message
    )


def test_the_messages_in_the_sources_are_the_installed_ones() -> None:
    sources = Path(__file__).parents[4] / "ros_ws" / "src"
    for folder in OURS:
        for file in (sources / folder.name / "msg").glob("*.msg"):
            kind = f"{folder.name}/msg/{file.stem}"
            assert (folder / "msg" / file.name).is_file(), f"{kind} is not built yet: run make"
            installed = (folder / "msg" / file.name).read_text()
            assert get_types_from_msg(file.read_text(), kind) == get_types_from_msg(
                installed, kind
            ), kind
