"""The control box with the simulated arm.

Holding, torques of a client's, reflexes, user stop, guiding, settings.
"""

import numpy as np
import pytest
from fixtures.panda_commands import faults, finish, is_idle, let_pass, run, smooth, start, state_of
from panda_sim.arm.box import Answer, ControlBox
from panda_sim.arm.limits import DQ_MAX, Q_MAX
from panda_sim.protocol.codes import (
    Command,
    Controller,
    Fault,
    Generator,
    LibraryStatus,
    Mode,
    MoveStatus,
    SetStatus,
)
from panda_sim.protocol.wire import CARTESIAN_LIMIT_ANSWER, REQUESTS
from panda_sim.world.world import World

TORQUES = (Controller.EXTERNAL, Generator.JOINT_VELOCITY)


def ask(box: ControlBox, command: Command, *values: object) -> Answer:
    kind = REQUESTS[command]
    given = np.array([values], kind)[0] if values else np.zeros(1, kind)[0]
    answer = box.request(command, 3, given)
    assert answer is not None

    return answer


def ramp(to: np.ndarray, step: float = 0.5) -> list[dict[str, np.ndarray]]:
    count = int(np.ceil(np.abs(to).max() / step))
    return [{"tau_J_d": to * k / count} for k in range(1, count + 1)]


def test_an_idle_box_holds_the_arm(box: ControlBox) -> None:
    begin = box.arm.q.copy()
    let_pass(box, 1000)
    np.testing.assert_allclose(box.arm.q, begin, atol=1e-6)
    assert is_idle(box)


def test_the_state_is_whole_before_anything_moves(box: ControlBox) -> None:
    state = state_of(box)
    assert state["robot_mode"] == Mode.IDLE
    assert (state["motion_generator_mode"], state["controller_mode"]) == (0, Controller.OTHER)
    assert state["O_ddP_O"].tolist() == [0.0, 0.0, -9.81]

    for name in ("O_T_EE", "O_T_EE_d", "O_T_EE_c", "F_T_EE", "F_T_NE", "NE_T_EE", "EE_T_K"):
        T = state[name].reshape(4, 4).T
        np.testing.assert_allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-9, err_msg=name)
        assert T[3].tolist() == [0.0, 0.0, 0.0, 1.0]

    np.testing.assert_allclose(state["tau_J"], box.model.gravity(box.arm.q), atol=1e-6)


def test_messages_are_numbered_by_milliseconds(box: ControlBox) -> None:
    before = box.message_id
    let_pass(box, 5)
    assert box.message_id == before + 5
    assert state_of(box)["message_id"] == box.message_id


# --- torques of a client's ---


def test_without_torques_the_arm_floats_where_it_is(box: ControlBox) -> None:
    begin = box.arm.q.copy()
    assert start(box, *TORQUES) == MoveStatus.STARTED
    run(box, [{"tau_J_d": np.zeros(7)}] * 500)
    finish(box, {"tau_J_d": np.zeros(7)})
    assert is_idle(box)
    np.testing.assert_allclose(box.arm.q, begin, atol=1e-3)


def test_a_torque_turns_its_joint_and_the_box_then_holds_where_the_arm_came_to(
    box: ControlBox,
) -> None:
    begin = box.arm.q.copy()
    assert start(box, *TORQUES) == MoveStatus.STARTED
    run(box, ramp(np.array([2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])))
    run(box, [{}] * 200)
    assert box.arm.q[0] > begin[0] + 0.01
    np.testing.assert_allclose(state_of(box)["tau_J_d"], [2.0, 0, 0, 0, 0, 0, 0])
    finish(box, {})
    let_pass(box, 500)
    held = box.arm.q.copy()
    let_pass(box, 500)
    np.testing.assert_allclose(box.arm.q, held, atol=1e-4)
    assert np.abs(box.arm.dq).max() < 1e-3


def test_a_lost_command_keeps_the_last_torque(box: ControlBox) -> None:
    assert start(box, *TORQUES) == MoveStatus.STARTED
    run(box, [{"tau_J_d": np.full(7, 0.5)}, None, None])
    assert state_of(box)["tau_J_d"].tolist() == [0.5] * 7
    assert state_of(box)["control_command_success_rate"] == pytest.approx(1 / 3)


def test_twenty_lost_commands_end_the_motion(box: ControlBox) -> None:
    assert start(box, *TORQUES) == MoveStatus.STARTED
    run(box, [{}, *[None] * 19])
    assert box.motions.mode == Mode.MOVE
    run(box, [None])
    assert faults(box) == [Fault.COMMUNICATION_CONSTRAINTS_VIOLATION]


