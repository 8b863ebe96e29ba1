"""The camera and actor nodes over real DDS."""

import itertools
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builtin_interfaces.msg import Time
from fixtures.graph import Peer, node_process, peer, wait_for
from geometry_msgs.msg import PoseStamped
from rclpy.action import ActionClient
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import Image
from wayfarer_common import contract
from wayfarer_common.conversions import array_to_image, image_to_array, to_nanoseconds, to_stamp
from wayfarer_core import names
from wayfarer_core.reason import Reason
from wayfarer_msgs.action import RunEpisode
from wayfarer_msgs.msg import Action, Episode, ExecutedAction, Fault


def test_the_camera_node_makes_upright_observations_of_any_image_once_per_period(
    domain: int,
) -> None:
    picture = np.zeros((480, 640, 3), dtype=np.uint8)
    picture[:240, :, 2] = 200  # bgr: the upper half is red
    with (
        node_process("wayfarer_camera", "camera", control_period=0.5, silence=600.0),
        peer(domain) as me,
    ):
        me.listen(contract.OBSERVATION_IMAGE, contract.CAMERA_FAULT)
        camera = me.publisher(contract.CAMERA_IMAGE)
        wait_for(lambda: camera.get_subscription_count() == 1, "the camera node to listen")

        # stands for the recorder
        me.node.create_subscription(Image, names.OBSERVATION_IMAGE, lambda _: None, 10)
        me.wait_ready("camera")

        for k in range(10):
            message = array_to_image(picture, to_stamp(int(k * 0.125e9) + 1), "camera")
            message.encoding = "bgr8"
            camera.publish(message)

        seen = me.heard[contract.OBSERVATION_IMAGE.name]
        wait_for(lambda: len(seen) == 3, "three observations in 1.125 s of images")
        assert [to_nanoseconds(m.header.stamp) for m in seen] == [1, int(0.5e9) + 1, int(1e9) + 1]
        pixels = image_to_array(seen[0])
        assert pixels.shape == (84, 84, 3)
        assert pixels[10, 40].tolist() == [200, 0, 0]
        assert pixels[70, 40].tolist() == [0, 0, 0]


NOTHING = Image(encoding="rgb8")
BAD_PICTURES = {
    "empty": NOTHING,
    "short": Image(width=640, height=480, encoding="rgb8", step=1920, data=bytes(1000)),
    "of step 0": Image(width=640, height=480, encoding="rgb8", step=0, data=bytes(640 * 480 * 3)),
    "of an encoding nobody knows": Image(
        width=64, height=48, encoding="bayer_rggb8", step=64, data=bytes(64 * 48)
    ),
    "smaller than the crop": Image(
        width=64, height=48, encoding="rgb8", step=192, data=bytes(64 * 48 * 3)
    ),
}


@pytest.mark.parametrize("bad", BAD_PICTURES.values(), ids=BAD_PICTURES)
def test_one_bad_picture_is_passed_over_and_counted_and_only_what_lasts_is_a_fault(
    domain: int, bad: Image
) -> None:
    good = np.random.default_rng(0).integers(60, 200, (5, 480, 640, 3), dtype=np.uint8)
    tick, count = threading.Event(), itertools.count()
    node = node_process("wayfarer_camera", "camera", control_period=0.1, silence=1.0, crop_size=480)

    with node as camera_node, peer(domain) as me:
        me.listen(contract.OBSERVATION_IMAGE, contract.CAMERA_FAULT)
        camera, seen = (
            me.publisher(contract.CAMERA_IMAGE),
            me.heard[contract.OBSERVATION_IMAGE.name],
        )

        def show(picture: Image | None = None) -> None:
            message = picture or array_to_image(good[next(count) % len(good)], Time(), "camera")
            message.header.stamp = to_stamp(time.time_ns())
            camera.publish(message)
            tick.wait(0.05)

        def says(kind: int) -> bool:
            fault = me.last(contract.CAMERA_FAULT)
            return fault is not None and fault.kind == kind

        wait_for(lambda: camera.get_subscription_count() == 1, "the camera node to listen")
        show(bad)  # as drivers do it: the very first is of no use
        wait_for(lambda: (show(), len(seen) > 3)[1], "observations after a bad picture")
        wait_for(lambda: (show(), says(Fault.NONE))[1], "a camera that is well")
        before, faults = len(seen), len(me.heard[contract.CAMERA_FAULT.name])
        show(bad)
        wait_for(lambda: (show(), len(seen) > before + 3)[1], "observations after another")
        assert len(me.heard[contract.CAMERA_FAULT.name]) == faults, "one bad picture is no fault"
        counted = "unusable images"
        wait_for(
            lambda: (show(), _values(me, "camera").get(counted, ""))[1].startswith("2 "),
            "both to be counted",
        )
        wait_for(
            lambda: (show(bad), says(Fault.CAMERA))[1],
            "the fault of a camera that sends nothing of use",
        )
        assert me.last(contract.CAMERA_FAULT).text.startswith("no picture of use (")
        wait_for(lambda: (show(), says(Fault.NONE))[1], "the end of the fault")
        assert camera_node.poll() is None


