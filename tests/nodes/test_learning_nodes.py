"""The learner and novelty nodes over real DDS, on a run of small random episodes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.episodes import expected_image, write_run
from fixtures.graph import Peer, node_process, peer, wait_for
from rclpy.action import ActionClient
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from wayfarer_common import contract
from wayfarer_common.conversions import array_to_image, image_to_array, to_stamp
from wayfarer_core import names
from wayfarer_msgs.action import FitNovelty, RunEpisode, Train
from wayfarer_msgs.msg import Action, Episode, Weights
from wayfarer_msgs.srv import SelectGoal
from wayfarer_policies.algorithms.networks import weights_from_bytes

pytestmark = pytest.mark.slow


def act(me: Peer, kind: Any, name: str, goal: Any) -> Any:
    client = ActionClient(me.node, kind, name)
    wait_for(client.server_is_ready, name)
    sent = client.send_goal_async(goal)
    wait_for(sent.done, f"{name} to answer")
    assert sent.result().accepted
    future = sent.result().get_result_async()
    wait_for(future.done, f"the end of {name}", 120.0)

    return future.result().result


def learner(run: Path, **parameters: Any) -> Any:
    return node_process("wayfarer_learner", "learner", run=run, **parameters)


def test_training_publishes_new_weights_that_an_actor_can_use_and_a_late_joiner_gets(
    domain: int, tmp_path: Path
) -> None:
    run = write_run(tmp_path / "run", 2, 10, size=84)
    with learner(run), peer(domain) as me:
        result = act(me, Train, names.TRAIN, Train.Goal(steps=3))
        assert result.success, result.message
        assert (result.version, result.episodes_learned) == (1, 1)
        figures = dict(zip(result.names, result.values, strict=True))
        assert np.isfinite(list(figures.values())).all()
        assert {"critic_loss", "q"} <= figures.keys()
        me.listen(contract.WEIGHTS)  # after they were sent
        message = wait_for(lambda: me.last(contract.WEIGHTS), "the weights")
        actor = weights_from_bytes(bytes(message.data), message.sha256)
        assert actor.encoder.config.channels == 6, "image and goal"
        assert message.version == 1

    assert (run / "checkpoints" / "learner.safetensors").exists()


def test_a_restarted_learner_goes_on_where_it_stopped_and_offers_its_weights_at_once(
    domain: int, tmp_path: Path
) -> None:
    run = write_run(tmp_path / "run", 1, 8, size=84)
    with learner(run), peer(domain) as me:
        assert act(me, Train, names.TRAIN, Train.Goal(steps=1)).success

    with learner(run), peer(domain) as me:
        me.listen(contract.WEIGHTS)
        assert wait_for(lambda: me.last(contract.WEIGHTS), "the weights").version == 1
        assert act(me, Train, names.TRAIN, Train.Goal(steps=0)).episodes_learned == 1


def test_an_empty_replay_buffer_is_an_answer_not_a_crash(domain: int, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 0, 8)
    with learner(run), node_process("wayfarer_novelty", "novelty", run=run), peer(domain) as me:
        result = act(me, Train, names.TRAIN, Train.Goal(steps=1))
        assert not result.success
        assert "collect an episode first" in result.message
        chosen = me.call(
            SelectGoal, names.SELECT_GOAL, SelectGoal.Request(choice="max", candidates=5)
        )
        assert not chosen.success
        assert "empty" in chosen.message
        assert act(me, Train, names.TRAIN, Train.Goal(steps=0)).success, "the node lives on"


def test_weights_that_are_not_finite_make_training_fail_with_a_message(
    domain: int, tmp_path: Path
) -> None:
    run = write_run(tmp_path / "run", 1, 8, size=84)
    with learner(run), peer(domain) as me:
        assert act(me, Train, names.TRAIN, Train.Goal(steps=1)).success

    file = run / "checkpoints" / "learner.safetensors"
    tensors = load_file(file)
    with safe_open(file, "numpy") as opened:
        metadata = opened.metadata()

    name = next(n for n in tensors if "networks" in n and "q1" in n and n.endswith("weight"))
    tensors[name] = np.full_like(tensors[name], np.nan)
    save_file(tensors, file, metadata)

    with learner(run), peer(domain) as me:
        result = act(me, Train, names.TRAIN, Train.Goal(steps=1))
        assert not result.success
        assert "not finite" in result.message or "nan" in result.message


def test_goals_are_stored_images_and_change_with_what_has_been_fitted(
    domain: int, tmp_path: Path
) -> None:
    run = write_run(tmp_path / "run", 2, 10, size=84)
    with node_process("wayfarer_novelty", "novelty", run=run), peer(domain) as me:
        me.listen(contract.NOVELTY_GOAL)
        request = SelectGoal.Request(choice="max", candidates=100)
        chosen = me.call(SelectGoal, names.SELECT_GOAL, request)
        assert chosen.success, chosen.message
        np.testing.assert_array_equal(
            image_to_array(chosen.goal), expected_image(chosen.episode, chosen.step, size=84)
        )
        shown = wait_for(lambda: me.last(contract.NOVELTY_GOAL), "the goal for the eye")
        assert shown.data == chosen.goal.data
        least = me.call(
            SelectGoal, names.SELECT_GOAL, SelectGoal.Request(choice="min", candidates=100)
        )
        assert least.novelty < chosen.novelty
        fitted = act(me, FitNovelty, names.FIT_NOVELTY, FitNovelty.Goal(episodes=2, epochs=3))
        assert fitted.success, fitted.message
        assert fitted.cycles_fitted == 1
        assert fitted.loss_last < fitted.loss_first

        # in the units of the first fit's whitening
        once = me.call(SelectGoal, names.SELECT_GOAL, request)
        assert (
            act(
                me, FitNovelty, names.FIT_NOVELTY, FitNovelty.Goal(episodes=2, epochs=20)
            ).cycles_fitted
            == 2
        )
        assert me.call(SelectGoal, names.SELECT_GOAL, request).novelty < once.novelty
        refused = me.call(
            SelectGoal, names.SELECT_GOAL, SelectGoal.Request(choice="best", candidates=5)
        )
        assert "max" in refused.message
        assert not refused.success


def test_the_live_score_carries_the_stamp_of_the_image(domain: int, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, 4, size=84)
    with node_process("wayfarer_novelty", "novelty", run=run, score_rate=50.0), peer(domain) as me:
        me.listen(contract.NOVELTY_SCORE)
        camera = me.publisher(contract.OBSERVATION_IMAGE)
        wait_for(lambda: camera.get_subscription_count() == 1, "the novelty node to listen")
        wait_for(
            lambda: me.node.count_publishers(contract.NOVELTY_SCORE.name) == 1,
            "the novelty node to speak",
        )
        message = array_to_image(expected_image(0, 0, size=84), to_stamp(123456789), "camera")
        score = wait_for(
            lambda: camera.publish(message) or me.last(contract.NOVELTY_SCORE), "the score"
        )
        assert score.header.stamp == to_stamp(123456789)
        assert score.novelty > 0.0


def test_weights_with_another_digest_end_the_actor_with_a_message(domain: int) -> None:
    with node_process("wayfarer_actor", "actor", method="goal") as process, peer(domain) as me:
        publisher = me.publisher(contract.WEIGHTS)
        wait_for(lambda: publisher.get_subscription_count() == 1, "the actor to listen")
        publisher.publish(Weights(version=1, sha256="00", data=b"no weights"))
        assert process.wait(30.0) == 1
        assert process.stdout is not None
        assert "SHA-256" in process.stdout.read()


def test_an_actor_without_weights_acts_at_random_and_says_version_zero(domain: int) -> None:
    with (
        node_process("wayfarer_actor", "actor", method="goal", after_arrival="play"),
        peer(domain) as me,
    ):
        me.listen(contract.POLICY_ACTION)
        camera, pose = me.publisher(contract.OBSERVATION_IMAGE), me.publisher(contract.CURRENT_POSE)
        client = ActionClient(me.node, RunEpisode, names.RUN_EPISODE)
        wait_for(client.server_is_ready, "the actor")

        for topic in (
            contract.WEIGHTS,
            contract.CONTROL_FAULT,
            contract.CAMERA_FAULT,
            contract.EXECUTED,
        ):
            me.publisher(topic)

        # stands for the recorder
        me.node.create_subscription(Action, names.POLICY_ACTION, lambda _: None, 10)
        me.wait_ready("actor")
        for p in (camera, pose):
            wait_for(lambda p=p: p.get_subscription_count() == 1, "the actor to listen")

        sent = client.send_goal_async(RunEpisode.Goal(steps=1, explore=True))
        wait_for(sent.done, "the goal to be taken")
        future = sent.result().get_result_async()

        for k in (1, 2):
            stamp = to_stamp(me.node.get_clock().now().nanoseconds)
            message = contract.CURRENT_POSE.type()
            message.header.stamp = stamp
            pose.publish(message)
            camera.publish(array_to_image(np.zeros((84, 84, 3), np.uint8), stamp, "camera"))
            if k == 1:
                wait_for(lambda: me.last(contract.POLICY_ACTION), "the action")

        wait_for(future.done, "the end")
        result = future.result().result
        assert (result.end, result.policy_version) == (Episode.TRUNCATED, 0)
        assert np.abs(me.last(contract.POLICY_ACTION).action).max() > 0.0
