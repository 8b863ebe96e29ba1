import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from wayfarer_core.errors import ConfigError
from wayfarer_core.options import ActingOptions
from wayfarer_policies.acting.policy import Policy, PolicyGoal, RobotState, Start
from wayfarer_policies.acting.random_policies import CorrelatedPolicy, UniformPolicy
from wayfarer_policies.exploration.making import Making, make_policy

IMAGE = np.zeros((84, 84, 3), np.uint8)
POSITION = np.zeros(3)
PAPER = ActingOptions()
each_policy = pytest.mark.parametrize("name", ["random", "random-correlated"])


def actions(policy: Policy, seed: int, steps: int, explore: bool = True) -> NDArray[np.float32]:
    policy.begin_episode(Start(np.random.default_rng(seed), explore=explore))
    return np.array([policy.act(IMAGE, RobotState(POSITION)) for _ in range(steps)])  # (steps, 3)


@each_policy
@settings(max_examples=25)
@given(seed=st.integers(0, 2**64 - 1))
def test_every_action_is_three_finite_numbers_from_minus_one_to_one(name: str, seed: int) -> None:
    drawn = actions(make_policy(name, Making(PAPER)), seed, 50)
    assert drawn.shape == (50, 3)
    assert drawn.dtype == np.float32
    assert np.isfinite(drawn).all()
    assert (np.abs(drawn) <= 1.0).all()


@each_policy
def test_the_same_seed_gives_the_same_actions_and_another_seed_others(name: str) -> None:
    assert (
        actions(make_policy(name, Making(PAPER)), 3, 20)
        == actions(make_policy(name, Making(PAPER)), 3, 20)
    ).all()
    assert (
        actions(make_policy(name, Making(PAPER)), 3, 20)
        != actions(make_policy(name, Making(PAPER)), 4, 20)
    ).any()


@each_policy
def test_an_episode_does_not_depend_on_the_episodes_before_it(name: str) -> None:
    used = make_policy(name, Making(PAPER))
    actions(used, 1, 17)
    assert (actions(used, 3, 20) == actions(make_policy(name, Making(PAPER)), 3, 20)).all()


@each_policy
def test_neither_image_nor_goal_nor_exploration_matters(name: str) -> None:
    plain = actions(make_policy(name, Making(PAPER)), 5, 10)
    policy = make_policy(name, Making(PAPER))
    goal = PolicyGoal(np.full((84, 84, 3), 7, np.uint8), np.ones(3))
    policy.begin_episode(Start(np.random.default_rng(5), goal, explore=False))
    image, robot = np.full((84, 84, 3), 200, np.uint8), RobotState(POSITION + 1.0)
    assert (plain == [policy.act(image, robot) for _ in range(10)]).all()


@each_policy
def test_a_random_policy_has_no_weights(name: str) -> None:
    assert make_policy(name, Making(PAPER)).version == 0


def test_uniform_actions_fill_the_action_space_evenly_and_independently() -> None:
    drawn = actions(UniformPolicy(), 0, 20_000)
    counts = np.histogramdd(drawn, bins=[np.linspace(-1, 1, 5)] * 3)[0]  # 64 cells of about 312
    assert counts.sum() == 20_000
    assert np.abs(counts - 20_000 / 64).max() < 90  # five standard deviations
    assert abs(np.corrcoef(drawn[1:, 0], drawn[:-1, 0])[0, 1]) < 0.03


def test_correlated_actions_keep_a_share_of_the_last_one() -> None:
    drawn = actions(CorrelatedPolicy(), 0, 20_000)
    for axis in range(3):
        assert 0.7 < np.corrcoef(drawn[1:, axis], drawn[:-1, axis])[0, 1] < 0.85
    assert abs(np.corrcoef(drawn[:, 0], drawn[:, 1])[0, 1]) < 0.1
    assert np.abs(drawn.mean(axis=0)).max() < 0.05


def test_correlated_actions_spread_alike_from_the_first_step_on() -> None:
    # (1500, 20, 3)
    episodes = np.array([actions(CorrelatedPolicy(), seed, 20) for seed in range(1500)])
    spread = episodes.std(axis=(0, 2))  # (20,) per step
    assert spread.min() > 0.5
    assert spread.max() - spread.min() < 0.05


def test_correlated_actions_travel_further_than_uniform_ones() -> None:
    def travelled(policy: Policy) -> float:
        return float(
            np.mean([np.linalg.norm(actions(policy, seed, 100).sum(axis=0)) for seed in range(100)])
        )

    assert travelled(CorrelatedPolicy()) > 1.5 * travelled(UniformPolicy())


def test_an_unknown_policy_is_refused_with_the_choices() -> None:
    with pytest.raises(ConfigError, match="'td3': choose from random, random-correlated"):
        make_policy("td3", PAPER)
