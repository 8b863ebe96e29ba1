"""Parameters of the node that takes the bridge's place on ros2_control."""

from dataclasses import dataclass

from wayfarer_core.options import GripperOptions
from wayfarer_core.parameter import param

from wayfarer_ros2_control.interfaces import REQUIRED


@dataclass(frozen=True)
class Params(GripperOptions):
    """Parameters of the node. interfaces.py lists what it looks for."""

    driver: str = param(
        "franka_ros2", "who drives the arm below CRISP's controller", choices=tuple(REQUIRED)
    )
    gripper: str = param("/franka_gripper", "name of franka_gripper's node, which has its actions")
