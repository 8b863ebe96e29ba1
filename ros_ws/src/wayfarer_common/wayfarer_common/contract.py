"""The contract: which node publishes what, of which type and quality of service, and who must listen.

README shows the same table.
"""

from dataclasses import dataclass
from typing import Any

from franka_msgs.msg import FrankaRobotState
from geometry_msgs.msg import PoseStamped
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image, JointState
from wayfarer_core import names
from wayfarer_msgs.msg import (
    Acknowledgement,
    Action,
    CollectorStatus,
    Episode,
    ExecutedAction,
    Fault,
    Novelty,
    Weights,
)

from wayfarer_common import qos


@dataclass(frozen=True)
class Topic:
    """A topic of the contract; `subscribers` are the nodes without which no episode can run."""

    name: str
    type: Any
    qos: QoSProfile
    publisher: str
    subscribers: tuple[str, ...] = ()


CAMERA_IMAGE = Topic(names.CAMERA_IMAGE, Image, qos.STEP, "bridge", ("camera",))
CAMERA_INFO = Topic(names.CAMERA_INFO, CameraInfo, qos.LATCHED, "bridge")
CAMERA_FAULT = Topic(names.CAMERA_FAULT, Fault, qos.LATCHED, "camera", ("actor",))
OBSERVATION_IMAGE = Topic(names.OBSERVATION_IMAGE, Image, qos.STEP, "camera", ("actor", "replay"))
POLICY_ACTION = Topic(names.POLICY_ACTION, Action, qos.STEP, "actor", ("control", "replay"))
EXECUTED = Topic(names.EXECUTED, ExecutedAction, qos.STEP, "control", ("actor", "replay"))
CONTROL_FAULT = Topic(names.CONTROL_FAULT, Fault, qos.LATCHED, "control", ("actor",))
TARGET_POSE = Topic(names.TARGET_POSE, PoseStamped, qos.STEP, "control", ("bridge",))
ACKNOWLEDGEMENT = Topic(names.ACKNOWLEDGEMENT, Acknowledgement, qos.STEP, "bridge", ("control",))
CURRENT_POSE = Topic(names.CURRENT_POSE, PoseStamped, qos.STATE, "bridge", ("control", "replay"))
JOINT_STATES = Topic(names.JOINT_STATES, JointState, qos.STATE, "bridge")
ROBOT_STATE = Topic(names.ROBOT_STATE, FrankaRobotState, qos.STATE, "bridge", ("control",))
OBJECT_POSE = Topic(names.OBJECT_POSE, PoseStamped, qos.STATE, "sim_bridge")
NOVELTY_SCORE = Topic(names.NOVELTY_SCORE, Novelty, qos.STATE, "novelty")
NOVELTY_GOAL = Topic(names.NOVELTY_GOAL, Image, qos.LATCHED, "novelty")
WEIGHTS = Topic(names.WEIGHTS, Weights, qos.LATCHED, "learner", ("actor",))
REPLAY_EPISODE = Topic(names.REPLAY_EPISODE, Episode, qos.LATCHED, "replay")
COLLECTOR_STATUS = Topic(names.COLLECTOR_STATUS, CollectorStatus, qos.LATCHED, "collector")

TOPICS = (
    CAMERA_IMAGE,
    CAMERA_INFO,
    CAMERA_FAULT,
    OBSERVATION_IMAGE,
    POLICY_ACTION,
    EXECUTED,
    CONTROL_FAULT,
    TARGET_POSE,
    ACKNOWLEDGEMENT,
    CURRENT_POSE,
    JOINT_STATES,
    ROBOT_STATE,
    OBJECT_POSE,
    NOVELTY_SCORE,
    NOVELTY_GOAL,
    WEIGHTS,
    REPLAY_EPISODE,
    COLLECTOR_STATUS,
)