def _values(me: Peer, name: str) -> dict[str, str]:
    return {pair.key: pair.value for pair in me.health[name].values} if name in me.health else {}


def cpu_seconds(pid: int) -> float:
    user, system = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


# An actor whose policy, which has no weights yet, asks where the arm was when the image was taken.
WAITS_FOR_POSES = {"method": "goal", "after_arrival": "play"}


class Episodes:
    """The test as camera, control and collector of an actor."""

    def __init__(self, me: Peer) -> None:
        self.peer = me
        me.listen(contract.POLICY_ACTION)
        self._camera = me.publisher(contract.OBSERVATION_IMAGE)
        self._pose = me.publisher(contract.CURRENT_POSE)
        self._faults = {
            topic.name: me.publisher(topic)
            for topic in (contract.CAMERA_FAULT, contract.CONTROL_FAULT, contract.WRIST_FAULT)
        }
        self.control = me.publisher(contract.EXECUTED)
        me.publisher(contract.WEIGHTS)
        self.client = ActionClient(me.node, RunEpisode, names.RUN_EPISODE)
        wait_for(self.client.server_is_ready, "the actor's action server")

        for publisher in (self._camera, self._pose, self.control, *self._faults.values()):
            wait_for(lambda p=publisher: p.get_subscription_count() == 1, "the actor to listen")

        # stands for the recorder
        me.node.create_subscription(Action, names.POLICY_ACTION, lambda _: None, 10)
        me.wait_ready("actor")

    @property
    def actions(self) -> list:
        return self.peer.heard[contract.POLICY_ACTION.name]

    def show(self, pose_first: bool = False, stamp: int | None = None) -> Image:
        pixels = np.zeros((84, 84, 3), dtype=np.uint8)
        message = array_to_image(
            pixels, to_stamp(time.time_ns() if stamp is None else stamp), "camera"
        )
        pose = PoseStamped(header=message.header)

        if pose_first:
            self._pose.publish(pose)

        self._camera.publish(message)
        if not pose_first:
            self._pose.publish(pose)

        return message

    def report(self, topic: contract.Topic, kind: int, text: str = "") -> None:
        self._faults[topic.name].publish(Fault(kind=kind, text=text))

    def send(self, steps: int, not_before: int | None = None, **asked: Any):
        goal = RunEpisode.Goal(episode=7, steps=steps, **asked)
        goal.not_before = to_stamp(time.time_ns() if not_before is None else not_before)
        future = self.client.send_goal_async(goal)
        wait_for(future.done, "the goal to be answered")

        return future.result()

    def result(self, handle):
        future = handle.get_result_async()
        wait_for(future.done, "the end of the episode")
        return future.result()

    def act_out(self, steps: int) -> None:
        for k in range(steps):
            self.show(pose_first=k % 2 == 0)
            wait_for(lambda k=k: len(self.actions) > k, f"action {k}")


def test_an_episode_answers_each_observation_once_and_ends_with_the_one_after_the_last_action(
    domain: int,
) -> None:
    with node_process("wayfarer_actor", "actor", **WAITS_FOR_POSES), peer(domain) as me:
        episodes = Episodes(me)
        handle = episodes.send(steps=5)
        assert handle.accepted
        episodes.act_out(5)
        final = episodes.show()
        result = episodes.result(handle).result
        assert (result.end, result.steps) == (Episode.TRUNCATED, 5)
        assert result.final_stamp == final.header.stamp
        assert [m.step for m in episodes.actions] == [0, 1, 2, 3, 4]
        assert [m.last for m in episodes.actions] == [False] * 4 + [True]
        assert all(m.episode == 7 for m in episodes.actions)
        assert np.abs([m.action for m in episodes.actions]).max() <= 1.0


def test_a_seed_gives_the_same_actions_again_another_seed_or_attempt_others(domain: int) -> None:
    drawn = []
    with node_process("wayfarer_actor", "actor", method="random-correlated"), peer(domain) as me:
        episodes = Episodes(me)
        for seed, attempt in ((1, 0), (1, 0), (2, 0), (1, 1)):
            episodes.actions.clear()
            handle = episodes.send(steps=4, seed=seed, attempt=attempt)
            episodes.act_out(4)
            episodes.show()
            assert episodes.result(handle).result.steps == 4
            drawn.append(np.array([m.action for m in episodes.actions]))

    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert (drawn[0] != drawn[2]).any()
    assert (drawn[0] != drawn[3]).any()


def test_a_second_episode_is_rejected_while_one_runs_and_cancelling_ends_it(domain: int) -> None:
    with node_process("wayfarer_actor", "actor", **WAITS_FOR_POSES), peer(domain) as me:
        episodes = Episodes(me)
        first = episodes.send(steps=5)
        assert not episodes.send(steps=5).accepted
        episodes.act_out(2)
        cancelled = first.cancel_goal_async()
        wait_for(cancelled.done, "the cancellation")
        result = episodes.result(first).result
        assert (result.end, result.steps, result.reason) == (Episode.ABORTED, 2, "cancelled")
        assert episodes.send(steps=1).accepted


