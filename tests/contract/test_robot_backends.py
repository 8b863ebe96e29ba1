"""What every robot behind the contract must do, simulated or real.

A new back end is one more entry of fixtures.backends.BACKENDS.
"""

from collections.abc import Iterator

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from fixtures.backends import BACKENDS, DOWN, PUBLISHED, Robot, running
from fixtures.graph import wait_for
from franka_msgs.msg import FrankaRobotState
from rclpy.duration import Duration
from rclpy.publisher import Publisher
from wayfarer_common import contract
from wayfarer_common.conversions import (
    active_errors,
    image_to_array,
    position_of,
    quaternion_of,
    to_nanoseconds,
)
from wayfarer_core import names
from wayfarer_core.reason import Reason
from wayfarer_msgs.msg import Fault

SETTLED = 0.015  # m; distance to the target at the end of a control period


@pytest.fixture(scope="module", params=BACKENDS)
def backend(
    request: pytest.FixtureRequest, module_domain: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Robot]:
    with running(
        BACKENDS[request.param], module_domain, tmp_path_factory.mktemp(request.param)
    ) as robot:
        yield robot


@pytest.fixture
def robot(backend: Robot) -> Robot:
    backend.reset()
    return backend


def test_it_publishes_every_topic_of_the_contract_with_its_type_and_qos(robot: Robot) -> None:
    robot.go(robot.position())
    for topic in PUBLISHED:
        wait_for(lambda topic=topic: robot.peer.last(topic), topic.name)
        (info,) = robot.peer.node.get_publishers_info_by_topic(topic.name)
        package, kind = topic.type.__module__.split(".")[0], topic.type.__name__
        assert info.topic_type == f"{package}/msg/{kind}"
        assert info.qos_profile.reliability == topic.qos.reliability
        assert info.qos_profile.durability == topic.qos.durability


def test_it_is_the_only_one_to_publish_its_topics_and_publishes_nothing_of_others(
    robot: Robot,
) -> None:
    others = (
        contract.OBSERVATION_IMAGE,
        contract.POLICY_ACTION,
        contract.EXECUTED,
        contract.REPLAY_EPISODE,
    )
    assert [robot.peer.node.count_publishers(t.name) for t in PUBLISHED] == [1] * len(PUBLISHED)
    assert [robot.peer.node.count_publishers(t.name) for t in others] == [0] * len(others)


def test_frames_are_the_contracts(robot: Robot) -> None:
    assert robot.peer.last(contract.CURRENT_POSE).header.frame_id == names.BASE_FRAME
    assert robot.peer.last(contract.CAMERA_IMAGE).header.frame_id == names.CAMERA_FRAME


def test_the_pose_is_in_metres_and_the_gripper_points_down_at_home(robot: Robot) -> None:
    pose = robot.peer.last(contract.CURRENT_POSE).pose
    assert np.abs(position_of(pose)).max() < 1.2
    assert abs(abs(quaternion_of(pose) @ DOWN) - 1.0) < 1e-3


def test_joint_states_are_seven_angles_in_radians_inside_a_pandas_range(robot: Robot) -> None:
    joints = robot.peer.last(contract.JOINT_STATES)
    lower = [-2.90, -1.77, -2.90, -3.08, -2.90, -0.02, -2.90]
    upper = [2.90, 1.77, 2.90, -0.06, 2.90, 3.76, 2.90]
    assert (
        len(joints.name) == len(joints.position) == len(joints.velocity) == len(joints.effort) == 7
    )
    assert (np.array(joints.position) > lower).all()
    assert (np.array(joints.position) < upper).all()


def test_the_robot_state_agrees_with_the_pose_and_shows_no_error(robot: Robot) -> None:
    now = robot.stamp(contract.CURRENT_POSE)
    wait_for(lambda: robot.stamp(contract.ROBOT_STATE) >= now, "a robot state as new as the pose")
    state = robot.peer.last(contract.ROBOT_STATE)
    assert active_errors(state.current_errors) == []
    assert state.robot_mode in (FrankaRobotState.ROBOT_MODE_IDLE, FrankaRobotState.ROBOT_MODE_MOVE)
    np.testing.assert_allclose(position_of(state.o_t_ee.pose), robot.position(), atol=0.01)