@pytest.mark.parametrize(
    ("tau", "fault"),
    [
        (np.array([0, 1.1, 0, 0, 0, 0, 0]), Fault.CONTROLLER_TORQUE_DISCONTINUITY),
        (np.array([0, 0, 0, 0, 0, 0, -1.1]), Fault.CONTROLLER_TORQUE_DISCONTINUITY),
    ],
)
def test_a_torque_that_jumps_ends_the_motion(
    box: ControlBox, tau: np.ndarray, fault: Fault
) -> None:
    assert start(box, *TORQUES) == MoveStatus.STARTED
    run(box, [{"tau_J_d": np.zeros(7)}, {"tau_J_d": tau}])
    assert faults(box) == [fault]
    assert [ended.status for ended in box.take_ended()] == [MoveStatus.REFLEX_ABORTED]


def test_a_torque_beyond_the_motors_ends_the_motion(box: ControlBox, world: World) -> None:
    assert start(box, *TORQUES) == MoveStatus.STARTED
    run(box, [{}])
    box.tau_J_d = np.array([86.5, 0, 0, 0, 0, 0, 0])
    run(box, [{"tau_J_d": np.array([87.4, 0, 0, 0, 0, 0, 0])}])
    assert Fault.TAU_J_RANGE_VIOLATION in faults(box)


def test_an_arm_that_turns_too_fast_stops(box: ControlBox) -> None:
    assert start(box, *TORQUES) == MoveStatus.STARTED
    run(box, ramp(np.array([20.0, 0, 0, 0, 0, 0, 0])))
    run(box, [{}] * 2000)
    assert faults(box) == [Fault.JOINT_VELOCITY_VIOLATION]
    let_pass(box, 1500)
    assert np.abs(box.arm.dq).max() < 1e-3, "it came to rest"


def test_a_joint_at_its_limit_stops_and_may_move_back_after_recovery(
    box: ControlBox, world: World
) -> None:
    near = box.arm.q.copy()
    near[0] = Q_MAX[0] - 0.02
    world.place(near)
    box.reference.restart(near, np.zeros(7))
    assert start(box, *TORQUES) == MoveStatus.STARTED
    run(box, ramp(np.array([1.0, 0, 0, 0, 0, 0, 0])))
    run(box, [{}] * 2000)
    assert faults(box) == [Fault.JOINT_POSITION_LIMITS_VIOLATION]
    let_pass(box, 1500)
    assert box.arm.q[0] > Q_MAX[0]
    recover(box)
    assert start(box, *TORQUES) == MoveStatus.STARTED
    run(box, ramp(np.array([-2.0, 0, 0, 0, 0, 0, 0])))
    run(box, [{}] * 50)
    assert faults(box) == []
    assert box.arm.q[0] < Q_MAX[0]


def recover(box: ControlBox) -> None:
    assert box.request(Command.AUTOMATIC_ERROR_RECOVERY, 5, None) is None
    let_pass(box, 1000, until=lambda: is_idle(box))
    assert is_idle(box)


# --- contact ---


def test_a_push_is_felt_by_libfrankas_sign_and_at_the_hand(box: ControlBox, world: World) -> None:
    """What the robot does to its surroundings is positive.

    Pushed along -x, it pushes back along +x.
    """
    assert start(box, Controller.JOINT_IMPEDANCE, Generator.JOINT_VELOCITY) == MoveStatus.STARTED
    ask_thresholds(box, 100.0)
    world.push((-8.0, 0.0, 0.0), 1.0)
    run(box, [{}] * 300)
    felt = state_of(box)["O_F_ext_hat_K"]
    assert felt[0] == pytest.approx(8.0, abs=1.0)
    assert np.abs(felt[1:3]).max() < 1.0
    assert faults(box) == []
    R = box.T[:3, :3]
    np.testing.assert_allclose(state_of(box)["K_F_ext_hat_K"][:3], R.T @ felt[:3], atol=1e-9)
    let_pass(box, 1500)
    assert not state_of(box)["O_F_ext_hat_K"].any(), "nothing touches it any more"


def ask_thresholds(box: ControlBox, force: float) -> None:
    """Set them behind the box's back: while a motion runs it would refuse."""
    torque = np.full(7, force)
    given = np.array(
        [(*[torque] * 4, *[torque[:6]] * 4)], REQUESTS[Command.SET_COLLISION_BEHAVIOR]
    )[0]
    assert box.settings.apply(Command.SET_COLLISION_BEHAVIOR, given) == SetStatus.SUCCESS


