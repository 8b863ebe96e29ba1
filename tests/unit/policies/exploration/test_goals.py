from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_data.cache.frames import Trajectory
from wayfarer_data.cache.sampling import Replay
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.rnd import RND, RNDConfig
from wayfarer_policies.exploration.goals import (
    CheckpointedNovelty,
    FitOnly,
    ImageNovelty,
    NoNovelty,
    any_one,
    choice,
    least_novel,
    most_novel,
)

Make = Callable[..., Trajectory]
MakeReplay = Callable[..., Replay]
SMALL = RNDConfig(height=36, width=36, filters=(4, 4, 4), features=8)


def test_choices_are_what_they_are_called() -> None:
    novelties, rng = np.array([0.3, 0.9, 0.1], np.float32), np.random.default_rng(0)
    assert most_novel(novelties, rng) == 1
    assert least_novel(novelties, rng) == 2
    assert {any_one(novelties, rng) for _ in range(50)} == {0, 1, 2}
    assert choice("max") is most_novel
    with pytest.raises(ConfigError, match="'max', 'min', 'random'"):
        choice("best")


@given(share=st.floats(0.001, 1.0), seed=st.integers(0, 100))
def test_a_goal_of_the_top_share_is_one_of_the_most_novel(share: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    novelties = rng.permutation(50).astype(np.float32)
    place = choice("max", share)(novelties, rng)
    assert novelties[place] >= 50 - max(1, round(50 * share))


def test_whitening_by_episodes_takes_each_episode_once_and_goes_on_after_a_restart(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    config = replace(SMALL, whitening="episodes")
    store = make_replay(make_trajectory(1))
    one = ImageNovelty(RND(config), most_novel, 10, seed=0)
    one.select_goal(store)
    one.select_goal(store)
    assert float(one.rnd.whitening.moments.count) == 6  # next states of one episode
    saved = checkpoint.to_bytes("test", one.state())
    store.add(make_trajectory(2))
    one.fit(store.last(2), epochs=1)
    assert float(one.rnd.whitening.moments.count) == 12

    other = ImageNovelty(RND(config), most_novel, 10, seed=0)
    other.restore(checkpoint.from_bytes(saved, "test"))
    other.select_goal(store)
    moments, expected = other.rnd.whitening.moments, one.rnd.whitening.moments
    assert np.array_equal(moments.mean.numpy(), expected.mean.numpy())
    assert np.array_equal(moments.spread.numpy(), expected.spread.numpy())


def test_the_goal_is_the_most_novel_image_and_knows_where_it_is_from(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    store = make_replay(make_trajectory(1), make_trajectory(2))
    rnd = RND(SMALL)
    goal = ImageNovelty(rnd, most_novel, candidates=1000, seed=0).select_goal(store)
    assert goal is not None
    everything = rnd.novelty(store.sample_images(1000, np.random.default_rng(0)).frames)
    assert goal.novelty == pytest.approx(everything.max())
    assert (
        store.frames(np.array([store.cache.row(goal.episode, goal.step)]))[0].numpy() == goal.image
    ).all()
    assert goal.name == f"{goal.episode}/{goal.step}"
    assert goal.ee_position == pytest.approx(goal.episode + goal.step / 100)
    least = ImageNovelty(rnd, least_novel, candidates=1000, seed=0).select_goal(store)
    assert least is not None
    assert least.novelty == pytest.approx(everything.min())


def test_only_a_random_subset_is_looked_at_and_a_restart_draws_the_same(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    store = make_replay(*(make_trajectory(k) for k in range(1, 6)))
    few = [
        ImageNovelty(RND(SMALL), most_novel, candidates=2, seed=seed).select_goal(store)
        for seed in range(8)
    ]
    assert len({goal.name for goal in few if goal}) > 1
    again = ImageNovelty(RND(SMALL), most_novel, candidates=2, seed=3).select_goal(store)
    assert again is not None
    assert few[3] is not None
    assert again.name == few[3].name


def test_there_is_no_goal_before_the_first_episode_and_none_for_the_baselines(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    empty = make_replay()
    assert ImageNovelty(RND(SMALL), most_novel, 10, 0).select_goal(empty) is None
    empty.add(make_trajectory(1))
    FitOnly(RND(SMALL)).select_goal(empty)
    nothing = NoNovelty()
    nothing.fit(empty.last(1), 4)
    assert nothing.cycles_fitted == 1


def test_damaged_weights_give_an_error_and_no_goal(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    rnd = RND(SMALL)
    next(rnd.predictor.parameters()).data[:] = float("nan")
    with pytest.raises(DataError, match="not finite"):
        ImageNovelty(rnd, most_novel, 10, 0).select_goal(make_replay(make_trajectory(1)))


def test_a_fitted_novelty_is_on_disk(
    make_trajectory: Make, make_replay: MakeReplay, tmp_path: Path
) -> None:
    store = make_replay(make_trajectory(1))
    path = tmp_path / "novelty.safetensors"
    one = CheckpointedNovelty(ImageNovelty(RND(SMALL), most_novel, 10, 0), path)
    metrics = one.fit(store.last(1), epochs=2)
    assert metrics.keys() == {"rnd_loss_first", "rnd_loss_last"}
    other = CheckpointedNovelty(ImageNovelty(RND(SMALL), most_novel, 10, 0), path)
    assert other.cycles_fitted == 1
    goals = one.select_goal(store), other.select_goal(store)
    assert goals[0] is not None
    assert goals[1] is not None
    assert goals[0].novelty == goals[1].novelty