def test_images_are_rgb_and_match_the_camera_info(robot: Robot) -> None:
    image, info = robot.peer.last(contract.CAMERA_IMAGE), robot.peer.last(contract.CAMERA_INFO)
    assert image.encoding == "rgb8"
    assert (image.width, image.height) == (info.width, info.height)
    assert image_to_array(image).std() > 10.0, "the image shows nothing"
    assert info.k[0] > 0.0
    assert 0.0 < info.k[2] < info.width


def test_every_image_comes_with_what_is_known_of_the_lens_at_its_stamp(robot: Robot) -> None:
    def said() -> set[int]:
        return {to_nanoseconds(m.header.stamp) for m in robot.peer.heard[contract.CAMERA_INFO.name]}

    wait_for(lambda: bool(said()), "a camera_info")
    robot.go(robot.position())
    images = {to_nanoseconds(m.header.stamp) for m in robot.peer.heard[contract.CAMERA_IMAGE.name]}

    # the two topics are found one by one
    both_joined = {stamp for stamp in images if stamp >= min(said())}

    assert both_joined
    wait_for(lambda: both_joined <= said(), "a camera_info of each image's stamp")


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_target_five_centimetres_away_is_reached_within_a_control_period(
    robot: Robot, axis: int
) -> None:
    def missed_by() -> float:
        robot.reset()
        target = robot.position() + 0.05 * np.eye(3)[axis]
        robot.go(target)
        return float(np.linalg.norm(robot.position() - target))

    tries = 1 if robot.lockstep else 5  # a busy machine delays some
    assert any(missed_by() < SETTLED for _ in range(tries))


def test_the_orientation_stays_fixed_while_it_moves(robot: Robot) -> None:
    robot.go(robot.position() + [0.0, 0.1, 0.05])
    assert abs(quaternion_of(robot.peer.last(contract.CURRENT_POSE).pose) @ DOWN) > 0.999


def test_the_image_is_upright_with_the_robots_left_on_the_right_side(robot: Robot) -> None:
    """The camera faces the robot.

    What differs from home lies right of it for +y, and higher up for +z.
    """
    home, background = robot.position(), robot.picture()

    def centre_of_change(offset: list[float]) -> np.ndarray:
        robot.reset()
        for _ in range(2):
            robot.go(home + offset)

        rows, columns = np.nonzero(np.abs(robot.picture() - background) > 60)
        assert len(rows) > 10, "the arm's motion does not show"

        return np.array([columns.mean(), rows.mean()])

    right = centre_of_change([0.0, 0.18, 0.0]) - centre_of_change([0.0, -0.18, 0.0])
    up = centre_of_change([0.0, 0.0, 0.15]) - centre_of_change([0.0, 0.0, -0.10])
    assert right[0] > 5.0
    assert up[1] < -1.0


def test_a_reset_brings_the_arm_home_and_tells_from_when_on(robot: Robot) -> None:
    home = robot.position()
    before = robot.stamp(contract.CAMERA_IMAGE)
    robot.go(home + [0.0, 0.1, 0.0])
    stamp = robot.reset()
    assert stamp > before
    np.testing.assert_allclose(robot.position(), home, atol=0.005)


def test_without_targets_the_arm_holds_still(robot: Robot) -> None:
    robot.go(robot.position() + [0.0, 0.1, 0.0])
    if not robot.lockstep:
        end = robot.stamp(contract.CURRENT_POSE) + int(1e9)
        wait_for(lambda: robot.stamp(contract.CURRENT_POSE) >= end, "the target to be reached")

    where, poses = robot.position(), len(robot.peer.heard[contract.CURRENT_POSE.name])
    if not robot.lockstep:
        wait_for(
            lambda: len(robot.peer.heard[contract.CURRENT_POSE.name]) > poses + 20, "more poses"
        )

    np.testing.assert_allclose(robot.position(), where, atol=0.002)


