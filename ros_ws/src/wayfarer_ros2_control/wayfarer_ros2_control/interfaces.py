"""The interfaces that the arm's driver and CRISP's controllers must offer, from their sources, and
which of them are missing. Pure.

CRISP's crisp_controllers: pose_broadcaster and cartesian_impedance_controller. The driver of an FR3
is franka_ros2 3.4 (Jazzy): joint_state_broadcaster, franka_robot_state_broadcaster and
action_server. That of a Panda is multipanda_ros2 (humble, 2024-12-17): the same broadcasters,
another type of state, and a service instead of the action. launch/robot_pc.launch.xml remaps the
names of the contract to these.
"""

from collections.abc import Collection
from dataclasses import dataclass

TARGET, POSE = "/target_pose", "/current_pose"


@dataclass(frozen=True)
class Required:
    """One endpoint that another program must offer."""

    role: str  # publisher, subscription, action or service
    name: str
    type: str  # package/msg/Type, package/action/Type or package/srv/Type
    owner: str  # program that offers it
    contract: str  # our relative name for it


STATE = "/franka_robot_state_broadcaster/robot_state"
# of multipanda_ros2's arm_id panda
RECOVERY = "/panda_error_recovery_service_server/error_recovery"

_CRISP = (
    Required(
        "publisher", POSE, "geometry_msgs/msg/PoseStamped", "pose_broadcaster", "robot/current_pose"
    ),
    Required(
        "subscription",
        TARGET,
        "geometry_msgs/msg/PoseStamped",
        "cartesian_impedance_controller",
        "robot/target_pose",
    ),
)
REQUIRED = {
    "franka_ros2": (
        *_CRISP,
        Required(
            "publisher",
            STATE,
            "franka_msgs/msg/FrankaRobotState",
            "franka_robot_state_broadcaster",
            "robot/robot_state",
        ),
        Required(
            "publisher",
            "/joint_states",
            "sensor_msgs/msg/JointState",
            "joint_state_broadcaster",
            "robot/joint_states",
        ),
        Required(
            "action",
            "/action_server/error_recovery",
            "franka_msgs/action/ErrorRecovery",
            "action_server",
            "robot/error_recovery",
        ),
    ),
    "multipanda_ros2": (
        *_CRISP,
        Required(
            "publisher",
            STATE,
            "franka_msgs/msg/FrankaState",
            "franka_robot_state_broadcaster",
            "robot/robot_state",
        ),
        Required(
            "publisher",
            "/franka/joint_states",
            "sensor_msgs/msg/JointState",
            "joint_state_broadcaster",
            "robot/joint_states",
        ),
        Required(
            "service",
            RECOVERY,
            "franka_msgs/srv/ErrorRecovery",
            "franka_hardware",
            "robot/error_recovery",
        ),
    ),
}


@dataclass(frozen=True)
class Endpoint:
    """One endpoint in the ROS graph."""

    role: str
    name: str
    type: str
    reliable: bool = True


def missing(driver: str, seen: Collection[Endpoint], commanders: int) -> list[str]:
    """Return, in words, what is missing or wrong.

    Args:
        driver: the arm's, a key of REQUIRED.
        seen: the endpoints in the ROS graph under the required names.
        commanders: publishers of the target; CRISP's controller ignores it if there is more than
            one.
    """
    wrong = [
        complaint for required in REQUIRED[driver] if (complaint := _complaint(required, seen))
    ]
    if commanders > 1:
        wrong.append(f"{TARGET} has {commanders} publishers, must have control alone")

    return wrong


def _complaint(required: Required, seen: Collection[Endpoint]) -> str:
    there = [
        endpoint
        for endpoint in seen
        if (endpoint.role, endpoint.name) == (required.role, required.name)
    ]
    what = f"{required.role} of {required.name} ({required.owner} should be it)"
    if not there:
        return f"no {what}"

    typed = [endpoint for endpoint in there if endpoint.type == required.type]
    if not typed:
        return f"{what} has type {there[0].type}, must be {required.type}"
    if required.role == "publisher" and not any(endpoint.reliable for endpoint in typed):
        return f"{what} is best effort, must be reliable"

    return ""
