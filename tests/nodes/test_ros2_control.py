"""The endpoints of CRISP and an arm's driver, faked.

What is missing is named, and an episode runs through them.
"""

import itertools
import threading
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from fixtures.fake_ros2_control import (
    DOWN,
    RECOVERY,
    ROBOT_STATE,
    FakeGripper,
    FakePanda,
    FakeRobot,
    alive,
)
from fixtures.graph import Peer, node_process, peer, wait_for, wayfarer
from fixtures.shipped import shipped
from franka_msgs.action import ErrorRecovery, Grasp, Move
from franka_msgs.msg import FrankaState
from geometry_msgs.msg import PoseStamped
from rclpy.action import ActionClient
from rclpy.qos import QoSProfile, ReliabilityPolicy
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import End
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_common import contract, qos
from wayfarer_common.conversions import (
    active_errors,
    base_pose,
    position_of,
    quaternion_of,
    to_nanoseconds,
)
from wayfarer_control.faults import judge
from wayfarer_core import names
from wayfarer_core.fault import FaultKind
from wayfarer_core.targets import Grip
from wayfarer_msgs.msg import Acknowledgement, GripperTarget
from wayfarer_msgs.srv import Reset


def says(me: Peer, words: str) -> bool:
    return "franka_bridge" in me.health and words in me.health["franka_bridge"].message


def test_what_is_missing_is_named_until_it_is_there(domain: int) -> None:
    with peer(domain) as me, node_process("wayfarer_ros2_control", "ros2_control"):
        wait_for(
            lambda: says(me, "no subscription of /target_pose (cartesian_impedance_controller"),
            "the complaint",
        )
        assert says(
            me, f"no publisher of {ROBOT_STATE} (franka_robot_state_broadcaster should be it)"
        )
        answer = me.call(Reset, names.RESET, Reset.Request())
        assert not answer.success
        assert "no action of /action_server/error_recovery" in answer.message
        FakeRobot(me)
        me.listen(contract.ACKNOWLEDGEMENT)  # stands for control
        me.wait_ready("franka_bridge")
        assert me.call(Reset, names.RESET, Reset.Request()).success


def test_a_best_effort_pose_is_named(domain: int) -> None:
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    with peer(domain) as me, node_process("wayfarer_ros2_control", "ros2_control"):
        FakeRobot(me, pose=best_effort)
        wait_for(
            lambda: says(me, "/current_pose (pose_broadcaster should be it) is best effort"),
            "the complaint",
        )


def test_a_second_commander_is_named(domain: int) -> None:
    with peer(domain) as me, node_process("wayfarer_ros2_control", "ros2_control"):
        FakeRobot(me)
        me.listen(contract.ACKNOWLEDGEMENT)
        me.wait_ready("franka_bridge")

        for _ in range(2):
            me.node.create_publisher(PoseStamped, "/target_pose", qos.STEP)

        wait_for(
            lambda: says(me, "/target_pose has 2 publishers, must have control alone"),
            "the complaint",
        )
        assert me.health["franka_bridge"].level != DiagnosticStatus.OK


def test_a_pandas_state_and_recovery_are_translated(domain: int) -> None:
    with peer(domain) as me, node_process("wayfarer_ros2_control", "panda_names"):
        me.listen(contract.ROBOT_STATE)
        panda = FakePanda(me)
        recovery = ActionClient(me.node, ErrorRecovery, names.ERROR_RECOVERY)
        panda.mode = FrankaState.ROBOT_MODE_REFLEX

        with alive(panda, ""):
            wait_for(lambda: me.last(contract.ROBOT_STATE), "the first state")
            state = me.last(contract.ROBOT_STATE)
            assert active_errors(state.current_errors) == ["cartesian_reflex"]
            assert (
                judge(state.robot_mode, active_errors(state.current_errors)).kind
                is FaultKind.REFLEX
            )
            np.testing.assert_allclose(position_of(state.o_t_ee.pose), panda.position)
            np.testing.assert_allclose(
                np.abs(quaternion_of(state.o_t_ee.pose)), [1.0, 0.0, 0.0, 0.0], atol=1e-9
            )
            assert list(state.measured_joint_state.position) == pytest.approx(
                [0.1 * i for i in range(7)]
            )
            assert state.measured_joint_state.name[6] == "panda_joint7"
            assert (state.time, state.inertia_ee.inertia.m) == (3.5, 0.73)
            wait_for(recovery.server_is_ready, "the recovery action")
            goal = recovery.send_goal_async(ErrorRecovery.Goal())
            wait_for(goal.done, "the recovery to begin")
            result = goal.result().get_result_async()
            wait_for(result.done, "the recovery to end")
            assert result.result().status == 4  # action_msgs/GoalStatus STATUS_SUCCEEDED
            assert panda.recoveries == 1
            me.wait_last(
                contract.ROBOT_STATE,
                lambda state: not active_errors(state.current_errors),
                "a healthy state",
            )


