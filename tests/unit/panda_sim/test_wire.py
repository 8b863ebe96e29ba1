"""Sizes and places of the messages, counted on the original headers' compiled structures."""

import pytest
from panda_sim.protocol import wire
from panda_sim.protocol.codes import FAULT_COUNT, Command, Fault, GripperCommand

SIZES = {
    Command.CONNECT: 16,
    Command.MOVE: 68,
    Command.STOP_MOVE: 12,
    Command.GET_CARTESIAN_LIMIT: 16,
    Command.SET_COLLISION_BEHAVIOR: 428,
    Command.SET_JOINT_IMPEDANCE: 68,
    Command.SET_CARTESIAN_IMPEDANCE: 60,
    Command.SET_GUIDING_MODE: 19,
    Command.SET_EE_TO_K: 140,
    Command.SET_NE_TO_EE: 140,
    Command.SET_LOAD: 116,
    Command.SET_FILTERS: 52,
    Command.AUTOMATIC_ERROR_RECOVERY: 12,
    Command.LOAD_MODEL_LIBRARY: 14,
}
STATE_OFFSETS = {
    "message_id": 0,
    "O_T_EE": 8,
    "O_T_EE_d": 136,
    "F_T_EE": 264,
    "EE_T_K": 392,
    "F_T_NE": 520,
    "NE_T_EE": 648,
    "m_ee": 776,
    "I_ee": 784,
    "F_x_Cee": 856,
    "m_load": 880,
    "I_load": 888,
    "F_x_Cload": 960,
    "elbow": 984,
    "elbow_d": 1000,
    "tau_J": 1016,
    "tau_J_d": 1072,
    "dtau_J": 1128,
    "q": 1184,
    "q_d": 1240,
    "dq": 1296,
    "dq_d": 1352,
    "ddq_d": 1408,
    "joint_contact": 1464,
    "cartesian_contact": 1520,
    "joint_collision": 1568,
    "cartesian_collision": 1624,
    "tau_ext_hat_filtered": 1672,
    "O_F_ext_hat_K": 1728,
    "K_F_ext_hat_K": 1776,
    "O_dP_EE_d": 1824,
    "O_ddP_O": 1872,
    "elbow_c": 1896,
    "delbow_c": 1912,
    "ddelbow_c": 1928,
    "O_T_EE_c": 1944,
    "O_dP_EE_c": 2072,
    "O_ddP_EE_c": 2120,
    "theta": 2168,
    "dtheta": 2224,
    "motion_generator_mode": 2280,
    "controller_mode": 2281,
    "errors": 2282,
    "reflex_reason": 2323,
    "robot_mode": 2364,
    "control_command_success_rate": 2365,
}
COMMAND_OFFSETS = {
    "message_id": 0,
    "q_c": 8,
    "dq_c": 64,
    "O_T_EE_c": 120,
    "O_dP_EE_c": 248,
    "elbow_c": 296,
    "valid_elbow": 312,
    "motion_generation_finished": 313,
    "tau_J_d": 314,
}


def offsets(kind) -> dict[str, int]:
    return {name: kind.fields[name][1] for name in kind.names}


def test_every_request_has_its_size() -> None:
    whole = {c: wire.HEADER.itemsize + body.itemsize for c, body in wire.REQUESTS.items()}
    assert whole == SIZES


def test_every_field_of_the_state_lies_where_libfranka_reads_it() -> None:
    assert offsets(wire.STATE) == STATE_OFFSETS
    assert wire.STATE.itemsize == 2373


def test_every_field_of_a_command_lies_where_libfranka_writes_it() -> None:
    assert offsets(wire.ROBOT_COMMAND) == COMMAND_OFFSETS
    assert wire.ROBOT_COMMAND.itemsize == 370


def test_the_grippers_messages_have_their_sizes() -> None:
    header = wire.GRIPPER_HEADER.itemsize
    whole = {c: header + body.itemsize for c, body in wire.GRIPPER_REQUESTS.items()}
    assert header == 10
    assert whole == {
        GripperCommand.CONNECT: 14,
        GripperCommand.HOMING: 10,
        GripperCommand.GRASP: 50,
        GripperCommand.MOVE: 26,
        GripperCommand.STOP: 10,
    }
    assert wire.GRIPPER_STATE.itemsize == 23


@pytest.mark.parametrize(
    ("fault", "number"),
    [("JOINT_REFLEX", 6), ("CARTESIAN_REFLEX", 7), ("COMMUNICATION_CONSTRAINTS_VIOLATION", 25)]
    + [("CONTROLLER_TORQUE_DISCONTINUITY", 32), ("TAU_J_RANGE_VIOLATION", 34)],
)
def test_faults_have_version_5s_numbers(fault: str, number: int) -> None:
    assert Fault[fault] == number
    assert FAULT_COUNT == 41
