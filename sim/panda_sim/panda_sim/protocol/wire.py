"""The layout of messages: packed, little-endian, matrices by columns.

There is one table for each direction.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from panda_sim.protocol.codes import FAULT_COUNT, Command, GripperCommand

Record = NDArray[Any]  # (1,) of a structured type


def packed(**fields: Any) -> np.dtype[Any]:
    """Return a structured type without gaps; a field is (type, shape), or a type alone."""
    return np.dtype(
        [
            (name, *kind) if isinstance(kind, tuple) else (name, kind)
            for name, kind in fields.items()
        ]
    )


_F = "<f8"
_NOTHING = np.dtype([])

HEADER = packed(command="<u4", command_id="<u4", size="<u4")  # size counts the whole message
GRIPPER_HEADER = packed(command="<u2", command_id="<u4", size="<u4")

_CONNECT = packed(version="<u2", udp_port="<u2")
_DEVIATION = packed(translation=_F, rotation=_F, elbow=_F)

REQUESTS: dict[Command, np.dtype[Any]] = {
    Command.CONNECT: _CONNECT,
    Command.MOVE: packed(
        controller="<u4", generator="<u4", path_deviation=_DEVIATION, goal_deviation=_DEVIATION
    ),
    Command.STOP_MOVE: _NOTHING,
    Command.GET_CARTESIAN_LIMIT: packed(id="<i4"),
    Command.SET_COLLISION_BEHAVIOR: packed(
        lower_torque_acceleration=(_F, 7),
        upper_torque_acceleration=(_F, 7),
        lower_torque_nominal=(_F, 7),
        upper_torque_nominal=(_F, 7),
        lower_force_acceleration=(_F, 6),
        upper_force_acceleration=(_F, 6),
        lower_force_nominal=(_F, 6),
        upper_force_nominal=(_F, 6),
    ),
    Command.SET_JOINT_IMPEDANCE: packed(K_theta=(_F, 7)),
    Command.SET_CARTESIAN_IMPEDANCE: packed(K_x=(_F, 6)),
    Command.SET_GUIDING_MODE: packed(axes=("u1", 6), nullspace="u1"),
    Command.SET_EE_TO_K: packed(EE_T_K=(_F, 16)),
    Command.SET_NE_TO_EE: packed(NE_T_EE=(_F, 16)),
    Command.SET_LOAD: packed(m_load=_F, F_x_Cload=(_F, 3), I_load=(_F, 9)),
    Command.SET_FILTERS: packed(cutoffs=(_F, 5)),
    Command.AUTOMATIC_ERROR_RECOVERY: _NOTHING,
    Command.LOAD_MODEL_LIBRARY: packed(architecture="u1", system="u1"),
}

GRIPPER_REQUESTS: dict[GripperCommand, np.dtype[Any]] = {
    GripperCommand.CONNECT: _CONNECT,
    GripperCommand.HOMING: _NOTHING,
    GripperCommand.GRASP: packed(width=_F, epsilon_inner=_F, epsilon_outer=_F, speed=_F, force=_F),
    GripperCommand.MOVE: packed(width=_F, speed=_F),
    GripperCommand.STOP: _NOTHING,
}

# an answer is the request's header, a status, and additional data for these commands
CONNECT_ANSWER = packed(version="<u2")
CARTESIAN_LIMIT_ANSWER = packed(object_world_size=(_F, 3), object_frame=(_F, 16), active="u1")

STATE = packed(
    message_id="<u8",  # ms since the start
    O_T_EE=(_F, 16),
    O_T_EE_d=(_F, 16),
    F_T_EE=(_F, 16),
    EE_T_K=(_F, 16),
    F_T_NE=(_F, 16),
    NE_T_EE=(_F, 16),
    m_ee=_F,
    I_ee=(_F, 9),
    F_x_Cee=(_F, 3),
    m_load=_F,
    I_load=(_F, 9),
    F_x_Cload=(_F, 3),
    elbow=(_F, 2),
    elbow_d=(_F, 2),
    tau_J=(_F, 7),
    tau_J_d=(_F, 7),
    dtau_J=(_F, 7),
    q=(_F, 7),
    q_d=(_F, 7),
    dq=(_F, 7),
    dq_d=(_F, 7),
    ddq_d=(_F, 7),
    joint_contact=(_F, 7),
    cartesian_contact=(_F, 6),
    joint_collision=(_F, 7),
    cartesian_collision=(_F, 6),
    tau_ext_hat_filtered=(_F, 7),
    O_F_ext_hat_K=(_F, 6),
    K_F_ext_hat_K=(_F, 6),
    O_dP_EE_d=(_F, 6),
    O_ddP_O=(_F, 3),
    elbow_c=(_F, 2),
    delbow_c=(_F, 2),
    ddelbow_c=(_F, 2),
    O_T_EE_c=(_F, 16),
    O_dP_EE_c=(_F, 6),
    O_ddP_EE_c=(_F, 6),
    theta=(_F, 7),
    dtheta=(_F, 7),
    motion_generator_mode="u1",
    controller_mode="u1",
    errors=("u1", FAULT_COUNT),
    reflex_reason=("u1", FAULT_COUNT),
    robot_mode="u1",
    control_command_success_rate=_F,
)

ROBOT_COMMAND = packed(
    message_id="<u8",  # of the answered state
    q_c=(_F, 7),
    dq_c=(_F, 7),
    O_T_EE_c=(_F, 16),
    O_dP_EE_c=(_F, 6),
    elbow_c=(_F, 2),
    valid_elbow="u1",
    motion_generation_finished="u1",
    tau_J_d=(_F, 7),
)

GRIPPER_STATE = packed(message_id="<u4", width=_F, max_width=_F, is_grasped="u1", temperature="<u2")


def record(kind: np.dtype[Any], data: bytes = b"") -> Any:
    """Return one message: zeros, or the content of the bytes.

    Raises ValueError if their number is wrong.
    """
    if not data:
        return np.zeros(1, kind)[0]
    if len(data) != kind.itemsize:
        raise ValueError(f"{len(data)} bytes, not {kind.itemsize}")
    return np.frombuffer(data, kind)[0]
