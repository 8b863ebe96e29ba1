from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from wayfarer_bags.episode import End
from wayfarer_core.errors import DataError
from wayfarer_data.cache.frames import Trajectory
from wayfarer_data.cache.sampling import Replay
from wayfarer_policies.algorithms.checkpoint import State
from wayfarer_policies.algorithms.rnd import RND, RNDConfig
from wayfarer_policies.exploration.intrinsic import IntrinsicReward

Make = Callable[..., Trajectory]
MakeReplay = Callable[..., Replay]


class Brightness(RND):
    """Novelty is an image's first pixel."""

    def __init__(self) -> None:
        super().__init__(RNDConfig(height=36, width=36, filters=(4, 4, 4), features=8))

    def scores(self, images: NDArray[np.uint8] | torch.Tensor) -> torch.Tensor:
        return torch.as_tensor(images)[:, 0, 0, 0].float()


def test_reward_is_the_next_images_novelty_over_the_std_of_discounted_sums(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    # next images hold 11 and 12
    store = make_replay(make_trajectory(1, steps=2, end=End.TERMINATED))
    intrinsic = IntrinsicReward(Brightness(), gamma=0.5)
    intrinsic.prepare(store)
    returns = np.array([11.0, 0.5 * 11 + 12])
    assert intrinsic.running_return == pytest.approx(returns[1])
    batch = store.sample(50, np.random.default_rng(0))
    labels = intrinsic.label(batch, store, np.random.default_rng(0))
    assert labels.rewards.numpy() == pytest.approx((11 + batch.steps.numpy()) / returns.std())
    assert torch.equal(labels.observations.pixels, batch.states)  # no goal
    assert torch.equal(labels.terminated, batch.terminated)


def test_the_scale_is_saved(make_trajectory: Make, make_replay: MakeReplay) -> None:
    one, other = IntrinsicReward(Brightness()), IntrinsicReward(Brightness())
    one.prepare(make_replay(make_trajectory(1)))
    other.restore(one.state())
    assert other.running_return == one.running_return
    assert torch.equal(other.returns.std, one.returns.std)
    with pytest.raises(DataError, match="goals"):
        other.restore(State({}, {"labels": "goals"}))
