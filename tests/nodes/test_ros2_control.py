"""franka_ros2's and CRISP's endpoints, faked: what is missing is named, and an episode runs through them."""

import threading
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from fixtures.fake_ros2_control import DOWN, ROBOT_STATE, FakeRobot, alive
from fixtures.graph import Peer, node_process, peer, wait_for, wayfarer
from fixtures.shipped import shipped
from geometry_msgs.msg import PoseStamped
from rclpy.qos import QoSProfile, ReliabilityPolicy
from wayfarer_common import contract, names, qos
from wayfarer_common.conversions import base_pose, to_nanoseconds
from wayfarer_msgs.msg import Acknowledgement
from wayfarer_msgs.srv import Reset
from wayfarer_policies.replay.bag import read_episode
from wayfarer_policies.replay.episode import End
from wayfarer_policies.replay.run_directory import RunDirectory


def says(me: Peer, words: str) -> bool:
    return "franka_bridge" in me.health and words in me.health["franka_bridge"].message


def test_what_is_missing_is_named_until_it_is_there(domain: int) -> None:
    with peer(domain) as me, node_process("wayfarer_ros2_control", "ros2_control"):
        wait_for(lambda: says(me, "no subscription of /target_pose (cartesian_impedance_controller"), "the complaint")
        assert says(me, f"no publisher of {ROBOT_STATE} (franka_robot_state_broadcaster should be it)")
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
        wait_for(lambda: says(me, "/current_pose (pose_broadcaster should be it) is best effort"), "the complaint")


def test_a_second_commander_is_named(domain: int) -> None:
    with peer(domain) as me, node_process("wayfarer_ros2_control", "ros2_control"):
        FakeRobot(me)
        me.listen(contract.ACKNOWLEDGEMENT)
        me.wait_ready("franka_bridge")
        for _ in range(2):
            me.node.create_publisher(PoseStamped, "/target_pose", qos.STEP)
        wait_for(lambda: says(me, "/target_pose has 2 publishers, must have control alone"), "the complaint")
        assert me.health["franka_bridge"].level != DiagnosticStatus.OK


@pytest.mark.slow
def test_hardware_launch_collects_through_their_names_and_the_bag_has_the_contracts(
    domain: int, tmp_path: Path
) -> None:
    run, outcome = tmp_path / "run", {}
    words = ["launch", "hardware.launch.xml", "backend:=ros2_control", f"run:={run}", "episodes:=1", "steps:=6"]
    config = tmp_path / "config.yaml"
    as_shipped = (Path(__file__).parents[2] / "launch/config/hardware_fr3.yaml").read_text()
    config.write_text(
        as_shipped.replace("scene_reset: none", "scene_reset: home").replace("source: v4l2", "source: topic")
    )
    thread = threading.Thread(target=lambda: outcome.update(done=wayfarer(*words, f"config:={config}")))
    with peer(domain) as me:
        robot = FakeRobot(me)
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


def test_a_target_is_acknowledged_where_the_arm_follows_it_and_refused_where_it_does_not(domain: int) -> None:
    with peer(domain) as me, node_process("wayfarer_ros2_control", "ros2_control"):
        robot = FakeRobot(me)
        me.listen(contract.ACKNOWLEDGEMENT)
        control = me.node.create_publisher(PoseStamped, "/target_pose", qos.STEP)
        me.wait_ready("franka_bridge")
        wait_for(lambda: control.get_subscription_count() == 2, "the controller, and who judges it, to listen")
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
