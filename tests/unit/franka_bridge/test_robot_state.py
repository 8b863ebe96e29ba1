import numpy as np
from fixtures.arm import STATE
from franka_msgs.msg import FrankaRobotState
from std_msgs.msg import Header
from wayfarer_common.conversions import active_errors, position_of, quaternion_of
from wayfarer_franka_bridge.robot_state import LINK, fill, set_errors

NAMES = [f"fr3_joint{i}" for i in range(1, 8)]


def filled() -> FrankaRobotState:
    message = FrankaRobotState()
    fill(message, STATE, Header(frame_id="base"), NAMES)
    return message


def test_every_field_is_filled() -> None:
    """A field that stays at its default would be one that nobody wrote, but for the two that are
    zero in the state.
    """
    message, empty = filled(), FrankaRobotState()
    for name in message.get_fields_and_field_types():
        assert str(getattr(message, name)) != str(getattr(empty, name)) or name in (
            "current_errors",
        ), name


def test_the_numbers_land_where_they_belong() -> None:
    m = filled()
    assert m.measured_joint_state.name == NAMES
    np.testing.assert_allclose(m.measured_joint_state.position, STATE.q)
    np.testing.assert_allclose(m.desired_joint_state.effort, STATE.tau_J_d)
    np.testing.assert_allclose(m.measured_joint_motor_state.velocity, STATE.dtheta)
    np.testing.assert_allclose(m.tau_ext_hat_filtered.effort, STATE.tau_ext)
    assert (m.k_f_ext_hat_k.wrench.force.x, m.k_f_ext_hat_k.wrench.torque.z) == (1.0, 6.0)
    assert (m.o_dp_ee_c.twist.linear.y, m.o_ddp_ee_c.accel.angular.x) == (8.0, 20.0)
    assert (m.inertia_ee.inertia.m, m.inertia_ee.inertia.com.z, m.inertia_ee.inertia.izz) == (
        0.0,
        3.0,
        12.0,
    )
    assert m.elbow.commanded_acceleration.tolist() == [8.0, 9.0]
    assert m.collision_indicators.is_cartesian_linear_collision.z == 1.0
    assert m.collision_indicators.is_cartesian_angular_collision.z == 1.0
    assert m.collision_indicators.is_joint_collision[3] == 1.0
    np.testing.assert_allclose(position_of(m.o_t_ee.pose), [0.48, 0.0, 0.083])
    np.testing.assert_allclose(quaternion_of(m.o_t_ee.pose), [1.0, 0.0, 0.0, 0.0])
    assert (m.time, m.robot_mode, m.o_t_ee.header.frame_id) == (12.5, 1, "base")


def test_only_the_flags_that_are_up_are_raised() -> None:
    m = filled()
    assert active_errors(m.last_motion_errors) == ["cartesian_reflex"]
    set_errors(m.current_errors, ("joint_reflex", LINK, "a_flag_that_only_libfranka_knows"))
    assert active_errors(m.current_errors) == ["joint_reflex", LINK]
    set_errors(m.current_errors, ())
    assert active_errors(m.current_errors) == []
