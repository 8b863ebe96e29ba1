"""One recorded bag through the sim's and the hardware's camera, actor and control.

The same decisions, bit for bit.

Both graphs are started as their launch files would start them, and then told alike: the box, which
on hardware is that of the table one has; the bag's clock, in place of the wall clock, which its
stamps are not of; and to be patient.
"""

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import yaml
from fixtures.answering import Answering
from fixtures.graph import VENV, Peer, peer, wait_for, wayfarer
from franka_msgs.msg import FrankaRobotState
from rclpy.action import ActionClient
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import End, Episode
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_common import contract
from wayfarer_common.conversions import (
    array_to_image,
    base_pose,
    position_of,
    to_nanoseconds,
    to_stamp,
)
from wayfarer_core import names
from wayfarer_launch.launch_file import read_launch_file
from wayfarer_msgs.action import RunEpisode
from wayfarer_msgs.msg import Weights
from wayfarer_policies.algorithms.networks import EncoderConfig, SharedEncoder, weights_to_bytes
from wayfarer_policies.algorithms.td3 import TD3, TD3Config

LAUNCH = Path(__file__).parents[2] / "launch"
GRAPH = ("camera", "control", "actor")
STEPS = 12
DOWN = np.array([1.0, 0.0, 0.0, 0.0])
AFTER_THE_RANDOM_STEPS = 5000


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Episode:
    run = tmp_path_factory.mktemp("recorded") / "run"
    words = [
        "--in-process",
        "--method",
        "random-correlated",
        "--episodes",
        "1",
        "--steps",
        str(STEPS),
        "--seed",
        "4",
    ]
    done = wayfarer("collect", *words, "--out", str(run))
    assert done.returncode == 0, done.stderr

    return read_episode(RunDirectory(run).episodes()[0])


@pytest.fixture(scope="module")
def weights() -> Weights:
    image_and_goal = EncoderConfig(channels=6)
    data, digest = weights_to_bytes(
        TD3(TD3Config(encoder=image_and_goal, seed=0), SharedEncoder).actor()
    )

    return Weights(version=3, sha256=digest, data=data)


def with_the_same_box(name: str, folder: Path) -> Path:
    """The shipped parameters, with the sim's box taught to them."""
    sim, parameters = (
        yaml.safe_load((LAUNCH / "config" / f"{file}.yaml").read_text()) for file in ("sim", name)
    )
    for node in ("control", "actor"):
        if f"/**/{node}" in parameters:
            for key in ("workspace_min", "workspace_max"):
                parameters[f"/**/{node}"]["ros__parameters"][key] = list(
                    sim["/**/control"]["ros__parameters"][key]
                )

    parameters["/**/camera"]["ros__parameters"] |= {
        "source": "topic",
        "silence": 600.0,
        "min_rate": 0.01,
    }  # a bag's pace
    parameters["/**/control"]["ros__parameters"]["state_timeout"] = 60.0  # this machine may be busy
    written = folder / f"{name}.yaml"
    written.write_text(yaml.safe_dump(parameters))

    return written


@contextmanager
def graph(launch: str, config: Path, log: Path) -> Iterator[None]:
    given = {"run": "unused", "method": "goal", "config": str(config)}
    specs = [
        s
        for s in read_launch_file(LAUNCH / f"{launch}.launch.xml", given, lambda _: LAUNCH).nodes
        if s.name in GRAPH
    ]
    assert {spec.name for spec in specs} == set(GRAPH)

    with log.open("w") as output:
        processes = [
            subprocess.Popen(
                [
                    VENV / "lib" / s.package / s.executable,
                    *s.arguments(),
                    "-p",
                    "use_sim_time:=true",
                ],
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ,
            )
            for s in specs
        ]
        try:
            yield
        finally:
            for process in processes:
                process.terminate()
            for process in processes:
                process.wait(15.0)


