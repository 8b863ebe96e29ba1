"""What is written without ROS is what the nodes would send."""

from typing import Any

import numpy as np
import pytest
from rclpy.serialization import serialize_message
from tf2_msgs.msg import TFMessage
from wayfarer_common.conversions import standing_transform, transform
from wayfarer_core.reason import Reason
from wayfarer_core.rotation import quaternion_of_matrix
from wayfarer_core.safety import Workspace
from wayfarer_in_process.messages import Messages
from wayfarer_report.view.scene import Scene, Wanted
from wayfarer_report.view.shapes import shapes_of
from wayfarer_view.markers import markers_of

PLACE, TURN = np.array([0.5, 0.1, 0.2]), np.array([0.6, 0.0, 0.8, 0.0])


@pytest.fixture(scope="module")
def messages() -> Messages:
    return Messages()


def full_scene() -> Scene:
    made = Scene()
    made.workspace = Workspace(PLACE - 0.2, PLACE + 0.2, 0.1)
    made.target, made.goal = PLACE, PLACE + 0.1
    made.wanted = Wanted(PLACE + 0.2, Reason.SPEED | Reason.WORKSPACE, refused=False)

    return made


def assert_same(messages: Messages, ours: Any, sent: Any) -> None:
    """Both have the same type and bytes, but for those that only align the others."""
    kind = ours.__msgtype__
    assert kind == f"{type(sent).__module__.split('.')[0]}/msg/{type(sent).__name__}"
    there = messages.types.deserialize_cdr(serialize_message(sent), kind)
    assert messages.cdr(ours) == messages.cdr(there)


@pytest.mark.parametrize("scene", [Scene(), full_scene()], ids=["empty", "full"])
def test_markers_are_those_of_the_view_node(messages: Messages, scene: Scene) -> None:
    shapes = shapes_of(scene)
    assert_same(messages, messages.markers(shapes), markers_of(shapes))


def test_frames_are_those_of_the_nodes(messages: Messages) -> None:
    moved = transform("end_effector", PLACE, TURN, 1_500_000_000)
    header = messages.header(1_500_000_000)
    written = messages.transform(header, "end_effector", PLACE, TURN)
    assert_same(messages, written, TFMessage(transforms=[moved]))


def test_a_frame_that_stands_is_that_of_the_nodes(messages: Messages) -> None:
    T = np.array([[0.0, 0.0, 1.0, 0.3], [1.0, 0.0, 0.0, 0.1], [0.0, 1.0, 0.0, 0.7], [0, 0, 0, 1]])
    where = T[:3, 3], quaternion_of_matrix(T[:3, :3])
    written = messages.transform(messages.header(0, "hand"), "camera", *where)
    standing = standing_transform("camera", T, "hand")
    assert_same(messages, written, TFMessage(transforms=[standing]))
