"""Parameters of the Franka bridge."""

from dataclasses import dataclass

from wayfarer_core.options import GripperOptions
from wayfarer_core.parameter import param, required

DRIVERS = ("franky", "panda_py")  # the libraries that can move the arm


@dataclass(frozen=True)
class Params(GripperOptions):
    """Parameters of the franka bridge."""

    workspace_min: tuple[float, float, float] = required(
        (0.0, 0.0, 0.0),
        "lowest corner of what it follows targets into, control's [m, base]",
        -1.5,
        1.5,
    )
    workspace_max: tuple[float, float, float] = required(
        (0.0, 0.0, 0.0), "highest corner [m, base]", -1.5, 1.5
    )
    orientation: tuple[float, float, float, float] = required(
        (0.0, 0.0, 0.0, 0.0),
        "of the hand in that box, control's, quaternion xyzw of length 1 [base]",
        -1.0,
        1.0,
    )
    top_speed: float = required(0.0, "highest speed on the way to a target [m/s]", 0.01, 1.0)
    top_turn: float = required(0.0, "fastest turn of the hand on the way [rad/s]", 0.01, 3.2)
    robot_ip: str = param("172.16.0.2", "address of the robot's control box")
    driver: str = param("franky", "which library speaks to it", choices=DRIVERS)
    realtime: str = param(
        "enforce",
        "refuse to run without a real-time kernel, or not (simulators)",
        choices=("enforce", "ignore"),
    )
    state_rate: float = param(100.0, "robot states per second [Hz]", 1.0, 500.0)
    stale: float = param(
        0.1, "time without a newer state until the connection counts as disturbed [s]", 0.02, 5.0
    )
    quickness: float = param(
        12.0, "natural frequency of the way to a target, the simulated arm's [rad/s]", 1.0, 50.0
    )
    top_acceleration: float = param(
        9.0, "highest acceleration on the way, an FR3's own [m/s^2]", 0.1, 20.0
    )
    stiffness: float = param(1500.0, "spring that draws the hand to its target [N/m]", 10.0, 3000.0)
    rotational_stiffness: float = param(
        100.0, "spring that turns the hand to its target [N m/rad]", 1.0, 300.0
    )
    error_clip: float = param(
        0.1, "longest spring, bounds its force to stiffness times this [m]", 0.005, 0.3
    )
    home_joints: tuple[float, ...] = param(
        (0.0, 0.276525, 0.0, -2.462461, 0.0, 2.738986, 0.785853),
        "posture of a reset, joints 1 to 7 [rad]",
        -3.1,
        4.6,
    )
    home_speed: float = param(0.1, "speed of a reset, as a share of the arm's limits", 0.01, 1.0)
    home_timeout: float = param(30.0, "longest time a reset may take [s]", 1.0, 300.0)
    torque_threshold: float = param(
        20.0, "joint torque above which a contact is a collision [N m]", 1.0, 100.0
    )
    force_threshold: float = param(
        30.0, "force above which a contact is a collision [N]", 1.0, 100.0
    )
    load_mass: float = param(0.0, "load beyond the hand's own mass set in Desk [kg]", 0.0, 3.0)
    load_centre: tuple[float, float, float] = param(
        (0.0, 0.0, 0.0), "the load's centre of mass [m, flange]", -0.5, 0.5
    )
    tool_offset: tuple[float, float, float] = param(
        (0.0, 0.0, -0.007),
        "the point that targets and poses mean, from libfranka's end effector [m, its frame]",
        -0.3,
        0.3,
    )
    reach: float = param(
        0.70,
        "largest distance of the wrist from the shoulder that targets may ask for [m]",
        0.3,
        0.72,
    )
    recovery_timeout: float = param(
        10.0, "longest time a recovery, with connecting, may take [s]", 1.0, 120.0
    )
