"""Parameters of the control node. The limits of the arm have no default."""

from dataclasses import dataclass

from wayfarer_core.options import gripper_width
from wayfarer_core.parameter import param, required


@dataclass(frozen=True)
class Params:
    """Parameters of the control node."""

    action_scale: float = required(
        0.0, "displacement of one action unit along each axis [m]", 0.0, 0.2
    )
    max_step: float = required(0.0, "longest displacement of one command [m]", 0.0, 0.4)
    max_speed: float = required(0.0, "highest speed one command may ask for [m/s]", 0.0, 1.0)
    max_turn: float = required(
        0.0, "fastest turn of the hand one command may ask for [rad/s]", 0.0, 3.2
    )
    workspace_min: tuple[float, float, float] = required(
        (0.0, 0.0, 0.0), "lowest corner [m, base]", -1.5, 1.5
    )
    workspace_max: tuple[float, float, float] = required(
        (0.0, 0.0, 0.0), "highest corner [m, base]", -1.5, 1.5
    )
    orientation: tuple[float, float, float, float] = required(
        (0.0, 0.0, 0.0, 0.0),
        "fixed end-effector orientation, quaternion xyzw of length 1 [base]",
        -1.0,
        1.0,
    )
    gripper_width: float = gripper_width()
    control_period: float = param(0.5, "time between two actions [s]", 0.01, 10.0)
    max_age: float = param(
        0.25, "oldest observation, and oldest pose, that may still be acted on [s]", 0.0, 10.0
    )
    recovery_attempts: int = param(3, "automatic error recoveries within recovery_window", 0, 100)
    recovery_window: float = param(
        600.0, "time over which recoveries are counted [s]", 1.0, 86400.0
    )
    recovery_pause: float = param(2.0, "least time between two recoveries [s]", 0.0, 600.0)
    silence: float = param(0.75, "time without an action until the arm holds [s]", 0.0, 20.0)
    state_timeout: float = param(
        2.0, "time without robot/robot_state until the robot counts as lost [s]", 0.1, 60.0
    )
    acknowledge_timeout: float = param(
        2.0, "time in which the bridge must answer a target [s]", 0.05, 60.0
    )
