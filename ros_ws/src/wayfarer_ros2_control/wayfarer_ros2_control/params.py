"""Parameters of the node that takes the bridge's place on ros2_control."""

from dataclasses import dataclass

from wayfarer_core.parameter import param

from wayfarer_ros2_control.interfaces import REQUIRED


@dataclass(frozen=True)
class Params:
    """Parameters of the node. interfaces.py lists what it looks for."""

    driver: str = param(
        "franka_ros2", "who drives the arm below CRISP's controller", choices=tuple(REQUIRED)
    )
