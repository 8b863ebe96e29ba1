"""Each motion generator, from the client's command to where the arm is.

And each way to break its limits.
"""

import numpy as np
import pytest
from fixtures.panda_commands import (
    FAR,
    command,
    faults,
    finish,
    is_idle,
    run,
    smooth,
    start,
    state_of,
)
from panda_sim.arm.box import ControlBox
from panda_sim.arm.limits import DT, Q_MAX
from panda_sim.arm.rotations import exp
from panda_sim.protocol.codes import Controller, Fault, Generator, Mode, MoveStatus
from panda_sim.world.world import World

WAY = np.array([0.3, 0.1, -0.2, 0.2, 0.3, -0.2, 0.4])  # rad
STIFF, SOFT = Controller.JOINT_IMPEDANCE, Controller.CARTESIAN_IMPEDANCE


def columns(T: np.ndarray) -> np.ndarray:
    return T.ravel(order="F")


def pose(box: ControlBox) -> np.ndarray:
    return state_of(box)["O_T_EE_c"].reshape(4, 4).T.copy()


@pytest.mark.parametrize("controller", [STIFF, SOFT])
def test_joint_positions_are_followed(box: ControlBox, controller: Controller) -> None:
    begin = box.arm.q.copy()
    assert start(box, controller, Generator.JOINT_POSITION) == MoveStatus.STARTED
    run(box, [{"q_c": begin + s * WAY} for s in smooth(2.0)])
    run(box, [{}] * 300)
    finish(box, {})
    assert is_idle(box), faults(box)
    np.testing.assert_allclose(state_of(box)["q_d"], begin + WAY, atol=1e-9)
    np.testing.assert_allclose(box.arm.q, begin + WAY, atol=0.01 if controller == STIFF else 0.05)


def test_joint_velocities_are_followed(box: ControlBox) -> None:
    begin = box.arm.q.copy()
    assert start(box, STIFF, Generator.JOINT_VELOCITY) == MoveStatus.STARTED
    speeds = np.diff([0.0, *smooth(2.0)]) / DT
    run(box, [{"dq_c": speed * WAY} for speed in speeds])
    run(box, [{"dq_c": np.zeros(7)}] * 300)
    finish(box, {"dq_c": np.zeros(7)})
    assert is_idle(box), faults(box)
    np.testing.assert_allclose(box.arm.q, begin + WAY, atol=0.01)


@pytest.mark.parametrize("controller", [STIFF, SOFT])
def test_poses_are_followed_along_and_about_an_axis(
    box: ControlBox, controller: Controller
) -> None:
    begin = pose(box)
    assert start(box, controller, Generator.CARTESIAN_POSE) == MoveStatus.STARTED

    def at(s: float) -> np.ndarray:
        T = begin.copy()
        T[:3, 3] += s * np.array([0.0, 0.12, 0.08])
        T[:3, :3] = exp(s * np.array([0.0, 0.2, 0.3])) @ T[:3, :3]
        return columns(T)

    run(box, [{"O_T_EE_c": at(s)} for s in smooth(1.5)])
    run(box, [{}] * 400)
    finish(box, {})
    assert is_idle(box), faults(box)
    away = box.T - at(1.0).reshape(4, 4).T
    assert np.abs(away).max() < 0.005


def test_twists_are_followed(box: ControlBox) -> None:
    begin = pose(box)
    assert start(box, STIFF, Generator.CARTESIAN_VELOCITY) == MoveStatus.STARTED
    twist = np.array([0.05, -0.1, 0.06, 0.0, 0.1, 0.0])
    run(box, [{"O_dP_EE_c": speed * twist} for speed in np.diff([0.0, *smooth(1.5)]) / DT])
    run(box, [{"O_dP_EE_c": np.zeros(6)}] * 300)
    finish(box, {"O_dP_EE_c": np.zeros(6)})
    assert is_idle(box), faults(box)
    np.testing.assert_allclose(box.T[:3, 3], begin[:3, 3] + twist[:3], atol=0.003)


def test_an_elbow_is_followed_while_the_hand_stays(box: ControlBox) -> None:
    begin, elbow = pose(box), state_of(box)["elbow"].copy()
    assert start(box, STIFF, Generator.CARTESIAN_POSE) == MoveStatus.STARTED
    steps = [{"valid_elbow": 1, "elbow_c": elbow + [0.3 * s, 0.0]} for s in smooth(1.5)]
    run(box, [{"O_T_EE_c": columns(begin)} | step for step in steps])
    run(box, [steps[-1]] * 300)
    finish(box, steps[-1])
    assert is_idle(box), faults(box)
    assert box.arm.q[2] == pytest.approx(elbow[0] + 0.3, abs=0.01)
    np.testing.assert_allclose(box.T[:3, 3], begin[:3, 3], atol=0.003)


