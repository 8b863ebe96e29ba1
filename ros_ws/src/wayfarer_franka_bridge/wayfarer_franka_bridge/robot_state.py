"""Converts a state of the arm to franka_msgs/FrankaRobotState.

Pure: it fills any object that has its fields.
"""

from typing import Any

import numpy as np

from wayfarer_franka_bridge.drivers.driver import RobotState, Vector
from wayfarer_franka_bridge.geometry import quaternion

LINK = "communication_constraints_violation"  # flag for a robot that does not answer


def fill(message: Any, state: RobotState, header: Any, joint_names: list[str]) -> None:
    """Write a state into a FrankaRobotState; every part gets the header."""
    _joints(message.measured_joint_state, header, joint_names, state.q, state.dq, state.tau_J)
    _joints(message.desired_joint_state, header, joint_names, state.q_d, state.dq_d, state.tau_J_d)
    _joints(
        message.measured_joint_motor_state,
        header,
        joint_names,
        state.theta,
        state.dtheta,
        np.zeros(0),
    )
    _joints(
        message.tau_ext_hat_filtered, header, joint_names, np.zeros(0), np.zeros(0), state.tau_ext
    )
    message.header = header
    message.ddq_d, message.dtau_j = state.ddq_d, state.dtau_J
    _collisions(message.collision_indicators, state)
    elbow = message.elbow
    elbow.position, elbow.desired_position, elbow.commanded_position = state.elbow[:3]
    elbow.commanded_velocity, elbow.commanded_acceleration = state.elbow[3:]
    _pair(message.k_f_ext_hat_k, header, "wrench", "force", "torque", state.K_F_ext)
    _pair(message.o_f_ext_hat_k, header, "wrench", "force", "torque", state.O_F_ext)
    _inertia(message.inertia_ee, header, state.inertia_ee)
    _inertia(message.inertia_load, header, state.inertia_load)
    _inertia(message.inertia_total, header, state.inertia_total)
    _pose(message.o_t_ee, header, state.T_O_EE)
    _pose(message.o_t_ee_d, header, state.T_O_EE_d)
    _pose(message.o_t_ee_c, header, state.T_O_EE_c)
    _pose(message.f_t_ee, header, state.T_F_EE)
    _pose(message.ee_t_k, header, state.T_EE_K)
    _pair(message.o_dp_ee_d, header, "twist", "linear", "angular", state.twist_d)
    _pair(message.o_dp_ee_c, header, "twist", "linear", "angular", state.twist_c)
    _pair(message.o_ddp_ee_c, header, "accel", "linear", "angular", state.acceleration_c)
    message.time, message.control_command_success_rate = state.time, state.success_rate
    message.robot_mode = state.robot_mode
    set_errors(message.current_errors, state.errors)
    set_errors(message.last_motion_errors, state.last_motion_errors)


def set_errors(errors: Any, names: tuple[str, ...]) -> None:
    """Set these flags of a franka_msgs/Errors, and no others.

    A few of libfranka's flags have no field there.
    """
    for name in errors.get_fields_and_field_types():
        setattr(errors, name, name in names)


def _joints(
    message: Any, header: Any, names: list[str], position: Vector, velocity: Vector, effort: Vector
) -> None:
    message.header, message.name = header, names
    message.position, message.velocity, message.effort = (
        position.tolist(),
        velocity.tolist(),
        effort.tolist(),
    )


def _collisions(message: Any, state: RobotState) -> None:
    for kind, six in (
        ("contact", state.cartesian_contact),
        ("collision", state.cartesian_collision),
    ):
        _xyz(getattr(message, f"is_cartesian_linear_{kind}"), six[:3])
        _xyz(getattr(message, f"is_cartesian_angular_{kind}"), six[3:])

    message.is_joint_contact, message.is_joint_collision = (
        state.joint_contact,
        state.joint_collision,
    )


def _pair(message: Any, header: Any, part: str, first: str, second: str, six: Vector) -> None:
    message.header = header
    _xyz(getattr(getattr(message, part), first), six[:3])
    _xyz(getattr(getattr(message, part), second), six[3:])


def _inertia(message: Any, header: Any, thirteen: Vector) -> None:
    message.header = header
    inertia, I = message.inertia, thirteen[4:].reshape(3, 3)  # noqa: E741  the field's name for it
    inertia.m = float(thirteen[0])
    _xyz(inertia.com, thirteen[1:4])
    inertia.ixx, inertia.ixy, inertia.ixz = (float(v) for v in I[0])
    inertia.iyy, inertia.iyz, inertia.izz = float(I[1, 1]), float(I[1, 2]), float(I[2, 2])


def _pose(message: Any, header: Any, T: Vector) -> None:
    message.header = header
    _xyz(message.pose.position, T[:3, 3])
    q = message.pose.orientation
    q.x, q.y, q.z, q.w = (float(v) for v in quaternion(T[:3, :3]))


def _xyz(message: Any, three: Vector) -> None:
    message.x, message.y, message.z = (float(v) for v in three)
