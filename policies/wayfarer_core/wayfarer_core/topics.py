"""The contract without ROS: each topic's publisher, type, quality of service and subscribers.

`wayfarer_common.contract` makes ROS endpoints of it. docs/contract.md shows it.
"""

from dataclasses import dataclass

from wayfarer_core import names


@dataclass(frozen=True)
class Quality:
    """Quality of service of one kind of topic.

    All are reliable and keep the last `depth` messages.
    """

    depth: int
    # True: a late subscriber still gets them (durability transient_local, else volatile)
    latched: bool = False


@dataclass(frozen=True)
class Topic:
    """A topic of the contract. No episode can run before all `subscribers` subscribe."""

    name: str
    type: str  # as in sensor_msgs/msg/Image
    quality: Quality
    publisher: str
    subscribers: tuple[str, ...] = ()


# One message per control period, and each counts: the lock-step loop stands still if one is lost.
# The depth is large because the recorder may be blocked for seconds on a busy machine, and the
# lock-step loop does not wait for it.
STEP = Quality(depth=200)

# Fast state; only the newest matters. Reliable because the recorder keeps it.
STATE = Quality(depth=1000)

# State that a late subscriber must still get: faults, weights, the collector's status.
LATCHED = Quality(depth=1, latched=True)

# Standing state from several publishers: one must not displace another's.
STANDING = Quality(depth=100, latched=True)

CAMERA_IMAGE = Topic(names.CAMERA_IMAGE, "sensor_msgs/msg/Image", STEP, "bridge", ("camera",))
CAMERA_INFO = Topic(names.CAMERA_INFO, "sensor_msgs/msg/CameraInfo", STEP, "bridge")
CAMERA_FAULT = Topic(names.CAMERA_FAULT, "wayfarer_msgs/msg/Fault", LATCHED, "camera", ("actor",))
OBSERVATION_IMAGE = Topic(
    names.OBSERVATION_IMAGE, "sensor_msgs/msg/Image", STEP, "camera", ("actor", "replay")
)
WRIST_IMAGE = Topic(names.WRIST_IMAGE, "sensor_msgs/msg/Image", STEP, "bridge", ("wrist_camera",))
WRIST_INFO = Topic(names.WRIST_INFO, "sensor_msgs/msg/CameraInfo", STEP, "bridge")
WRIST_FAULT = Topic(
    names.WRIST_FAULT, "wayfarer_msgs/msg/Fault", LATCHED, "wrist_camera", ("actor",)
)
WRIST_OBSERVATION = Topic(
    names.WRIST_OBSERVATION, "sensor_msgs/msg/Image", STEP, "wrist_camera", ("replay",)
)
POLICY_ACTION = Topic(
    names.POLICY_ACTION, "wayfarer_msgs/msg/Action", STEP, "actor", ("control", "replay")
)
EXECUTED = Topic(
    names.EXECUTED, "wayfarer_msgs/msg/ExecutedAction", STEP, "control", ("actor", "replay")
)
CONTROL_FAULT = Topic(
    names.CONTROL_FAULT, "wayfarer_msgs/msg/Fault", LATCHED, "control", ("actor",)
)
TARGET_POSE = Topic(
    names.TARGET_POSE, "geometry_msgs/msg/PoseStamped", STEP, "control", ("bridge",)
)
# only in a run whose gripper is part of the action
TARGET_GRIPPER = Topic(
    names.TARGET_GRIPPER, "wayfarer_msgs/msg/GripperTarget", STEP, "control", ("bridge",)
)
ACKNOWLEDGEMENT = Topic(
    names.ACKNOWLEDGEMENT, "wayfarer_msgs/msg/Acknowledgement", STEP, "bridge", ("control",)
)
CURRENT_POSE = Topic(
    names.CURRENT_POSE, "geometry_msgs/msg/PoseStamped", STATE, "bridge", ("control", "replay")
)
JOINT_STATES = Topic(names.JOINT_STATES, "sensor_msgs/msg/JointState", STATE, "bridge")
ROBOT_STATE = Topic(
    names.ROBOT_STATE, "franka_msgs/msg/FrankaRobotState", STATE, "bridge", ("control",)
)
OBJECT_POSE = Topic(names.OBJECT_POSE, "geometry_msgs/msg/PoseStamped", STATE, "sim_bridge")
NOVELTY_SCORE = Topic(names.NOVELTY_SCORE, "wayfarer_msgs/msg/Novelty", STATE, "novelty")
NOVELTY_GOAL = Topic(names.NOVELTY_GOAL, "sensor_msgs/msg/Image", LATCHED, "novelty")
GOAL_POSITION = Topic(names.GOAL_POSITION, "geometry_msgs/msg/PointStamped", LATCHED, "novelty")
WEIGHTS = Topic(names.WEIGHTS, "wayfarer_msgs/msg/Weights", LATCHED, "learner", ("actor",))
REPLAY_EPISODE = Topic(names.REPLAY_EPISODE, "wayfarer_msgs/msg/Episode", LATCHED, "replay")
TELEOP_COMMAND = Topic(
    names.TELEOP_COMMAND, "wayfarer_msgs/msg/TeleopCommand", STEP, "teleop", ("actor",)
)
COLLECTOR_STATUS = Topic(
    names.COLLECTOR_STATUS, "wayfarer_msgs/msg/CollectorStatus", LATCHED, "collector"
)
TF = Topic(names.TF, "tf2_msgs/msg/TFMessage", STATE, "view")
TF_STATIC = Topic(names.TF_STATIC, "tf2_msgs/msg/TFMessage", STANDING, "bridge")
MARKERS = Topic(names.MARKERS, "visualization_msgs/msg/MarkerArray", LATCHED, "view")