# --- what breaks a limit ---

BROKEN = {
    Fault.JOINT_POSITION_MOTION_GENERATOR_START_POSE_INVALID: (
        Generator.JOINT_POSITION,
        {"q_c": np.zeros(7)},
    ),
    Fault.JOINT_MOTION_GENERATOR_VELOCITY_LIMITS_VIOLATION: (
        Generator.JOINT_VELOCITY,
        {"dq_c": np.full(7, 3.0)},
    ),
    Fault.JOINT_MOTION_GENERATOR_VELOCITY_DISCONTINUITY: (
        Generator.JOINT_VELOCITY,
        {"dq_c": np.full(7, 0.05)},
    ),
    Fault.JOINT_MOTION_GENERATOR_ACCELERATION_DISCONTINUITY: (
        Generator.JOINT_VELOCITY,
        {"dq_c": np.full(7, 0.0073)},
    ),
    Fault.CARTESIAN_POSITION_MOTION_GENERATOR_INVALID_FRAME: (
        Generator.CARTESIAN_POSE,
        {"O_T_EE_c": np.zeros(16)},
    ),
    Fault.CARTESIAN_POSITION_MOTION_GENERATOR_START_POSE_INVALID: (
        Generator.CARTESIAN_POSE,
        {"O_T_EE_c": columns(np.eye(4))},
    ),
    Fault.CARTESIAN_MOTION_GENERATOR_VELOCITY_LIMITS_VIOLATION: (
        Generator.CARTESIAN_VELOCITY,
        {"O_dP_EE_c": np.array([3.0, 0.0, 0.0, 0.0, 0.0, 0.0])},
    ),
    Fault.CARTESIAN_MOTION_GENERATOR_VELOCITY_DISCONTINUITY: (
        Generator.CARTESIAN_VELOCITY,
        {"O_dP_EE_c": np.array([0.02, 0.0, 0.0, 0.0, 0.0, 0.0])},
    ),
    Fault.CARTESIAN_MOTION_GENERATOR_ACCELERATION_DISCONTINUITY: (
        Generator.CARTESIAN_VELOCITY,
        {"O_dP_EE_c": np.array([0.01, 0.0, 0.0, 0.0, 0.0, 0.0])},
    ),
    Fault.CARTESIAN_MOTION_GENERATOR_ELBOW_SIGN_INCONSISTENT: (
        Generator.CARTESIAN_VELOCITY,
        {"valid_elbow": 1, "elbow_c": (0.0, 1.0)},
    ),
    Fault.CARTESIAN_MOTION_GENERATOR_START_ELBOW_INVALID: (
        Generator.CARTESIAN_VELOCITY,
        {"valid_elbow": 1, "elbow_c": (0.5, -1.0)},
    ),
    Fault.CARTESIAN_MOTION_GENERATOR_ELBOW_LIMIT_VIOLATION: (
        Generator.CARTESIAN_VELOCITY,
        {"valid_elbow": 1, "elbow_c": (0.01, -1.0)},
    ),
}


@pytest.mark.parametrize("fault", BROKEN, ids=lambda f: f.name.lower())
def test_a_broken_limit_is_told_by_its_name(box: ControlBox, fault: Fault) -> None:
    generator, fields = BROKEN[fault]
    assert start(box, STIFF, generator) == MoveStatus.STARTED
    run(box, [fields])
    assert box.motions.mode == Mode.REFLEX
    assert fault in faults(box)


def test_a_reference_beyond_a_joint_limit_is_told(box: ControlBox, world: World) -> None:
    near = box.arm.q.copy()
    near[0] = Q_MAX[0] - 0.05
    world.place(near)
    box.reference.restart(near, np.zeros(7))
    assert start(box, SOFT, Generator.JOINT_POSITION) == MoveStatus.STARTED
    run(box, [{"q_c": near + 0.1 * s * np.eye(7)[0]} for s in smooth(1.0)])
    assert faults(box) == [Fault.JOINT_MOTION_GENERATOR_POSITION_LIMITS_VIOLATION]