def test_a_collision_ends_the_motion_and_keeps_its_reason(box: ControlBox, world: World) -> None:
    assert start(box, *TORQUES) == MoveStatus.STARTED
    ask_thresholds(box, 25.0)
    world.push((0.0, 0.0, 60.0), 0.3)
    run(box, [{}] * 200)
    assert Fault.CARTESIAN_REFLEX in faults(box)
    assert state_of(box)["reflex_reason"][Fault.CARTESIAN_REFLEX]
    let_pass(box, 1000)
    recover(box)
    assert not state_of(box)["errors"].any()
    assert state_of(box)["reflex_reason"][Fault.CARTESIAN_REFLEX], (
        "the reason of the last aborted motion stays"
    )


def test_an_idle_arm_that_is_pushed_gives_and_comes_back(box: ControlBox, world: World) -> None:
    begin = box.arm.q.copy()
    world.push((0.0, 40.0, 0.0), 0.2)
    let_pass(box, 2000)
    np.testing.assert_allclose(box.arm.q, begin, atol=2e-3)


def test_the_table_stops_the_hand(box: ControlBox) -> None:
    ask_thresholds(box, 1000.0)
    begin = box.T.copy()
    assert (
        start(box, Controller.CARTESIAN_IMPEDANCE, Generator.CARTESIAN_POSE) == MoveStatus.STARTED
    )

    for share in smooth(2.0):
        T = begin.copy()
        T[2, 3] -= 0.19 * share  # the table's top is 0.175 m below
        run(box, [{"O_T_EE_c": T.ravel(order="F")}])

    run(box, [{}] * 300)
    assert faults(box) == []
    assert box.T[2, 3] > -0.105, "the hand went through the table"
    assert state_of(box)["O_F_ext_hat_K"][2] < -5.0, "it presses down on the table"


def test_the_hand_pushes_the_cube(box: ControlBox, world: World) -> None:
    cube = world.model.joint("cube_joint").qposadr[0]
    before = world.data.qpos[cube : cube + 3].copy()
    begin = box.T.copy()
    assert (
        start(box, Controller.CARTESIAN_IMPEDANCE, Generator.CARTESIAN_POSE) == MoveStatus.STARTED
    )

    for way in ((0.0, 0.0, -0.15), (0.15, 0.0, 0.0)):
        for share in smooth(1.5):
            T = begin.copy()
            T[:3, 3] += share * np.array(way)
            run(box, [{"O_T_EE_c": T.ravel(order="F")}])

        begin = T

    assert faults(box) == []
    assert world.data.qpos[cube] > before[0] + 0.05
    assert world.data.qpos[cube + 2] == pytest.approx(before[2], abs=0.01), "it slid over the table"


# --- modes ---


def test_a_user_stop_halts_the_arm(box: ControlBox) -> None:
    assert start(box, *TORQUES) == MoveStatus.STARTED
    run(box, ramp(np.array([5.0, 0, 0, 0, 0, 0, 0])))
    run(box, [{}] * 100)
    box.motions.press_user_stop(True)
    let_pass(box, 1500)
    held = box.arm.q.copy()
    let_pass(box, 200)
    np.testing.assert_allclose(box.arm.q, held, atol=1e-4)
    assert state_of(box)["robot_mode"] == Mode.USER_STOPPED
    assert start(box, *TORQUES) == MoveStatus.NOT_POSSIBLE


def test_a_guided_arm_gives_way_where_it_may(box: ControlBox, world: World) -> None:
    assert ask(box, Command.SET_GUIDING_MODE, [1, 0, 0, 0, 0, 0], 0).status == SetStatus.SUCCESS
    box.motions.press_guiding(True)
    begin = box.T[:3, 3].copy()
    world.push((10.0, 10.0, 0.0), 0.5)
    let_pass(box, 500)
    moved = box.T[:3, 3] - begin
    assert moved[0] > 0.02
    assert abs(moved[1]) < 0.01
    box.motions.press_guiding(False)
    let_pass(box, 1500)
    held = box.T[:3, 3].copy()
    let_pass(box, 300)
    np.testing.assert_allclose(box.T[:3, 3], held, atol=1e-4)
    assert held[0] > begin[0] + 0.02, "it went back"


# --- requests ---


def test_nothing_can_be_set_while_a_motion_runs(box: ControlBox) -> None:
    assert start(box, *TORQUES) == MoveStatus.STARTED
    assert ask(box, Command.SET_LOAD).status == SetStatus.NOT_POSSIBLE


def test_a_load_that_is_told_is_held(box: ControlBox) -> None:
    before = box.model.gravity(box.arm.q).copy()
    assert ask(box, Command.SET_LOAD, 1.0, [0, 0, 0.1], np.zeros(9)).status == SetStatus.SUCCESS
    after = box.model.gravity(box.arm.q)
    assert after[1] < before[1] - 1.0
    box.cycle(None)
    assert state_of(box)["m_load"] == 1.0


