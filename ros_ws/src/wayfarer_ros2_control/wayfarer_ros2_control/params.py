"""Parameters of the node that takes the bridge's place on ros2_control."""

from dataclasses import dataclass

from wayfarer_core.options import gripper_width
from wayfarer_core.parameter import param

from wayfarer_ros2_control.interfaces import REQUIRED


@dataclass(frozen=True)
class Params:
    """Parameters of the node. interfaces.py lists what it looks for."""

    driver: str = param(
        "franka_ros2", "who drives the arm below CRISP's controller", choices=tuple(REQUIRED)
    )
    gripper_width: float = gripper_width()
    gripper: str = param("/franka_gripper", "name of franka_gripper's node, which has its actions")
    gripper_speed: float = param(0.1, "of the gripper's width while it moves [m/s]", 0.005, 0.2)
    gripper_force: float = param(
        0.0, "of a grip; must be given where gripper_width is not 0 [N]", 0.0, 70.0
    )
