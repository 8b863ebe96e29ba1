"""Parameters of the sim bridge."""

from dataclasses import dataclass

from wayfarer_core.options import gripper_width
from wayfarer_core.parameter import param


@dataclass(frozen=True)
class Params:
    """Parameters of the sim bridge."""

    lockstep: bool = param(True, "step when a target arrives; false: run against the wall clock")
    control_period: float = param(0.5, "time one target is tracked in lock-step [s]", 0.01, 10.0)
    gripper_width: float = gripper_width()
    state_rate: float = param(
        50.0, "robot state per second against the wall clock [Hz]", 1.0, 200.0
    )
    camera_rate: float = param(10.0, "images per second against the wall clock [Hz]", 0.1, 60.0)
    image_width: int = param(84, "width of the camera image [pixels]", 16, 1920)
    image_height: int = param(84, "height of the camera image [pixels]", 16, 1920)
    timestep: float = param(0.005, "physics time step [s]", 0.002, 0.005)
    wrist: bool = param(False, "publish the camera in the hand, too, of the same size")
    hide_robot: bool = param(False, "leave the arm out of the rendered image")
    cube_xy_noise: float = param(
        0.0, "half-width of the cube's random start position [m]", 0.0, 0.1
    )
    camera_calibration: str = param(
        "", "calibration file of a real camera to see with; empty: the paper's camera"
    )