def test_an_episode_whose_weights_do_not_come_is_aborted_with_the_reason(domain: int) -> None:
    words = {"method": "goal", "observation_timeout": 0.5}
    with node_process("wayfarer_actor", "actor", **words), peer(domain) as me:
        episodes = Episodes(me)
        handle = episodes.send(steps=5, policy_version=1)
        episodes.show()
        result = episodes.result(handle).result
        assert (result.end, result.steps, result.fault) == (Episode.ABORTED, 0, Fault.CONNECTION)
        assert "no weights of version 1 for 0.5 s" in result.reason


def test_an_episode_without_observations_is_aborted_with_the_reason(domain: int) -> None:
    with (
        node_process("wayfarer_actor", "actor", **WAITS_FOR_POSES, observation_timeout=0.5),
        peer(domain) as me,
    ):
        episodes = Episodes(me)
        handle = episodes.send(steps=5)
        episodes.act_out(1)
        result = episodes.result(handle).result
        assert (result.end, result.steps) == (Episode.ABORTED, 1)
        assert "no observation for 0.5 s" in result.reason
        assert result.fault == Fault.CONNECTION


@pytest.mark.parametrize(
    ("topic", "kind"),
    [
        (contract.CAMERA_FAULT, Fault.CAMERA),
        (contract.CONTROL_FAULT, Fault.REFLEX),
        (contract.WRIST_FAULT, Fault.CAMERA),
    ],
)
def test_a_fault_ends_the_running_episode_with_its_kind_and_the_next_at_once(
    domain: int, topic: contract.Topic, kind: int
) -> None:
    with node_process("wayfarer_actor", "actor", observation_timeout=50.0), peer(domain) as me:
        episodes = Episodes(me)
        handle = episodes.send(steps=5)
        episodes.act_out(2)
        episodes.report(topic, kind, "something broke")
        result = episodes.result(handle).result
        assert (result.end, result.steps, result.fault) == (Episode.ABORTED, 2, kind)
        assert result.reason == "something broke"
        result = episodes.result(episodes.send(steps=5)).result
        assert (result.end, result.steps, result.fault) == (Episode.ABORTED, 0, kind)
        episodes.report(topic, Fault.NONE)

        def acts_again() -> bool:  # the next goal may be taken before the fault's end is
            ended = episodes.send(steps=1).get_result_async()
            wait_for(lambda: episodes.show() and ended.done(), "the end of an episode")
            return ended.result().result.end == Episode.TRUNCATED

        wait_for(acts_again, "acting to go on")


def test_an_action_that_was_not_commanded_ends_its_episode(domain: int) -> None:
    with node_process("wayfarer_actor", "actor", observation_timeout=50.0), peer(domain) as me:
        episodes = Episodes(me)
        handle = episodes.send(steps=5)
        seen = episodes.show()
        wait_for(lambda: episodes.actions, "the action")

        # of a time before this episode
        earlier = ExecutedAction(episode=7, reasons=int(Reason.OUTSIDE))
        told_otherwise = ExecutedAction(
            header=seen.header, episode=7, reasons=int(Reason.ROBOT_ERROR)
        )
        refused = ExecutedAction(
            header=seen.header, episode=7, reasons=int(Reason.WORKSPACE | Reason.OUTSIDE)
        )

        for record in (earlier, told_otherwise, refused):
            episodes.control.publish(record)

        result = episodes.result(handle).result
        assert (result.end, result.steps, result.fault) == (Episode.ABORTED, 1, Fault.OTHER)
        assert result.reason == "the safety gate let no command pass: WORKSPACE|OUTSIDE"


def test_a_policy_that_nobody_knows_is_rejected(domain: int) -> None:
    with node_process("wayfarer_actor", "actor"), peer(domain) as me:
        episodes = Episodes(me)
        assert not episodes.send(steps=5, policy="dance").accepted


def test_it_is_idle_while_the_clock_stands_where_an_earlier_result_expires(domain: int) -> None:
    """Episodes that end ten simulated seconds apart, rcl's default.

    Without our own time-out it takes a whole core.
    """
    actor = node_process("wayfarer_actor", "actor", use_sim_time=True, max_age=10.0)
    with actor as process, peer(domain) as me:
        clock = me.node.create_publisher(Clock, "/clock", 10)
        wait_for(lambda: clock.get_subscription_count() == 1, "the actor to listen to the clock")
        episodes = Episodes(me)

        for now in (10, 20, 30):
            stamps = iter(range(now * 10**9, (now + 1) * 10**9))
            result = episodes.send(steps=20, not_before=0).get_result_async()

            def shown(result=result, stamps=stamps, now=now) -> bool:
                clock.publish(Clock(clock=to_stamp(now * 10**9)))
                episodes.show(stamp=next(stamps))
                return result.done()

            wait_for(shown, f"the episode of second {now}")
            assert result.result().result.end == Episode.TRUNCATED
            spent, end = cpu_seconds(process.pid), time.monotonic() + 2.0
            wait_for(lambda end=end: time.monotonic() > end, "two seconds to pass")
            assert cpu_seconds(process.pid) - spent < 0.3
