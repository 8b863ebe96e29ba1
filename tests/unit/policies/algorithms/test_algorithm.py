import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_policies.algorithms.algorithm import (
    GoalPixels,
    Guard,
    LearningError,
    frozen_copy,
    one_observation,
    positive,
    soft_update,
    within,
)


def test_a_gradient_that_is_not_finite_moves_nothing_even_if_the_loss_is() -> None:
    weight = nn.Parameter(torch.zeros(2))
    optimizer, guard = torch.optim.Adam([weight], lr=0.1, fused=True), Guard()
    guard.step(optimizer, torch.sqrt(weight).sum(), "the loss")  # 0, with an infinite slope
    guard.step(optimizer, (weight - 1).square().sum(), "another loss")
    assert weight.tolist() == [0.0, 0.0]

    with pytest.raises(LearningError, match="the loss or their gradients are not finite"):
        guard.check()

    guard.step(optimizer, (weight - 1).square().sum(), "the loss")
    guard.check()
    assert weight.detach().min() > 0


def test_a_guarded_step_is_the_optimisers_own_bit_for_bit() -> None:
    weights = [nn.Parameter(torch.linspace(-1, 1, 7)) for _ in range(2)]
    guarded, plain = (torch.optim.Adam([weight], lr=0.1, fused=True) for weight in weights)
    guard = Guard()

    for _ in range(5):
        guard.step(guarded, (weights[0] - 0.3).pow(4).sum(), "the loss")
        plain.zero_grad()
        (weights[1] - 0.3).pow(4).sum().backward()
        plain.step()

    assert torch.equal(*weights)


def test_what_a_network_sees_is_put_together_and_a_wrong_goal_is_refused() -> None:
    image, goal = (np.full((3, 36, 36), value, np.uint8) for value in (1, 2))
    seen = one_observation(image, GoalPixels(goal, np.ones(3)), np.zeros(3), 6)
    assert seen.pixels[0, :, 0, 0].tolist() == [1, 1, 1, 2, 2, 2]
    assert seen.goal_ee_positions is not None
    assert seen.goal_ee_positions.tolist() == [[1.0, 1.0, 1.0]]

    for channels, there in ((6, None), (3, GoalPixels(goal, np.ones(3)))):
        with pytest.raises(DataError, match="a goal belongs to a policy with goals"):
            one_observation(image, there, np.zeros(3), channels)

    with pytest.raises(DataError, match="expected uint8"):
        one_observation(image.astype(np.float32), None, np.zeros(3), 3)

    with pytest.raises(DataError, match="end-effector position"):
        one_observation(image, None, np.array([0.0, np.nan, 0.0]), 3)


@given(tau=st.floats(0, 1))
def test_a_target_goes_a_share_of_the_way(tau: float) -> None:
    source, target = nn.Linear(2, 1), nn.Linear(2, 1)
    for module, value in ((source, 10.0), (target, 2.0)):
        for parameter in module.parameters():
            nn.init.constant_(parameter, value)

    soft_update(target, source, tau)
    assert target.weight[0].tolist() == pytest.approx([2 + 8 * tau] * 2, abs=1e-5)


def test_a_frozen_copy_shares_nothing_and_asks_for_no_gradient() -> None:
    source = nn.Linear(2, 2)
    copied = frozen_copy(source)
    nn.init.zeros_(source.weight)
    assert copied.weight.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in copied.parameters())


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_what_must_be_positive_is_checked_by_name(value: float) -> None:
    with pytest.raises(ConfigError, match="rate is"):
        positive("rate", value)


def test_what_must_lie_in_a_range_is_checked_by_name() -> None:
    within("share", 0.0, 0.0, 1.0)
    with pytest.raises(ConfigError, match=r"share is nan: it must lie in \[0.0, 1.0\]"):
        within("share", float("nan"), 0.0, 1.0)