class Player:
    """Plays a bag's observations to a graph, the next once the last is answered."""

    def __init__(self, me: Peer) -> None:
        self._me = me
        me.listen(contract.POLICY_ACTION, contract.TARGET_POSE, contract.EXECUTED)
        self._clock = me.node.create_publisher(Clock, "/clock", 10)
        self._camera, self._pose = (
            me.publisher(contract.CAMERA_IMAGE),
            me.publisher(contract.CURRENT_POSE),
        )
        self._state, self._weights = (
            me.publisher(contract.ROBOT_STATE),
            me.publisher(contract.WEIGHTS),
        )
        self._bridge = Answering(me)
        self._episode = ActionClient(me.node, RunEpisode, names.RUN_EPISODE)

    def play(self, episode: Episode, weights: Weights) -> RunEpisode.Result:
        with self._robot_alive():
            return self._play(episode, weights)

    def _play(self, episode: Episode, weights: Weights) -> RunEpisode.Result:
        publishers = (self._camera, self._pose, self._state, self._weights)
        for publisher in publishers:
            wait_for(
                lambda p=publisher: p.get_subscription_count() >= 1,
                f"{publisher.topic_name} to be heard",
            )

        wait_for(self._bridge.connected, "the bridge's answers to be heard")
        wait_for(
            lambda: self._clock.get_subscription_count() == len(GRAPH), "the clock to be heard"
        )
        wait_for(self._episode.server_is_ready, "the actor")
        wait_for(self._all_hear, "every node to say that it hears those it listens to")
        self._clock.publish(Clock(clock=to_stamp(int(episode.stamps[0]))))
        request = RunEpisode.Goal(
            steps=episode.steps, seed=11, first_step=AFTER_THE_RANDOM_STEPS, explore=True
        )
        request.policy_version = weights.version
        request.goal = array_to_image(episode.images[-1], to_stamp(1), "goal")
        handle = self._result_of(self._episode.send_goal_async(request), "the goal's acceptance")
        assert handle.accepted
        self._weights.publish(weights)  # the actor waits for them

        for k, stamp in enumerate(episode.stamps):
            self._show(int(stamp), episode.images[k], episode.ee_positions[k])
            answers = min(k + 1, episode.steps)
            for topic in (contract.POLICY_ACTION, contract.TARGET_POSE, contract.EXECUTED):
                wait_for(
                    lambda t=topic, n=answers: len(self._me.heard[t.name]) >= n,
                    f"{topic.name} {answers}",
                )

        return self._result_of(handle.get_result_async(), "the end").result

    def _all_hear(self) -> bool:
        """A reader may learn of its writer later than the writer of it.

        Until then what is sent is lost.
        """
        said = [self._me.health.get(name) for name in GRAPH]
        return all(
            status is not None and "nobody publishes" not in status.message for status in said
        )

    def _show(self, stamp: int, image: np.ndarray, position: np.ndarray) -> None:
        self._clock.publish(Clock(clock=to_stamp(stamp)))
        self._pose.publish(base_pose(position, DOWN, stamp))
        self._camera.publish(array_to_image(image, to_stamp(stamp), names.CAMERA_FRAME))

    @contextmanager
    def _robot_alive(self) -> Iterator[None]:
        """Say, against the wall clock by which control listens, that the robot is well."""
        over = threading.Event()

        def speak() -> None:
            while not over.wait(0.1):
                self._state.publish(FrankaRobotState(robot_mode=FrankaRobotState.ROBOT_MODE_MOVE))

        thread = threading.Thread(target=speak)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(10.0)

    @staticmethod
    def _result_of(future, what: str):
        wait_for(future.done, what)
        return future.result()


def decisions(
    launch: str, config: str, domain: int, folder: Path, episode: Episode, weights: Weights
) -> dict:
    log = folder / f"{launch}.log"
    with (
        graph(launch, with_the_same_box(config, folder), log),
        peer(domain, namespace="wayfarer") as me,
    ):
        # stands for the recorder
        me.node.create_subscription(Image, names.OBSERVATION_IMAGE, lambda _: None, 10)
        result = Player(me).play(episode, weights)
        assert (result.end, result.policy_version) == (End.TRUNCATED, weights.version), (
            log.read_text()
        )
        actions, targets = me.heard[names.POLICY_ACTION], me.heard[names.TARGET_POSE]

        return {
            "stamps": np.array([to_nanoseconds(message.header.stamp) for message in actions]),
            "actions": np.array([message.action for message in actions]),
            "executed": np.array([message.executed for message in me.heard[names.EXECUTED]]),
            "reasons": np.array([message.reasons for message in me.heard[names.EXECUTED]]),
            "targets": np.array([position_of(message.pose) for message in targets]),
            "target stamps": np.array(
                [to_nanoseconds(message.header.stamp) for message in targets]
            ),
        }


@pytest.fixture(scope="module")
def in_the_sim(
    module_domain: int,
    tmp_path_factory: pytest.TempPathFactory,
    recorded: Episode,
    weights: Weights,
) -> dict:
    return decisions("sim", "sim", module_domain, tmp_path_factory.mktemp("sim"), recorded, weights)


@pytest.mark.slow
@pytest.mark.parametrize("config", ["hardware_fr3", "hardware_panda"])
def test_sim_and_hardware_decide_the_same_bit_for_bit(
    module_domain: int,
    tmp_path: Path,
    recorded: Episode,
    weights: Weights,
    in_the_sim: dict,
    config: str,
) -> None:
    on_hardware = decisions("hardware", config, module_domain, tmp_path, recorded, weights)
    assert len(in_the_sim["actions"]) == len(in_the_sim["targets"]) == STEPS
    assert np.unique(in_the_sim["actions"], axis=0).shape[0] == STEPS, "a policy that looks"
    assert in_the_sim.keys() == on_hardware.keys()
    for name, values in in_the_sim.items():
        np.testing.assert_array_equal(values, on_hardware[name], err_msg=name, strict=True)
