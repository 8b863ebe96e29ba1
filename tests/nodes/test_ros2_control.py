"""franka_ros2's and CRISP's endpoints, faked: what is missing is named, and an episode runs through them."""

import threading
from pathlib import Path

import numpy as np
import pytest
from diagnostic_msgs.msg import DiagnosticStatus
from fixtures.fake_ros2_control import ROBOT_STATE, FakeRobot, alive
from fixtures.graph import Peer, node_process, peer, wait_for, wayfarer
from geometry_msgs.msg import PoseStamped
from rclpy.qos import QoSProfile, ReliabilityPolicy
from wayfarer_common import names, qos
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
    shipped = (Path(__file__).parents[2] / "launch/config/hardware_fr3.yaml").read_text()
    config.write_text(
        shipped.replace("scene_reset: none", "scene_reset: home").replace("source: v4l2", "source: topic")
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
    assert np.linalg.norm(episode.ee_positions[0] - [0.52, 0.0, 0.25]) < 0.03, "the way home came first"
    assert len(robot.targets) > 6