def test_another_end_effector_moves_the_pose(box: ControlBox) -> None:
    before = box.T.copy()
    T = np.eye(4)
    T[2, 3] = 0.05
    assert ask(box, Command.SET_NE_TO_EE, T.ravel(order="F")).status == SetStatus.SUCCESS
    box.cycle(None)
    np.testing.assert_allclose(box.T[:3, 3], before[:3, 3] + 0.05 * before[:3, 2], atol=1e-6)


@pytest.mark.parametrize(
    ("command", "values"),
    [
        (Command.SET_JOINT_IMPEDANCE, ([-1.0] * 7,)),
        (Command.SET_JOINT_IMPEDANCE, ([14251.0] * 7,)),
        (Command.SET_CARTESIAN_IMPEDANCE, ([9.0] * 6,)),
        (Command.SET_CARTESIAN_IMPEDANCE, ([np.nan] * 6,)),
        (Command.SET_EE_TO_K, (np.zeros(16),)),
        (Command.SET_NE_TO_EE, (np.full(16, np.inf),)),
        (Command.SET_LOAD, (-1.0, np.zeros(3), np.zeros(9))),
        (Command.SET_LOAD, (1.0, np.zeros(3), -np.eye(3).ravel())),
        (Command.SET_LOAD, (1e300, np.zeros(3), np.zeros(9))),
        (Command.SET_LOAD, (1.0, np.full(3, 1e5), np.zeros(9))),
        (Command.SET_FILTERS, ([0.0] * 5,)),
        (Command.SET_COLLISION_BEHAVIOR, (*[[-1.0] * 7] * 4, *[[1.0] * 6] * 4)),
    ],
)
def test_a_setting_outside_its_range_is_refused(
    box: ControlBox, command: Command, values: tuple
) -> None:
    assert ask(box, command, *values).status == SetStatus.INVALID_ARGUMENT


def test_there_is_no_virtual_wall(box: ControlBox) -> None:
    answer = ask(box, Command.GET_CARTESIAN_LIMIT, 4)
    assert answer.status == SetStatus.SUCCESS
    assert len(answer.more) == CARTESIAN_LIMIT_ANSWER.itemsize == 153


def test_the_library_is_sent_to_a_machine_like_this_one_only(box: ControlBox) -> None:
    statuses = {
        (a, s): ask(box, Command.LOAD_MODEL_LIBRARY, a, s) for a in range(4) for s in range(2)
    }
    sent = [where for where, answer in statuses.items() if answer.status == LibraryStatus.SUCCESS]
    assert len(sent) == 1
    assert statuses[sent[0]].more == box.model.binary


def test_filters_smooth_what_is_commanded(box: ControlBox) -> None:
    assert ask(box, Command.SET_FILTERS, [100.0] * 5).status == SetStatus.SUCCESS
    assert start(box, *TORQUES) == MoveStatus.STARTED
    run(box, [{"tau_J_d": np.zeros(7)}, {"tau_J_d": np.full(7, 0.9)}])
    assert 0.2 < state_of(box)["tau_J_d"][0] < 0.5


def test_no_joint_ever_ran_faster_than_the_box_allows(box: ControlBox) -> None:
    assert start(box, *TORQUES) == MoveStatus.STARTED
    run(box, ramp(np.array([0, 0, 0, 0, 0, 0, 6.0])))
    run(box, [{}] * 3000)
    assert np.abs(box.arm.dq).max() < 1.2 * DQ_MAX.max()


def test_an_arm_that_ran_into_the_table_lets_go_of_it_and_may_move_away(box: ControlBox) -> None:
    begin = box.T.copy()
    assert (
        start(box, Controller.CARTESIAN_IMPEDANCE, Generator.CARTESIAN_POSE) == MoveStatus.STARTED
    )
    for share in smooth(1.0):
        T = begin.copy()
        T[2, 3] -= 0.25 * share
        run(box, [{"O_T_EE_c": T.ravel(order="F")}])

    assert Fault.CARTESIAN_REFLEX in faults(box)
    let_pass(box, 2000)
    assert np.abs(state_of(box)["O_F_ext_hat_K"][:3]).max() < 20.0, "it still presses"
    recover(box)
    here = state_of(box)["O_T_EE_c"].reshape(4, 4).T.copy()
    assert start(box, Controller.JOINT_IMPEDANCE, Generator.CARTESIAN_POSE) == MoveStatus.STARTED

    for share in smooth(1.0):
        T = here.copy()
        T[2, 3] += 0.05 * share
        run(box, [{"O_T_EE_c": T.ravel(order="F")}])

    assert faults(box) == []
