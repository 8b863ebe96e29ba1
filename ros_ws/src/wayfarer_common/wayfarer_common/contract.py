"""The contract for rclpy: message classes and qualities of service of its topics.

The table is `wayfarer_core.topics`; docs/contract.md shows it.
"""

from dataclasses import dataclass
from typing import Any

from franka_msgs.msg import FrankaRobotState
from geometry_msgs.msg import PointStamped, PoseStamped
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image, JointState
from tf2_msgs.msg import TFMessage
from visualization_msgs.msg import MarkerArray
from wayfarer_core import names, topics
from wayfarer_msgs.msg import (
    Acknowledgement,
    Action,
    CollectorStatus,
    Episode,
    ExecutedAction,
    Fault,
    GripperTarget,
    Novelty,
    TeleopCommand,
    Weights,
)

from wayfarer_common import qos


@dataclass(frozen=True)
class Topic:
    """A topic of the contract with its message class and quality of service."""

    plain: topics.Topic
    type: Any
    qos: QoSProfile

    @property
    def name(self) -> str:
        """Its relative name."""
        return self.plain.name

    @property
    def publisher(self) -> str:
        """The node that publishes it."""
        return self.plain.publisher

    @property
    def subscribers(self) -> tuple[str, ...]:
        """The nodes that must subscribe before an episode can run."""
        return self.plain.subscribers


def _spoken(plain: topics.Topic, kind: Any) -> Topic:
    return Topic(plain, kind, qos.profile(plain.quality))


CAMERA_IMAGE = _spoken(topics.CAMERA_IMAGE, Image)
CAMERA_INFO = _spoken(topics.CAMERA_INFO, CameraInfo)
CAMERA_FAULT = _spoken(topics.CAMERA_FAULT, Fault)
OBSERVATION_IMAGE = _spoken(topics.OBSERVATION_IMAGE, Image)
WRIST_IMAGE = _spoken(topics.WRIST_IMAGE, Image)
WRIST_INFO = _spoken(topics.WRIST_INFO, CameraInfo)
WRIST_FAULT = _spoken(topics.WRIST_FAULT, Fault)
WRIST_OBSERVATION = _spoken(topics.WRIST_OBSERVATION, Image)
POLICY_ACTION = _spoken(topics.POLICY_ACTION, Action)
EXECUTED = _spoken(topics.EXECUTED, ExecutedAction)
CONTROL_FAULT = _spoken(topics.CONTROL_FAULT, Fault)
TARGET_POSE = _spoken(topics.TARGET_POSE, PoseStamped)
TARGET_GRIPPER = _spoken(topics.TARGET_GRIPPER, GripperTarget)
ACKNOWLEDGEMENT = _spoken(topics.ACKNOWLEDGEMENT, Acknowledgement)
CURRENT_POSE = _spoken(topics.CURRENT_POSE, PoseStamped)
JOINT_STATES = _spoken(topics.JOINT_STATES, JointState)
ROBOT_STATE = _spoken(topics.ROBOT_STATE, FrankaRobotState)
OBJECT_POSE = _spoken(topics.OBJECT_POSE, PoseStamped)
NOVELTY_SCORE = _spoken(topics.NOVELTY_SCORE, Novelty)
NOVELTY_GOAL = _spoken(topics.NOVELTY_GOAL, Image)
GOAL_POSITION = _spoken(topics.GOAL_POSITION, PointStamped)
WEIGHTS = _spoken(topics.WEIGHTS, Weights)
REPLAY_EPISODE = _spoken(topics.REPLAY_EPISODE, Episode)
TELEOP_COMMAND = _spoken(topics.TELEOP_COMMAND, TeleopCommand)
COLLECTOR_STATUS = _spoken(topics.COLLECTOR_STATUS, CollectorStatus)
TF = _spoken(topics.TF, TFMessage)
TF_STATIC = _spoken(topics.TF_STATIC, TFMessage)
MARKERS = _spoken(topics.MARKERS, MarkerArray)

TOPICS = (
    CAMERA_IMAGE,
    CAMERA_INFO,
    CAMERA_FAULT,
    OBSERVATION_IMAGE,
    WRIST_IMAGE,
    WRIST_INFO,
    WRIST_FAULT,
    WRIST_OBSERVATION,
    POLICY_ACTION,
    EXECUTED,
    CONTROL_FAULT,
    TARGET_POSE,
    TARGET_GRIPPER,
    ACKNOWLEDGEMENT,
    CURRENT_POSE,
    JOINT_STATES,
    ROBOT_STATE,
    OBJECT_POSE,
    NOVELTY_SCORE,
    NOVELTY_GOAL,
    GOAL_POSITION,
    WEIGHTS,
    REPLAY_EPISODE,
    TELEOP_COMMAND,
    COLLECTOR_STATUS,
    TF,
    TF_STATIC,
    MARKERS,
)


@dataclass(frozen=True)
class CameraTopics:
    """The topics of one camera, and the frame of its images."""

    image: Topic
    info: Topic
    observation: Topic
    fault: Topic
    frame: str


FIXED = CameraTopics(CAMERA_IMAGE, CAMERA_INFO, OBSERVATION_IMAGE, CAMERA_FAULT, names.CAMERA_FRAME)
WRIST = CameraTopics(WRIST_IMAGE, WRIST_INFO, WRIST_OBSERVATION, WRIST_FAULT, names.WRIST_FRAME)
