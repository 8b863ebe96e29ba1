"""Gives the simulated camera the pose and lens of a calibrated real one."""

import mujoco
import numpy as np
from wayfarer_core.calibration import Calibration
from wayfarer_core.errors import ConfigError

from wayfarer_sim.osc import Array

# MuJoCo's y is up and its z backwards, OpenCV's y down and its z into the picture
FLIP = np.diag([1.0, -1.0, -1.0])


def match_camera(
    model: mujoco.MjModel, camera: str, calibration: Calibration, p_world_base: Array
) -> None:
    """Give a camera of the model the pose, the focal lengths and the principal point of a
    calibration.

    There is no lens distortion: the camera node removes it from a real camera's images.

    Args:
        model: the world; the camera must be fixed in it.
        camera: its name.
        calibration: with its pose.
        p_world_base: origin of the base frame, (3,) [m], world frame; the two are parallel.

    Raises:
        ConfigError: the calibration has no pose.
    """
    if calibration.T_base_camera is None:
        raise ConfigError(
            "the calibration has no T_base_camera: find it with `wayfarer calibrate camera pose`"
        )

    number = model.camera(camera).id
    q_wxyz = np.empty(4)
    mujoco.mju_mat2Quat(
        q_wxyz, np.ascontiguousarray(calibration.T_base_camera[:3, :3] @ FLIP).ravel()
    )
    model.cam_pos[number] = calibration.T_base_camera[:3, 3] + p_world_base
    model.cam_quat[number] = q_wxyz
    K, size = calibration.camera_matrix, np.array([calibration.width, calibration.height])

    # any unit of length, as long as the intrinsics use the same: here pixels
    model.cam_sensorsize[number] = size

    # MuJoCo measures the principal point from the middle, to the left and up
    centre = (size - 1) / 2 - K[:2, 2]
    model.cam_intrinsic[number] = (K[0, 0], K[1, 1], *centre)
    model.cam_fovy[number] = np.degrees(2 * np.arctan(size[1] / 2 / K[1, 1]))
