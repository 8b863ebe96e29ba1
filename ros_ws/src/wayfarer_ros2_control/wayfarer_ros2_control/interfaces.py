"""What franka_ros2 and CRISP's controllers must offer, as recorded from their sources, and what of it is missing. Pure.

franka_ros2 3.4 (Jazzy) and crisp_controllers: joint_state_broadcaster, franka_robot_state_broadcaster and action_server
of the one, pose_broadcaster and cartesian_impedance_controller of the other. launch/robot_pc.launch.xml maps the names
of the contract onto these.
"""

from collections.abc import Collection
from dataclasses import dataclass

TARGET, POSE = "/target_pose", "/current_pose"


@dataclass(frozen=True)
class Required:
    """One endpoint that somebody else must have."""

    role: str  # publisher, subscription or action
    name: str
    type: str  # package/msg/Type or package/action/Type
    owner: str  # who has it
    contract: str  # our relative name for it


REQUIRED = (
    Required("publisher", POSE, "geometry_msgs/msg/PoseStamped", "pose_broadcaster", "robot/current_pose"),
    Required(
        "publisher",
        "/franka_robot_state_broadcaster/robot_state",
        "franka_msgs/msg/FrankaRobotState",
        "franka_robot_state_broadcaster",
        "robot/robot_state",
    ),
    Required(
        "publisher", "/joint_states", "sensor_msgs/msg/JointState", "joint_state_broadcaster", "robot/joint_states"
    ),
    Required(
        "subscription", TARGET, "geometry_msgs/msg/PoseStamped", "cartesian_impedance_controller", "robot/target_pose"
    ),
    Required(
        "action",
        "/action_server/error_recovery",
        "franka_msgs/action/ErrorRecovery",
        "action_server",
        "robot/error_recovery",
    ),
)


@dataclass(frozen=True)
class Endpoint:
    """One endpoint that the ROS graph shows."""

    role: str
    name: str
    type: str
    reliable: bool = True


def missing(seen: Collection[Endpoint], commanders: int) -> list[str]:
    """Return, in words, what keeps the back end from working.

    Args:
        seen: what the ROS graph shows under the required names.
        commanders: publishers of the target; CRISP's controller ignores it while there is more than one.

    """
    wrong = [complaint for required in REQUIRED if (complaint := _complaint(required, seen))]
    if commanders > 1:
        wrong.append(f"{TARGET} has {commanders} publishers, must have control alone")
    return wrong


def _complaint(required: Required, seen: Collection[Endpoint]) -> str:
    there = [endpoint for endpoint in seen if (endpoint.role, endpoint.name) == (required.role, required.name)]
    what = f"{required.role} of {required.name} ({required.owner} should be it)"
    if not there:
        return f"no {what}"
    typed = [endpoint for endpoint in there if endpoint.type == required.type]
    if not typed:
        return f"{what} has type {there[0].type}, must be {required.type}"
    if required.role == "publisher" and not any(endpoint.reliable for endpoint in typed):
        return f"{what} is best effort, must be reliable"
    return ""
