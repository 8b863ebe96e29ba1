"""Learners and policies of a run whose gripper is part of the action."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures.episodes import write_run
from wayfarer_core.errors import ConfigError
from wayfarer_core.options import ActingOptions, LearnerOptions
from wayfarer_data.cache.buffer import RunBuffer
from wayfarer_policies.acting.learned_policy import LearnedPolicy
from wayfarer_policies.acting.policy import RobotState, Start
from wayfarer_policies.algorithms.td3 import TD3
from wayfarer_policies.exploration.making import Making, make_learner, make_policy, make_rnd

CLOSED = LearnerOptions()
OPENS = replace(CLOSED, gripper_width=0.08)
IMAGE = np.zeros((84, 84, 3), np.uint8)


def td3(options: LearnerOptions) -> TD3:
    algorithm = make_learner("rnd", 0, "cpu", make_rnd(0, "cpu"), options).algorithm
    assert isinstance(algorithm, TD3)
    return algorithm


def test_td3_learns_from_actions_with_a_gripper_and_its_policy_acts_with_four_numbers(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "run", 1, 6, size=84, joints=True, gripper=True)
    store = RunBuffer(run, "cpu").open()
    learner = make_learner("goal", 0, "cpu", make_rnd(0, "cpu"), OPENS)
    assert np.isfinite(learner.update(store, steps=1)["critic_loss"])
    assert isinstance(learner.algorithm, TD3)

    acting = LearnedPolicy(replace(ActingOptions(), random_steps=0), size=4)
    acting.offer(td3(OPENS).actor(), 1)
    acting.begin_episode(Start(np.random.default_rng(0)))
    assert acting.act(IMAGE, RobotState(np.zeros(3))).shape == (4,)


def test_weights_of_the_other_size_are_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"act with 3 numbers, an action has 4: .* gripper_width"):
        LearnedPolicy(ActingOptions(), size=4).offer(td3(CLOSED).actor(), 1)


@pytest.mark.parametrize("name", ["random", "random-correlated", "still", "learned"])
def test_each_policy_gives_as_many_numbers_as_the_run_has(name: str) -> None:
    for size in (3, 4):
        policy = make_policy(name, Making(ActingOptions(), size=size))
        policy.begin_episode(Start(np.random.default_rng(0)))
        assert policy.act(IMAGE, RobotState(np.zeros(3))).shape == (size,)


def test_a_run_without_a_gripper_draws_what_it_always_drew() -> None:
    policy = make_policy("random", Making(ActingOptions()))
    policy.begin_episode(Start(np.random.default_rng(7)))
    expected = np.random.default_rng(7).uniform(-1.0, 1.0, 3).astype(np.float32)
    assert (policy.act(IMAGE, RobotState(np.zeros(3))) == expected).all()
