"""Learners on a replay buffer, and that they continue bit for bit."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_data.cache.frames import Trajectory
from wayfarer_data.cache.sampling import Replay
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.ddqn import DDQN, DDQNConfig
from wayfarer_policies.algorithms.networks import EncoderConfig
from wayfarer_policies.algorithms.rnd import RND, RNDConfig
from wayfarer_policies.algorithms.td3 import TD3, TD3Config
from wayfarer_policies.exploration.intrinsic import IntrinsicReward
from wayfarer_policies.exploration.learners import Checkpointed, NoLearner, ReplayLearner
from wayfarer_policies.exploration.relabel import FutureGoals

Make = Callable[..., Trajectory]
MakeReplay = Callable[..., Replay]


def encoder(channels: int) -> EncoderConfig:
    return EncoderConfig(channels=channels, height=36, width=36, filters=(4, 8, 8), features=16)


def goal_learner(seed: int = 0) -> ReplayLearner:
    return ReplayLearner(
        TD3(TD3Config(encoder=encoder(6), seed=seed)), FutureGoals(), batch_size=8, seed=seed
    )


def rnd_learner(seed: int = 0) -> ReplayLearner:
    rnd = RND(RNDConfig(height=36, width=36, filters=(4, 8, 8), features=16))
    return ReplayLearner(
        TD3(TD3Config(encoder=encoder(3), seed=seed)), IntrinsicReward(rnd), batch_size=8, seed=seed
    )


def discrete_learner(seed: int = 0) -> ReplayLearner:
    return ReplayLearner(
        DDQN(DDQNConfig(encoder=encoder(6), seed=seed)), FutureGoals(), batch_size=8, seed=seed
    )


LEARNERS = {"goal": goal_learner, "rnd": rnd_learner, "discrete": discrete_learner}


@pytest.mark.parametrize("kind", LEARNERS)
def test_n_steps_saved_and_restored_and_n_steps_are_2n_steps_bit_for_bit(
    kind: str, make_trajectory: Make, make_replay: MakeReplay, tmp_path: Path
) -> None:
    store = make_replay(*(make_trajectory(k, discrete=kind == "discrete") for k in (1, 2)))
    straight = LEARNERS[kind]()
    straight.update(store, 7)
    checkpoint.write(tmp_path / "learner", "learner", straight.state())
    straight.update(store, 7)

    resumed = LEARNERS[kind](seed=1)
    resumed.restore(checkpoint.read(tmp_path / "learner", "learner"))
    resumed.update(store, 7)
    a, b = straight.state(), resumed.state()
    assert a.tensors.keys() == b.tensors.keys()
    assert all(
        a.tensors[name].numpy().tobytes() == b.tensors[name].numpy().tobytes() for name in a.tensors
    )
    assert dict(a.values) == dict(b.values)
    assert resumed.episodes_learned == 2


def test_metrics_are_means_and_progress_counts(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    heard: list[int] = []
    metrics = goal_learner().update(make_replay(make_trajectory(1)), 4, heard.append)
    assert heard == [1, 2, 3, 4]
    assert {
        "critic_loss",
        "actor_loss",
        "q",
        "td_target",
        "policy/saturated",
        "policy/q_spread",
    } <= metrics.keys()


def test_a_checkpointed_learner_continues_from_its_file(
    make_trajectory: Make, make_replay: MakeReplay, tmp_path: Path
) -> None:
    store = make_replay(make_trajectory(1))
    one = Checkpointed(goal_learner(), tmp_path / "learner")
    one.update(store, steps=3)
    other = Checkpointed(goal_learner(seed=5), tmp_path / "learner")
    assert other.episodes_learned == 1
    one.update(store, steps=3)
    other.update(store, steps=3)
    a, b = one.learner.state().tensors, other.learner.state().tensors
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_checkpoint_of_another_method_is_refused(tmp_path: Path) -> None:
    checkpoint.write(tmp_path / "learner", "learner", rnd_learner().state())
    with pytest.raises(DataError, match="expected"):
        Checkpointed(goal_learner(), tmp_path / "learner")


def test_learning_from_nothing_is_an_error(make_replay: MakeReplay) -> None:
    with pytest.raises(DataError, match="collect an episode first"):
        goal_learner().update(make_replay(), 1)
    with pytest.raises(ConfigError, match="batch_size is 0"):
        ReplayLearner(goal_learner().algorithm, FutureGoals(), batch_size=0)


def test_the_random_method_learns_nothing_but_keeps_count(make_replay: MakeReplay) -> None:
    learner = NoLearner()
    assert learner.update(make_replay(), steps=5) == {}
    assert learner.episodes_learned == 1
