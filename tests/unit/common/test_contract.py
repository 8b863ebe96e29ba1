import re

import pytest
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from wayfarer_common import contract, qos
from wayfarer_common.contract import TOPICS, Topic
from wayfarer_core import names

NODES = {
    *(
        "bridge",
        "sim_bridge",
        "camera",
        "control",
        "actor",
        "replay",
        "collector",
        "novelty",
        "learner",
        "view",
    ),
    "teleop",
    "wrist_camera",
}
NOT_TOPICS = {  # services, actions and constants of names.py
    *(
        "RESET",
        "BEGIN_EPISODE",
        "END_EPISODE",
        "RUN_EPISODE",
        "ERROR_RECOVERY",
        "HOLD",
        "RELEASE",
        "SCENE",
        "PAUSE",
        "RESUME",
        "STOP",
    ),
    *("SELECT_GOAL", "FIT_NOVELTY", "TRAIN"),
    *(
        "BASE_FRAME",
        "BASE_FRAMES",
        "CAMERA_FRAME",
        "WRIST_FRAME",
        "END_EFFECTOR_FRAME",
        "OBSERVATION_SIZE",
        "ACTION_SIZE",
    ),
}
each_topic = pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)


def constants(module: object) -> dict[str, object]:
    return {key: value for key, value in vars(module).items() if key.isupper()}


def test_every_name_of_a_topic_has_its_entry_in_the_contract_under_the_same_key() -> None:
    named = {key: name for key, name in constants(names).items() if key not in NOT_TOPICS}
    topics = {key: value for key, value in constants(contract).items() if isinstance(value, Topic)}
    assert {key: topic.name for key, topic in topics.items()} == named


def test_the_list_of_topics_is_complete_and_has_each_once() -> None:
    declared = [value for value in constants(contract).values() if isinstance(value, Topic)]
    assert sorted(t.name for t in TOPICS) == sorted(t.name for t in declared)
    assert len({t.name for t in TOPICS}) == len(TOPICS) >= 12


def test_all_names_but_tfs_are_relative_and_all_distinct_and_legal_in_ros() -> None:
    paths = [
        value
        for key, value in constants(names).items()
        if isinstance(value, str) and not key.endswith("FRAME")
    ]
    assert len(paths) == len(set(paths)) >= 21

    # where tf2 looks, whatever the namespace
    assert {names.TF, names.TF_STATIC} == {"/tf", "/tf_static"}

    for path in {*paths} - {names.TF, names.TF_STATIC}:
        assert re.fullmatch(r"[a-z]+(/[a-z][a-z_]*)+", path), path


@each_topic
def test_a_topic_is_spoken_with_the_message_that_the_table_names(topic: Topic) -> None:
    assert f"{topic.type.__module__.split('.')[0]}/msg/{topic.type.__name__}" == topic.plain.type


@each_topic
def test_a_topic_has_a_publisher_and_listeners_that_exist(topic: Topic) -> None:
    assert topic.publisher in NODES
    assert set(topic.subscribers) <= NODES
    assert topic.publisher not in topic.subscribers


@each_topic
def test_every_topic_is_reliable_with_a_bounded_history(topic: Topic) -> None:
    assert topic.qos.reliability == ReliabilityPolicy.RELIABLE
    assert topic.qos.history == HistoryPolicy.KEEP_LAST
    assert topic.qos.depth >= 1


@each_topic
def test_only_what_a_late_joiner_must_get_is_kept_for_it(topic: Topic) -> None:
    kept = {
        names.REPLAY_EPISODE,
        names.COLLECTOR_STATUS,
        "novelty/goal",
        "novelty/goal_position",
        "learner/weights",
    }
    kept |= {
        names.CAMERA_FAULT,
        names.WRIST_FAULT,
        names.CONTROL_FAULT,
        names.TF_STATIC,
        names.MARKERS,
    }
    assert (topic.qos.durability == DurabilityPolicy.TRANSIENT_LOCAL) == (topic.name in kept)


@each_topic
def test_what_is_joined_by_stamps_has_a_header(topic: Topic) -> None:
    # lists, of which each entry has one
    if topic in (contract.TF, contract.TF_STATIC, contract.MARKERS):
        return
    assert topic.type.get_fields_and_field_types()["header"] == "std_msgs/Header"


def test_a_step_topic_keeps_several_messages_so_that_a_busy_recorder_loses_none() -> None:
    assert qos.STEP.depth >= 10
    assert qos.STATE.depth >= 50  # half a second of state at 100 Hz


def test_the_truth_reaches_nobody_who_acts_or_learns() -> None:
    assert not {"actor", "control", "novelty", "learner"} & set(contract.OBJECT_POSE.subscribers)


def test_the_recorder_must_hear_everything_a_step_is_made_of() -> None:
    for topic in (
        contract.OBSERVATION_IMAGE,
        contract.POLICY_ACTION,
        contract.EXECUTED,
        contract.CURRENT_POSE,
    ):
        assert "replay" in topic.subscribers, topic.name


def test_commands_to_the_robot_have_one_publisher() -> None:
    assert contract.TARGET_POSE.publisher == "control"
    assert contract.TARGET_POSE.subscribers == ("bridge",)


def test_one_publisher_of_standing_frames_displaces_no_other_s() -> None:
    assert contract.TF_STATIC.qos.depth >= 10


def test_the_profiles_are_the_four_of_qos() -> None:
    profiles = [value for value in constants(qos).values() if isinstance(value, QoSProfile)]
    assert len(profiles) == 4
    assert all(topic.qos in profiles for topic in TOPICS)


def test_the_types_are_those_of_the_design() -> None:
    kinds = {t.name: f"{t.type.__module__.split('.')[0]}/{t.type.__name__}" for t in TOPICS}
    of_the_design = {
        "camera/image_raw": "sensor_msgs/Image",
        "camera/camera_info": "sensor_msgs/CameraInfo",
        "observation/image": "sensor_msgs/Image",
        "wrist/image_raw": "sensor_msgs/Image",
        "wrist/camera_info": "sensor_msgs/CameraInfo",
        "observation/wrist": "sensor_msgs/Image",
        "policy/action": "wayfarer_msgs/Action",
        "control/executed": "wayfarer_msgs/ExecutedAction",
        "robot/target_pose": "geometry_msgs/PoseStamped",
        "robot/acknowledgement": "wayfarer_msgs/Acknowledgement",
        "robot/current_pose": "geometry_msgs/PoseStamped",
        "robot/joint_states": "sensor_msgs/JointState",
        "robot/robot_state": "franka_msgs/FrankaRobotState",
        "sim/object_pose": "geometry_msgs/PoseStamped",
        "replay/episode": "wayfarer_msgs/Episode",
        "collector/status": "wayfarer_msgs/CollectorStatus",
        "/tf": "tf2_msgs/TFMessage",
        "/tf_static": "tf2_msgs/TFMessage",
        "view/markers": "visualization_msgs/MarkerArray",
    }
    assert {name: kinds.get(name) for name in of_the_design} == of_the_design


def test_every_command_is_acknowledged_by_whoever_moves_the_arm_to_whoever_commands_it() -> None:
    target, answer = contract.TARGET_POSE, contract.ACKNOWLEDGEMENT
    assert (answer.publisher, answer.subscribers) == (target.subscribers[0], (target.publisher,))
    assert answer.qos == target.qos
