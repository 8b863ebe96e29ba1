"""Converts a Panda's state from multipanda_ros2 to franka_msgs/FrankaRobotState.

Pure: it fills any object that has the fields.
"""

from typing import Any

import numpy as np
from scipy.spatial.transform import Rotation

_POSES = ("o_t_ee", "o_t_ee_d", "o_t_ee_c", "f_t_ee", "ee_t_k")
_INERTIAS = {"inertia_ee": "ee", "inertia_load": "load", "inertia_total": "total"}


def fill(message: Any, state: Any, joint_names: list[str]) -> None:
    """Copy a FrankaState into a FrankaRobotState; every part gets the header."""
    header = message.header = state.header
    _joints(message.measured_joint_state, header, joint_names, state.q, state.dq, state.tau_j)
    _joints(message.desired_joint_state, header, joint_names, state.q_d, state.dq_d, state.tau_j_d)
    _joints(message.measured_joint_motor_state, header, joint_names, state.theta, state.dtheta, [])
    _joints(message.tau_ext_hat_filtered, header, joint_names, [], [], state.tau_ext_hat_filtered)
    message.ddq_d, message.dtau_j = state.ddq_d, state.dtau_j
    _collisions(message.collision_indicators, state)
    elbow = message.elbow
    elbow.position, elbow.desired_position = state.elbow, state.elbow_d
    elbow.commanded_position = state.elbow_c
    elbow.commanded_velocity, elbow.commanded_acceleration = state.delbow_c, state.ddelbow_c

    for name in ("k_f_ext_hat_k", "o_f_ext_hat_k"):
        _pair(getattr(message, name), header, "wrench", "force", "torque", getattr(state, name))

    for name in ("o_dp_ee_d", "o_dp_ee_c"):
        _pair(getattr(message, name), header, "twist", "linear", "angular", getattr(state, name))

    _pair(message.o_ddp_ee_c, header, "accel", "linear", "angular", state.o_ddp_ee_c)
    for name, part in _INERTIAS.items():
        _inertia(getattr(message, name), header, state, part)

    for name in _POSES:
        _pose(getattr(message, name), header, getattr(state, name))

    message.time, message.robot_mode = state.time, state.robot_mode
    message.control_command_success_rate = state.control_command_success_rate
    _errors(message.current_errors, state.current_errors)
    _errors(message.last_motion_errors, state.last_motion_errors)


def _errors(errors: Any, of_the_panda: Any) -> None:
    """Copy the flags that both types have.

    The other five come with mode REFLEX, which is reported anyway.
    """
    for name in errors.get_fields_and_field_types():
        setattr(errors, name, bool(getattr(of_the_panda, name)))


def _joints(message: Any, header: Any, names: list[str], q: Any, dq: Any, tau: Any) -> None:
    message.header, message.name = header, names
    message.position, message.velocity, message.effort = list(q), list(dq), list(tau)


def _collisions(message: Any, state: Any) -> None:
    for kind in ("contact", "collision"):
        six = getattr(state, f"cartesian_{kind}")
        _xyz(getattr(message, f"is_cartesian_linear_{kind}"), six[:3])
        _xyz(getattr(message, f"is_cartesian_angular_{kind}"), six[3:])

    message.is_joint_contact, message.is_joint_collision = (
        state.joint_contact,
        state.joint_collision,
    )


def _pair(message: Any, header: Any, part: str, first: str, second: str, six: Any) -> None:
    message.header = header
    _xyz(getattr(getattr(message, part), first), six[:3])
    _xyz(getattr(getattr(message, part), second), six[3:])


def _inertia(message: Any, header: Any, state: Any, part: str) -> None:
    message.header, inertia = header, message.inertia
    nine = getattr(state, f"i_{part}")
    inertia.m = float(getattr(state, f"m_{part}"))
    _xyz(inertia.com, getattr(state, f"f_x_c{part}"))
    inertia.ixx, inertia.ixy, inertia.ixz = (float(v) for v in nine[:3])
    inertia.iyy, inertia.iyz, inertia.izz = float(nine[4]), float(nine[5]), float(nine[8])


def _pose(message: Any, header: Any, sixteen: Any) -> None:
    message.header = header
    T = np.array(sixteen, dtype=np.float64).reshape(4, 4, order="F")
    _xyz(message.pose.position, T[:3, 3])
    if abs(np.linalg.det(T[:3, :3]) - 1.0) > 0.01:
        return  # their simulated arm leaves some poses empty: keep the rotation unset

    q = message.pose.orientation
    q.x, q.y, q.z, q.w = (float(v) for v in Rotation.from_matrix(T[:3, :3]).as_quat(canonical=True))


def _xyz(message: Any, three: Any) -> None:
    message.x, message.y, message.z = (float(v) for v in three)