def test_joints_that_would_have_to_jump_for_a_pose_are_told(box: ControlBox) -> None:
    """Stretched out, the hand moves slowly and the joints fast."""
    begin = pose(box)
    assert start(box, STIFF, Generator.CARTESIAN_POSE) == MoveStatus.STARTED

    def at(s: float) -> np.ndarray:
        T = begin.copy()
        T[:3, 3] += s * np.array([0.33, 0.0, 0.0])
        return columns(T)

    run(box, [{"O_T_EE_c": at(s)} for s in smooth(1.5)])
    assert {f.name for f in faults(box)} & {
        "CARTESIAN_MOTION_GENERATOR_JOINT_VELOCITY_LIMITS_VIOLATION",
        "CARTESIAN_MOTION_GENERATOR_JOINT_VELOCITY_DISCONTINUITY",
        "CARTESIAN_MOTION_GENERATOR_JOINT_ACCELERATION_DISCONTINUITY",
        "JOINT_VELOCITY_VIOLATION",
    }


def test_a_cartesian_motion_cannot_begin_where_the_arm_is_singular(
    box: ControlBox, world: World
) -> None:
    world.place([0.0, 0.0, 0.0, -0.5, 0.0, 0.0, 0.0])
    box.reference.restart(world.q, np.zeros(7))
    assert start(box, STIFF, Generator.CARTESIAN_POSE) == MoveStatus.SINGULAR_START
    assert is_idle(box)


def test_a_reference_that_ends_in_full_motion_is_told(box: ControlBox) -> None:
    assert start(box, STIFF, Generator.JOINT_VELOCITY) == MoveStatus.STARTED
    speeds = np.diff([0.0, *smooth(2.0)])[:1000] / DT
    run(box, [{"dq_c": speed * WAY} for speed in speeds])
    finish(box, {"dq_c": speeds[-1] * WAY})
    assert faults(box) == [Fault.JOINT_MOTION_GENERATOR_VELOCITY_DISCONTINUITY]


def test_an_arm_that_stays_behind_its_reference_is_told(box: ControlBox) -> None:
    assert (
        start(box, SOFT, Generator.JOINT_POSITION, path=(0.0005, 0.001, 0.001))
        == MoveStatus.STARTED
    )
    begin = box.arm.q.copy()
    run(box, [{"q_c": begin + s * WAY} for s in smooth(1.0)])
    assert Fault.MAX_PATH_POSE_DEVIATION_VIOLATION in faults(box)


def test_a_goal_that_is_not_met_is_told(box: ControlBox) -> None:
    assert start(box, SOFT, Generator.JOINT_POSITION, goal=(1e-6, 1e-6, 1e-6)) == MoveStatus.STARTED
    begin = box.arm.q.copy()
    run(box, [{"q_c": begin + s * WAY} for s in smooth(1.0)])
    finish(box, {"q_c": begin + WAY})
    assert faults(box) == [Fault.MAX_GOAL_POSE_DEVIATION_VIOLATION]


# --- what is lost on the way ---


@pytest.mark.parametrize("generator", Generator)
def test_a_few_lost_commands_are_bridged(box: ControlBox, generator: Generator) -> None:
    begin_q, begin = box.arm.q.copy(), pose(box)
    assert start(box, STIFF, generator) == MoveStatus.STARTED
    shares = smooth(2.0)
    speeds = np.diff([0.0, *shares]) / DT

    def fields(k: int) -> dict[str, object]:
        T = begin.copy()
        T[1, 3] += 0.1 * shares[k]
        twist = 0.1 * speeds[k] * np.eye(6)[1]

        return {
            "q_c": begin_q + shares[k] * WAY,
            "dq_c": speeds[k] * WAY,
            "O_T_EE_c": columns(T),
            "O_dP_EE_c": twist,
        }

    lost = {700, 701, 1300}
    run(box, [None if k in lost else fields(k) for k in range(len(shares))])
    run(box, [fields(len(shares) - 1)] * 200)
    assert faults(box) == []
    assert box.motions.link.lost == len(lost)


@pytest.mark.parametrize("number", [np.nan, np.inf, 1e300])
def test_a_command_that_is_no_sane_number_ends_the_motion_without_a_reflex(
    box: ControlBox, number: float
) -> None:
    assert start(box, STIFF, Generator.CARTESIAN_VELOCITY) == MoveStatus.STARTED
    run(box, [{}, {"O_dP_EE_c": np.full(6, number)}])
    assert [ended.status for ended in box.take_ended()] == [MoveStatus.INPUT_ERROR]
    assert is_idle(box)
    box.cycle(None)
    assert np.isfinite(box.arm.q).all()


@pytest.mark.parametrize("numbers", [(7, 0), (0, 9), (3, 0)])
def test_a_controller_or_generator_that_there_is_not_is_refused(
    box: ControlBox, numbers: tuple[int, int]
) -> None:
    controller, generator = numbers
    # Type: ignore[arg-type]
    assert start(box, controller, generator, FAR) == MoveStatus.INVALID_ARGUMENT
    assert command(box)["message_id"] == 0