def test_it_acknowledges_each_target_that_it_follows_once_by_its_stamp(robot: Robot) -> None:
    heard = robot.peer.heard[contract.ACKNOWLEDGEMENT.name]
    before = len(heard)
    for offset in ([0.0, 0.05, 0.0], [0.0, 0.0, 0.05]):
        stamp = robot.send(robot.position() + offset)
        answer = robot.answer(stamp)
        assert (answer.taken, answer.reasons, answer.text) == (True, 0, "")
        wait_for(
            lambda stamp=stamp: robot.stamp(contract.CAMERA_IMAGE) > stamp,
            "the image after a target",
        )

    assert len(heard) == before + 2


def test_an_operators_stop_lets_it_hold_where_it_is_and_drop_its_target(robot: Robot) -> None:
    if robot.lockstep:
        pytest.skip("in lock-step there is nothing between two targets")

    control = robot.peer.publisher(contract.CONTROL_FAULT)
    wait_for(lambda: control.get_subscription_count() == 1, "the back end to listen to control")
    try:
        stopped = any(_stops_on_its_way(robot, control) for _ in range(5))
        assert stopped, "it went on to its target each time"
    finally:
        robot.peer.node.destroy_publisher(control)


def _stops_on_its_way(robot: Robot, control: Publisher) -> bool:
    """Say whether an operator's stop came in time, as on a busy machine it may not, and was heeded.

    The stop is over afterwards.
    """
    for _ in range(10):
        if robot.position()[1] > -0.2:
            robot.go(robot.position() - [0.0, 0.08, 0.0])

    start, way = robot.position(), 0.45  # m
    robot.send(start + [0.0, way, 0.0])
    wait_for(lambda: robot.position()[1] > start[1] + 0.01, "the arm to be under way")
    control.publish(Fault(kind=Fault.OPERATOR, needs_operator=True, text="stopped by the operator"))
    end = robot.stamp(contract.CURRENT_POSE) + int(2e9)
    wait_for(lambda: robot.stamp(contract.CURRENT_POSE) >= end, "two seconds to pass")
    stopped = bool(robot.position()[1] < start[1] + 0.8 * way)
    control.publish(Fault())
    assert control.wait_for_all_acked(Duration(seconds=60)), "the stop's end was not heard"

    return stopped


@pytest.mark.parametrize(
    "bad", ["not finite", "no rotation", "another frame", "a second publisher"]
)
def test_it_refuses_and_reports(robot: Robot, bad: str) -> None:
    name = robot.bridge

    def refusals() -> int:
        return sum(
            int(v.value.split()[0])
            for v in robot.peer.health[name].values
            if v.key == "refused targets"
        )

    before, refused_before = robot.position(), refusals()
    target = before + [0.0, 0.1, 0.0]
    if bad == "not finite":
        stamp = robot.send(np.array([np.nan, 0.0, 0.3]))
    elif bad == "no rotation":
        stamp = robot.send(target, quaternion=np.zeros(4))
    elif bad == "another frame":
        stamp = robot.send(target, frame="camera_optical_frame")
    else:
        second = robot.peer.publisher(contract.TARGET_POSE)
        wait_for(
            lambda: second.get_subscription_count() == 1, "the second publisher to be connected"
        )
        wait_for(
            lambda: robot.peer.node.count_publishers(contract.TARGET_POSE.name) == 2,
            "both to be visible",
        )
        stamp = robot.send(target, publisher=second)

    answer = robot.answer(stamp)
    assert not answer.taken
    assert Reason.REFUSED in Reason(answer.reasons)
    assert answer.text
    wait_for(lambda: refusals() > refused_before, "the refusal in the diagnostics")
    assert robot.peer.health[name].level != DiagnosticStatus.OK

    if bad == "a second publisher":
        robot.peer.node.destroy_publisher(second)
        wait_for(
            lambda: robot.peer.node.count_publishers(contract.TARGET_POSE.name) == 1,
            "the second one to be gone",
        )

    np.testing.assert_allclose(robot.position(), before, atol=0.003)
