import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from wayfarer_common.errors import ConfigError
from wayfarer_policies.algorithm import LearningError, follow, frozen_copy, guarded_step, positive, within


def test_a_gradient_that_is_not_finite_moves_nothing_even_if_the_loss_is() -> None:
    weight = nn.Parameter(torch.zeros(2))
    optimizer = torch.optim.Adam([weight], lr=0.1)
    loss = torch.sqrt(weight).sum()  # 0, with an infinite slope
    with pytest.raises(LearningError, match="gradient of the loss"):
        guarded_step(optimizer, loss, "the loss")
    assert weight.tolist() == [0.0, 0.0]
    guarded_step(optimizer, (weight - 1).square().sum(), "the loss")
    assert weight.detach().min() > 0


@given(tau=st.floats(0, 1))
def test_a_target_goes_a_share_of_the_way(tau: float) -> None:
    source, target = nn.Linear(2, 1), nn.Linear(2, 1)
    for module, value in ((source, 10.0), (target, 2.0)):
        for parameter in module.parameters():
            nn.init.constant_(parameter, value)
    follow(target, source, tau)
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
