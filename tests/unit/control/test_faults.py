import pytest
from franka_msgs.msg import Errors, FrankaRobotState
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_control import faults
from wayfarer_control.faults import RobotHealth, judge
from wayfarer_core.fault import FaultKind

FLAGS = tuple(Errors.get_fields_and_field_types())


def test_the_modes_are_frankas() -> None:
    wanted = [
        faults.OTHER,
        faults.IDLE,
        faults.MOVE,
        faults.GUIDING,
        faults.REFLEX,
        faults.USER_STOPPED,
    ]
    names = ("OTHER", "IDLE", "MOVE", "GUIDING", "REFLEX", "USER_STOPPED")
    assert [getattr(FrankaRobotState, f"ROBOT_MODE_{name}") for name in names] == wanted
    assert FrankaRobotState.ROBOT_MODE_AUTOMATIC_ERROR_RECOVERY == faults.RECOVERING


@given(st.integers(0, 255), st.lists(st.sampled_from(FLAGS), unique=True, max_size=4))
def test_only_a_robot_in_a_mode_that_takes_commands_and_without_a_flag_may_be_commanded(
    mode: int, flags: list[str]
) -> None:
    fault = judge(mode, flags)
    assert bool(fault) == (bool(flags) or mode not in (faults.IDLE, faults.MOVE))
    assert all(flag in fault.text for flag in flags)
    assert mode in range(7) or str(mode) in fault.text


@pytest.mark.parametrize(
    ("mode", "flags", "kind"),
    [
        (faults.REFLEX, ["joint_reflex"], FaultKind.REFLEX),
        (faults.REFLEX, ["cartesian_reflex"], FaultKind.REFLEX),
        (faults.REFLEX, ["joint_position_limits_violation"], FaultKind.JOINT_LIMIT),
        (faults.REFLEX, ["joint_velocity_violation"], FaultKind.JOINT_LIMIT),
        (
            faults.REFLEX,
            ["cartesian_motion_generator_joint_position_limits_violation"],
            FaultKind.JOINT_LIMIT,
        ),
        (faults.REFLEX, ["communication_constraints_violation"], FaultKind.COMMUNICATION),
        (faults.OTHER, ["communication_constraints_violation"], FaultKind.CONNECTION),
        (faults.USER_STOPPED, [], FaultKind.USER_STOP),
        (faults.GUIDING, ["joint_reflex"], FaultKind.USER_STOP),
        (faults.MOVE, ["power_limit_violation"], FaultKind.REFLEX),
        (faults.RECOVERING, [], FaultKind.OTHER),
        (faults.OTHER, [], FaultKind.OTHER),
        (77, [], FaultKind.OTHER),
        (faults.IDLE, [], FaultKind.NONE),
        (faults.MOVE, [], FaultKind.NONE),
    ],
)
def test_a_robot_state_means_this_kind_of_fault(
    mode: int, flags: list[str], kind: FaultKind
) -> None:
    assert judge(mode, flags).kind is kind


def test_a_robot_never_heard_of_is_not_healthy_and_one_that_falls_silent_is_lost() -> None:
    health = RobotHealth(2.0)
    assert (health.fault(0.0).kind, health.fault(0.0).text) == (
        FaultKind.CONNECTION,
        "robot: no state yet",
    )
    assert not health.may_recover
    health.hear(faults.MOVE, [], 10.0)
    assert not health.fault(12.0)
    assert health.fault(12.1).kind is FaultKind.CONNECTION
    assert not health.may_recover  # nobody is there to be asked
    health.hear(faults.MOVE, [], 13.0)
    assert not health.fault(13.0)


def test_after_a_user_stop_the_arm_waits_for_an_operators_word() -> None:
    health = RobotHealth(2.0)
    health.hear(faults.USER_STOPPED, [], 0.0)
    assert not health.fault(0.0).needs_operator  # first the switch itself
    health.hear(faults.IDLE, [], 1.0)
    fault = health.fault(1.0)
    assert (fault.kind, fault.needs_operator) == (FaultKind.USER_STOP, True)
    health.acknowledge()
    assert not health.fault(1.0)


def test_what_comes_behind_a_user_stop_is_not_recovered_from_before_an_operators_word() -> None:
    health = RobotHealth(2.0)
    health.hear(faults.USER_STOPPED, [], 0.0)
    health.hear(faults.REFLEX, ["joint_reflex"], 1.0)
    assert (health.fault(1.0).kind, health.fault(1.0).needs_operator) == (FaultKind.REFLEX, True)
    assert not health.may_recover
    health.acknowledge()
    assert health.may_recover


def test_only_faults_that_a_recovery_can_end_ask_for_one() -> None:
    for mode, flags, may in (
        (faults.REFLEX, ["joint_reflex"], True),
        (faults.OTHER, ["communication_constraints_violation"], True),
        (faults.USER_STOPPED, [], False),
        (faults.GUIDING, [], False),
        (faults.RECOVERING, ["joint_reflex"], False),
        (faults.IDLE, [], False),
        (faults.OTHER, [], False),
        (77, [], False),
    ):
        health = RobotHealth(2.0)
        health.hear(mode, flags, 0.0)
        assert health.may_recover is may, (mode, flags)