def test_a_recovery_that_nobody_answers_is_aborted(domain: int) -> None:
    with (
        peer(domain) as me,
        node_process("wayfarer_ros2_control", "panda_names", recovery_timeout=1.0),
    ):
        recovery = ActionClient(me.node, ErrorRecovery, names.ERROR_RECOVERY)
        wait_for(recovery.server_is_ready, "the recovery action")
        goal = recovery.send_goal_async(ErrorRecovery.Goal())
        wait_for(goal.done, "the recovery to begin")
        result = goal.result().get_result_async()
        wait_for(result.done, "the recovery to end")
        assert result.result().status == 6  # STATUS_ABORTED


def test_what_is_missing_of_a_pandas_driver_is_named(domain: int) -> None:
    with (
        peer(domain) as me,
        node_process("wayfarer_ros2_control", "ros2_control", driver="multipanda_ros2"),
    ):
        wait_for(lambda: says(me, "no publisher of /franka/joint_states"), "the complaint")
        assert says(me, f"no service of {RECOVERY} (franka_hardware should be it)")
        FakePanda(me)
        me.listen(contract.ACKNOWLEDGEMENT)  # stands for control
        me.wait_ready("franka_bridge")


@pytest.mark.slow
@pytest.mark.parametrize(("arm", "fake"), [("fr3", FakeRobot), ("panda", FakePanda)])
def test_hardware_launch_collects_through_their_names_and_the_bag_has_the_contracts(
    domain: int, tmp_path: Path, arm: str, fake: type[FakeRobot]
) -> None:
    run, outcome = tmp_path / "run", {}
    words = [
        "launch",
        "hardware.launch.xml",
        "backend:=ros2_control",
        f"robot:={arm}",
        f"run:={run}",
        "episodes:=1",
    ]
    words += ["steps:=6"]
    config = tmp_path / "config.yaml"
    as_shipped = (Path(__file__).parents[2] / f"launch/config/hardware_{arm}.yaml").read_text()
    config.write_text(
        as_shipped.replace("scene_reset: none", "scene_reset: home").replace(
            "source: v4l2", "source: topic"
        )
    )
    thread = threading.Thread(
        target=lambda: outcome.update(done=wayfarer(*words, f"config:={config}"))
    )

    with peer(domain) as me:
        robot = fake(me)
        robot.position = np.array([0.40, -0.2, 0.3])
        with alive(robot, "/wayfarer"):
            thread.start()
            thread.join(170.0)

    assert outcome["done"].returncode == 0, outcome["done"].stderr
    episode = read_episode(RunDirectory(run).episodes()[0])
    assert (episode.steps, episode.lost_steps, episode.info.end) == (6, 0, End.TRUNCATED)
    assert np.isfinite(episode.ee_positions).all(), "poses are in the bag under the contract's name"
    box = shipped("hardware_fr3", "control")
    middle = np.mean([box["workspace_min"], box["workspace_max"]], axis=0)
    assert np.linalg.norm(episode.ee_positions[0] - middle) < 0.03, "the way home came first"
    assert len(robot.targets) > 6
    assert episode.valid.all()


