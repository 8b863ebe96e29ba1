"""`wayfarer collect --in-process` gives what the nodes give."""

import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from fixtures.configs import write_config
from fixtures.graph import VENV, wait_for, wayfarer
from rosbags.highlevel import AnyReader
from wayfarer_bags.bag import messages, read_episode
from wayfarer_bags.episode import End
from wayfarer_bags.message_types import decoded, types_of
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core import names
from wayfarer_core.fault import TRIES, FaultKind
from wayfarer_core.reason import Reason
from wayfarer_core.safety import Decision
from wayfarer_in_process.robot import Arm
from wayfarer_in_process.run import collect_in_process
from wayfarer_launch.collection import Collection
from wayfarer_policies.algorithms import checkpoint

WORDS = ["collect", "--seed", "3", "--method", "random-correlated"]  # a method given later wins
DEADLINE = 600.0  # s, for a collection on a busy machine
# A sign of life by the wall clock: no two runs have as many.
ONLY_OVER_ROS = names.ROBOT_STATE
# Of the node view, which may come late on a busy machine: the recorder goes on without it.
NOBODY_WAITS_FOR = {names.TF, names.MARKERS}


def collect(out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    done = wayfarer(*WORDS, "--out", str(out), *words, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    return done


def assert_equal_episodes(ros: Path, here: Path, episodes: int, steps: int) -> None:
    for number in range(episodes):
        a, b = (read_episode(RunDirectory(run).episodes()[number]) for run in (ros, here))
        assert a.steps == b.steps == steps
        assert a.lost_steps == b.lost_steps == 0
        felt = ("ee_positions", "ee_orientations", "joint_positions", "joint_velocities")

        for name in ("stamps", "requested", "actions", "reasons", *felt, "object_poses", "images"):
            np.testing.assert_array_equal(getattr(b, name), getattr(a, name), err_msg=name)

        assert b.images.std() > 10.0
        assert np.isfinite(b.joint_velocities).all()
        assert np.ptp(b.joint_positions, axis=0).min() > 0
        assert repr(b.info) == repr(a.info)  # repr: NaN is the novelty of no goal


def channels(run: Path) -> dict[str, tuple[str, Any]]:
    """Topic -> type and quality of service, of all that a run may hold."""
    described = yaml.safe_load((run / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    about = [entry["topic_metadata"] for entry in described["topics_with_message_count"]]

    return {a["name"]: (a["type"], a["offered_qos_profiles"]) for a in about}


def told(run: Path) -> list[dict[str, list[bytes]]]:
    """Of each episode: topic -> its messages in their order, without what only aligns them."""
    episodes = []
    for file in RunDirectory(run).episodes().values():
        said: dict[str, list[bytes]] = {}
        for m in messages(file):
            plain = types_of(m.channel).serialize_cdr(decoded(m), m.type)
            said.setdefault(m.topic.removeprefix("/wayfarer/"), []).append(bytes(plain))

        del said[names.REPLAY_EPISODE]  # it names the run's folder
        episodes.append(said)

    return episodes


def assert_equal_messages(ros: Path, here: Path) -> None:
    """Both runs have the same topics, and each says the same in both."""
    there = channels(ros)
    del there[f"/wayfarer/{ONLY_OVER_ROS}"]
    assert channels(here) == there

    nodes, process = told(ros), told(here)
    for a, b in zip(nodes, process, strict=True):
        assert a.keys() - {ONLY_OVER_ROS, *NOBODY_WAITS_FOR} == b.keys() - NOBODY_WAITS_FOR
        for topic in b.keys() - NOBODY_WAITS_FOR:
            assert a[topic] == b[topic], topic

    for topic in NOBODY_WAITS_FOR:
        some, all_ = ({m for said in run for m in said.get(topic, [])} for run in (nodes, process))
        assert some <= all_, topic
        assert len(some) > len(all_) / 2, topic


def assert_equal_networks(one: Path, other: Path) -> None:
    for kind in ("learner", "novelty"):
        file = Path("checkpoints") / f"{kind}.safetensors"
        a, b = (checkpoint.read(run / file, kind).tensors for run in (one, other))
        assert a.keys() == b.keys()
        assert [name for name in a if not torch.equal(a[name], b[name])] == []


@pytest.mark.slow
def test_a_run_in_process_equals_the_run_over_ros_step_by_step(domain: int, tmp_path: Path) -> None:
    ros, here = tmp_path / "ros", tmp_path / "here"
    size = ("--episodes", "2", "--steps", "30")
    collect(ros, *size)
    collect(here, *size, "--in-process")
    assert_equal_episodes(ros, here, episodes=2, steps=30)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["paper", "practical"])
def test_a_run_that_learns_also_learns_the_same(recipe: str, domain: int, tmp_path: Path) -> None:
    ros, here = tmp_path / "ros", tmp_path / "here"
    config = write_config(
        tmp_path / "config.yaml",
        learner={"actor_start": 10},
        actor={"random_steps": 12, "after_arrival": "return", "arrival_distance": 0.2},
        collector={"episodes_per_cycle": 2, "epochs": 1},
    )
    size = ("--episodes", "4", "--steps", "12")
    words = ("--method", "goal", "--recipe", recipe, *size, "--config", str(config))
    collect(ros, *words)
    collect(here, *words, "--in-process")
    assert_equal_episodes(ros, here, episodes=4, steps=12)
    assert_equal_messages(ros, here)
    assert_equal_networks(ros, here)


@pytest.mark.slow
@pytest.mark.parametrize(
    "way", [("ros", "here"), ("here", "ros")], ids=lambda way: " to ".join(way)
)
def test_a_run_of_one_transport_goes_on_over_the_other_as_if_nothing_had_changed(
    way: tuple[str, str], domain: int, tmp_path: Path
) -> None:
    transport: dict[str, tuple[str, ...]] = {"ros": (), "here": ("--in-process",)}
    config = write_config(
        tmp_path / "config.yaml",
        learner={"actor_start": 10},
        actor={"random_steps": 6},
        collector={"episodes_per_cycle": 2, "epochs": 1},
    )
    words = ("--method", "goal", "--steps", "6", "--threads", "1", "--config", str(config))
    straight, crossed = tmp_path / "straight", tmp_path / "crossed"
    collect(straight, *words, "--episodes", "4", "--in-process")

    for which, episodes in zip(way, ("2", "4"), strict=True):
        collect(crossed, *words, "--episodes", episodes, *transport[which])

    for number in range(4):
        a, b = (read_episode(RunDirectory(run).episodes()[number]) for run in (straight, crossed))
        for name in ("requested", "actions", "reasons", "ee_positions", "object_poses", "images"):
            np.testing.assert_array_equal(getattr(b, name), getattr(a, name), err_msg=name)
        assert repr(b.info) == repr(a.info)

    assert_equal_networks(straight, crossed)
    sessions = RunDirectory(crossed).description()["sessions"]
    assert [session["collector"].get("transport", "ROS") for session in sessions] == [
        "in process" if which == "here" else "ROS" for which in way
    ]


@pytest.mark.slow
def test_the_wrist_s_images_are_of_their_steps_both_ways_and_change_nothing_else(
    domain: int, tmp_path: Path
) -> None:
    ros, here, without = tmp_path / "ros", tmp_path / "here", tmp_path / "without"
    size = ("--episodes", "2", "--steps", "12")
    collect(ros, *size, "--wrist")
    collect(here, *size, "--wrist", "--in-process")
    collect(without, *size, "--in-process")
    assert_equal_episodes(ros, here, episodes=2, steps=12)
    assert_equal_episodes(without, here, episodes=2, steps=12)
    assert_equal_messages(ros, here)

    for number in range(2):
        a, b = (read_episode(RunDirectory(run).episodes()[number]) for run in (ros, here))
        np.testing.assert_array_equal(b.wrist_images, a.wrist_images)
        assert a.wrist_seen.all()
        assert np.abs(a.wrist_images[0].astype(int) - a.images[0]).mean() > 10.0
        assert a.wrist_images.std(axis=0).max() > 10.0, "the hand moves, and so does its camera"

    for run in (ros, here):
        file = RunDirectory(run).episodes()[1]
        held = {m.stamp for m in messages(file) if m.name == names.WRIST_OBSERVATION}
        assert held >= {*read_episode(file).stamps.tolist()}, "each step's own, to the nanosecond"

    heard = [*messages(RunDirectory(ros).episodes()[1])]
    lenses = {m.stamp for m in heard if m.topic.endswith(names.WRIST_INFO)}
    images = {m.stamp for m in heard if m.name == names.WRIST_OBSERVATION}
    assert lenses >= images - {max(images)}  # the recorder waits for images alone
    frames = [t for m in heard if m.name == names.TF_STATIC for t in decoded(m).transforms]
    parents = {frame.child_frame_id: frame.header.frame_id for frame in frames}
    assert parents[names.WRIST_FRAME] == names.END_EFFECTOR_FRAME
    assert not any("wrist" in m.topic for m in messages(RunDirectory(without).episodes()[0]))


@pytest.mark.slow
def test_the_process_without_ros_loads_no_rclpy(tmp_path: Path) -> None:
    words = [
        "collect",
        "--method",
        "goal",
        "--episodes",
        "2",
        "--steps",
        "4",
        "--in-process",
        "--out",
        str(tmp_path),
    ]
    code = (
        "import sys; from wayfarer_cli.main import app; app(sys.argv[1:], standalone_mode=False); "
        "print('loaded:', *sorted({'rclpy', 'wayfarer_msgs'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [VENV / "bin" / "python", "-c", code, *words], capture_output=True, text=True, timeout=300.0
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "loaded:"


def test_its_bag_goes_at_the_robots_pace_and_on_behind_its_end_when_it_is_continued(
    tmp_path: Path,
) -> None:
    run, before = tmp_path / "run", -1
    for episodes in ("1", "2"):
        words = ("--method", "random", "--episodes", episodes, "--steps", "4", "--seed", "3")
        assert (done := collect(run, "--in-process", *words)).returncode == 0, done.stderr

    for file in RunDirectory(run).episodes().values():
        heard = [m for m in messages(file) if m.name == names.OBSERVATION_IMAGE]
        assert len(heard) == 5
        assert [m.log_time for m in heard] == [m.stamp for m in heard]
        everything = [m.log_time for m in messages(file)]
        assert everything == sorted(everything)
        assert before <= everything[0]
        before = everything[-1]
        assert max(m.publish_time for m in heard) > time.time_ns() - 600 * 10**9  # the wall clock


def test_its_bag_is_read_by_other_tools_and_continued_by_the_same_command(tmp_path: Path) -> None:
    run = tmp_path / "run"
    collect(run, "--episodes", "1", "--steps", "5", "--in-process")
    collect(run, "--episodes", "2", "--steps", "5", "--in-process")
    straight = tmp_path / "straight"
    collect(straight, "--episodes", "2", "--steps", "5", "--in-process")

    for number in (0, 1):
        a, b = (read_episode(RunDirectory(folder).episodes()[number]) for folder in (run, straight))
        np.testing.assert_array_equal(a.stamps, b.stamps)
        np.testing.assert_array_equal(a.images, b.images)

    with AnyReader([run]) as reader:
        targets = [c for c in reader.connections if c.topic.endswith("target_pose")]
        assert sum(1 for _ in reader.messages(targets)) == 10

    sessions = RunDirectory(run).description()["sessions"]
    assert [session["collector"]["transport"] for session in sessions] == ["in process"] * 2
    assert (
        "holds 2 finished episodes already"
        in collect(run, "--episodes", "2", "--steps", "5", "--in-process").stdout
    )


@pytest.mark.slow
@pytest.mark.parametrize("way", [(), ("--in-process",)])
def test_an_arm_beyond_its_box_ends_each_attempt_typed_and_the_collection_after_a_while(
    way: tuple[str, ...], domain: int, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"

    # home is at z 0.09
    config.write_text("/**/control:\n  ros__parameters: {workspace_min: [0.36, -0.35, 0.35]}\n")
    words = (
        *WORDS,
        "--out",
        str(tmp_path / "run"),
        "--episodes",
        "1",
        "--config",
        str(config),
        *way,
    )
    done = wayfarer(*words, timeout=600.0)  # between two tries over ROS there are seconds
    assert done.returncode != 0
    assert f"{TRIES} episodes in a row were aborted" in done.stdout + done.stderr
    episodes = [
        read_episode(path).info for path in RunDirectory(tmp_path / "run").episodes().values()
    ]
    assert [(info.end, info.fault, info.steps) for info in episodes] == [
        (End.ABORTED, FaultKind.OTHER, 1)
    ] * TRIES
    assert all("the safety gate let no command pass" in info.reason for info in episodes)


@pytest.mark.slow
def test_what_the_gate_aborted_is_tried_again_with_other_noise(
    domain: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge, judged = Arm.judge, []

    def refuse_the_fourth(arm: Arm, action: np.ndarray) -> Decision:
        judged.append(action)
        return (
            Decision(None, np.zeros(3), Reason.OUTSIDE) if len(judged) == 4 else judge(arm, action)
        )

    monkeypatch.setattr(Arm, "judge", refuse_the_fourth)
    run = tmp_path / "run"
    collect_in_process(Collection("sim", "random-correlated", 2, 5, 3, run, "sequential", None))
    infos = [read_episode(path).info for path in RunDirectory(run).episodes().values()]
    assert [(info.end, info.steps) for info in infos] == [
        (End.ABORTED, 4),
        (End.TRUNCATED, 5),
        (End.TRUNCATED, 5),
    ]
    assert (judged[0] != judged[4]).any()


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_cleanly_with_the_episode_closed(
    number: signal.Signals, code: int, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = [
        str(VENV / "bin" / "wayfarer"),
        *WORDS,
        "--out",
        str(run),
        "--steps",
        "5000",
        "--in-process",
    ]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    wait_for(lambda: list(run.glob("*.part")), "the first episode")
    process.send_signal(number)
    assert process.wait(20.0) == code
    directory = RunDirectory(run)
    assert directory.torn() == {}
    episode = read_episode(directory.episodes()[0])
    assert episode.info.end is End.ABORTED
    assert episode.info.reason == f"stopped by {number.name}"
    assert episode.lost_steps == 0


@pytest.mark.slow
def test_a_parameter_file_is_honoured_or_refused(tmp_path: Path) -> None:
    config, run = tmp_path / "config.yaml", tmp_path / "run"
    words = ["--episodes", "1", "--steps", "4", "--in-process", "--config", str(config)]
    config.write_text("/**/control:\n  ros__parameters: {max_sped: 0.0}\n")
    refused = wayfarer(*WORDS, "--out", str(run), *words)
    assert refused.returncode == 1
    assert "node control: unknown parameter 'max_sped'" in refused.stderr
    config.write_text("/**/control:\n  ros__parameters: {max_speed: 0.0}\n")
    collect(run, *words)
    assert not read_episode(RunDirectory(run).episodes()[0]).actions.any()
