from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_data.cache.frames import Trajectory
from wayfarer_data.cache.sampling import Batch, Replay
from wayfarer_policies.algorithms.checkpoint import State
from wayfarer_policies.exploration.relabel import FutureGoals, ImageDistance, Nearness, SameStep

Make = Callable[..., Trajectory]
MakeReplay = Callable[..., Replay]
EVERY = 1000


def at_row(store: Replay, row: int, size: int = EVERY) -> Batch:
    """A batch that holds one transition many times."""
    return store.batch(np.full(size, row))


def test_goals_are_uniform_over_the_future_and_the_state_itself(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    store = make_replay(make_trajectory(1))  # T = 6
    labels = FutureGoals(self_goals=0.0).label(at_row(store, 2), store, np.random.default_rng(0))
    goals = labels.observations.pixels[:, 3, 0, 0] - 10  # step of the goal
    shares = torch.bincount(goals.long(), minlength=7) / EVERY
    assert shares.tolist() == pytest.approx([0, 0, 0.2, 0.2, 0.2, 0.2, 0.2], abs=0.04)


def test_self_goals_come_with_probability_p_on_top(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    store = make_replay(make_trajectory(1))
    batch = at_row(store, 0, size=20_000)
    labels = FutureGoals(self_goals=0.5).label(batch, store, np.random.default_rng(0))
    share = float((labels.rewards == 0).float().mean())
    # p, and 1 of the 7 observations s_0 .. s_6
    assert share == pytest.approx(0.5 + 0.5 / 7, abs=0.02)


def test_reward_and_end_follow_from_where_the_goal_is(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    store = make_replay(make_trajectory(1))
    labels = FutureGoals().label(at_row(store, 2), store, np.random.default_rng(0))
    goals = labels.observations.pixels[:, 3, 0, 0] - 10
    assert ((labels.rewards == 0) == (goals == 2)).all()
    assert ((labels.rewards == -1) == (goals != 2)).all()
    assert (labels.terminated == ((goals == 2) | (goals == 3))).all()
    assert set(goals.tolist()) == {2, 3, 4, 5, 6}


def test_image_goal_and_successor_are_put_together_on_the_channel_axis(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    store = make_replay(make_trajectory(1))
    labels = FutureGoals().label(at_row(store, 2), store, np.random.default_rng(0))
    assert labels.observations.pixels.shape == (EVERY, 6, 36, 36)
    assert (labels.observations.pixels[:, :3] == 12).all()
    assert (labels.next_observations.pixels[:, :3] == 13).all()
    assert (labels.observations.pixels[:, 3:] == labels.next_observations.pixels[:, 3:]).all()


def test_a_time_limit_alone_does_not_end_the_value(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    store = make_replay(make_trajectory(1))
    batch = at_row(store, 5)
    assert batch.truncated.all()
    labels = FutureGoals(
        self_goals=0.0, reached=lambda *_: torch.zeros(EVERY, dtype=torch.bool)
    ).label(batch, store, np.random.default_rng(0))
    assert not labels.terminated.any()


def test_goals_are_drawn_anew_for_each_batch(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    store, rng = make_replay(make_trajectory(1)), np.random.default_rng(0)
    batch, goals = at_row(store, 0), FutureGoals()
    first, second = (goals.label(batch, store, rng).observations.pixels[:, 3] for _ in range(2))
    assert not torch.equal(first, second)


def test_equal_images_at_another_step_count_only_by_image_distance(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    one = make_trajectory(1)
    one.frames[6] = one.frames[2]
    store = make_replay(one)
    rows, goal_rows = np.array([2]), np.array([6])
    pixels, next_pixels = store.pairs(rows, goal_rows, rows + 1)
    assert not SameStep()(rows, goal_rows, pixels).any()
    assert ImageDistance(0.0)(rows, goal_rows, pixels).all()
    assert not ImageDistance(0.0)(rows + 1, goal_rows, next_pixels).any()


@given(a=st.integers(0, 255), b=st.integers(0, 255), threshold=st.floats(0, 255))
def test_image_distance_is_the_mean_absolute_difference(a: int, b: int, threshold: float) -> None:
    left, right = (torch.full((1, 3, 4, 4), value, dtype=torch.uint8) for value in (a, b))
    near = ImageDistance(threshold)(np.array([0]), np.array([1]), torch.cat([left, right], dim=1))
    assert bool(near) == (abs(a - b) <= threshold)


def test_near_goals_are_geometric_and_the_others_uniform(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    store = make_replay(make_trajectory(1))
    only_near = FutureGoals(self_goals=0.0, near=Nearness(1.0, 2.0))
    labels = only_near.label(at_row(store, 2), store, np.random.default_rng(0))
    steps = (labels.observations.pixels[:, 3, 0, 0] - 12).long()
    shares = (torch.bincount(steps, minlength=5) / EVERY).tolist()

    # the last takes all behind the end
    assert shares == pytest.approx([0, 0.5, 0.25, 0.125, 0.125], abs=0.04)
    half = FutureGoals(self_goals=0.0, near=Nearness(0.5, 1.0)).label(
        at_row(store, 2), store, np.random.default_rng(0)
    )
    assert float((half.observations.pixels[:, 3, 0, 0] == 13).float().mean()) == pytest.approx(
        0.6, abs=0.05
    )


def test_n_step_returns_stop_at_the_goal_the_end_and_a_lost_step(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    lossy = make_trajectory(2)
    lossy.valid[3] = False
    store = make_replay(make_trajectory(1), lossy)
    goals = FutureGoals(self_goals=0.0, lookahead=3, gamma=0.5)

    labels = goals.label(at_row(store, 0), store, np.random.default_rng(0))
    steps = (labels.observations.pixels[:, 3, 0, 0] - 10).long()  # to the goal
    costs = torch.tensor([0.0, -1.0, -1.5, -1.75])
    assert torch.equal(labels.rewards, costs[steps.clamp(max=3)])
    assert labels.spans is not None
    assert torch.equal(labels.spans, steps.clamp(min=1, max=3))
    assert torch.equal(labels.terminated, steps <= 3)
    assert torch.equal(
        labels.next_observations.pixels[:, 0, 0, 0].long(), 10 + steps.clamp(min=1, max=3)
    )

    # two good steps are left
    near_the_loss = goals.label(at_row(store, 7 + 1), store, np.random.default_rng(0))
    assert near_the_loss.spans is not None
    assert set(near_the_loss.spans.tolist()) == {1, 2}


def test_the_end_effectors_place_in_the_goal_image_goes_along(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    store = make_replay(make_trajectory(1))
    labels = FutureGoals().label(at_row(store, 2), store, np.random.default_rng(0))
    steps = (labels.observations.pixels[:, 3, 0, 0] - 10).float()
    assert labels.observations.goal_ee_positions is not None
    assert torch.allclose(labels.observations.goal_ee_positions[:, 0], 1 + steps / 100)


def test_values_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="self_goals is"):
        FutureGoals(self_goals=1.5)

    with pytest.raises(ConfigError, match="threshold is"):
        ImageDistance(-1)

    with pytest.raises(DataError, match="novelty"):
        FutureGoals().restore(State({}, {"labels": "novelty"}))