def test_a_target_is_acknowledged_where_the_arm_follows_it_and_refused_where_it_does_not(
    domain: int,
) -> None:
    with peer(domain) as me, node_process("wayfarer_ros2_control", "ros2_control"):
        robot = FakeRobot(me)
        me.listen(contract.ACKNOWLEDGEMENT)
        control = me.node.create_publisher(PoseStamped, "/target_pose", qos.STEP)
        me.wait_ready("franka_bridge")
        wait_for(
            lambda: control.get_subscription_count() == 2,
            "the controller, and who judges it, to listen",
        )

        for stamp, stuck in ((1, False), (2, True), (3, False)):
            robot.stuck = stuck
            target = base_pose(robot.position + [0.0, 0.1, 0.0], DOWN, stamp)
            robot.publish()
            control.publish(target)

            def said(stamp: int = stamp) -> Acknowledgement | None:
                robot.publish()
                heard = me.heard[contract.ACKNOWLEDGEMENT.name]
                return next((a for a in heard if to_nanoseconds(a.header.stamp) == stamp), None)

            answer = wait_for(said, "the verdict")
            assert answer.taken is not stuck, answer.text
            assert ("does not follow" in answer.text) is stuck


def test_a_gripper_is_moved_by_franka_gripper_s_actions_once_and_stopped_by_their_cancelling(
    domain: int,
) -> None:
    told = {"gripper_width": 0.08, "gripper_force": 30.0, "gripper_speed": 0.05}
    with peer(domain) as me, node_process("wayfarer_ros2_control", "ros2_control", **told):
        robot = FakeRobot(me)
        me.listen(contract.ACKNOWLEDGEMENT)
        grips = me.publisher(contract.TARGET_GRIPPER)
        control = me.node.create_publisher(PoseStamped, "/target_pose", qos.STEP)
        wait_for(lambda: says(me, "no action of /franka_gripper/move"), "the complaint")
        gripper = FakeGripper(me)
        me.wait_ready("franka_bridge")
        wait_for(lambda: control.get_subscription_count() == 2, "both to listen")
        heard = me.heard[contract.ACKNOWLEDGEMENT.name]

        stamps = itertools.count(1)

        def tell(grip: Grip) -> None:
            """Send it with a target, again where a busy machine made the pose too old."""
            width = 0.08 if grip is Grip.OPEN else 0.0

            def taken() -> bool:
                target = base_pose(robot.position, DOWN, stamp := next(stamps))
                grips.publish(GripperTarget(header=target.header, grip=int(grip), width=width))
                robot.publish()
                control.publish(target)

                def said() -> Acknowledgement | None:
                    robot.publish()
                    return next((a for a in heard if to_nanoseconds(a.header.stamp) == stamp), None)

                return bool(wait_for(said, "the verdict").taken)

            wait_for(taken, "a target that is taken")

        for _ in range(3):
            tell(Grip.OPEN)

        wait_for(lambda: gripper.goals, "the goal")
        assert gripper.goals == [Move.Goal(width=0.08, speed=0.05)], "it is told once"
        grips.publish(GripperTarget(grip=int(Grip.STOP)))
        wait_for(lambda: gripper.cancelled == 1, "its end")

        tell(Grip.CLOSE)
        wait_for(lambda: len(gripper.goals) == 2, "the grasp")
        grasp = gripper.goals[1]
        assert isinstance(grasp, Grasp.Goal)
        assert (grasp.width, grasp.speed, grasp.force) == (0.0, 0.05, 30.0)
        assert grasp.epsilon.outer >= 0.08, "whatever is between the fingers is held"
        gripper.end()
        tell(Grip.KEEP)
        tell(Grip.CLOSE)
        assert len(gripper.goals) == 2, "it holds already"

        tell(Grip.OPEN)
        wait_for(lambda: len(gripper.goals) == 3, "the opening")
        gripper.end(well=False)
        wait_for(lambda: says(me, "last motion failed: libfranka gripper: Command failed"), "why")
        tell(Grip.OPEN)
        wait_for(lambda: len(gripper.goals) == 4, "another try")


def test_how_hard_it_grips_must_be_said(domain: int, capfd: pytest.CaptureFixture[str]) -> None:
    with node_process("wayfarer_ros2_control", "ros2_control", gripper_width=0.08) as process:
        assert process.wait(timeout=60.0) == 1

    assert "gripper_force must be given" in capfd.readouterr().out  # the fixture prints it
