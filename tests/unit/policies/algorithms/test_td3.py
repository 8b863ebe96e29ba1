import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from wayfarer_core.errors import ConfigError
from wayfarer_policies.acting.schedules import GaussianNoise, LinearSchedule
from wayfarer_policies.algorithms.algorithm import LabelledBatch, LearningError
from wayfarer_policies.algorithms.networks import (
    EncoderConfig,
    Heads,
    SeparateEncoders,
    SharedEncoder,
)
from wayfarer_policies.algorithms.td3 import TD3, TD3Config

MakeBatch = Callable[..., LabelledBatch]
ENCODER = EncoderConfig(channels=6, height=36, width=36, filters=(4, 8, 8), features=16)
SMALL = TD3Config(encoder=ENCODER, critic_learning_rate=1e-3, actor_learning_rate=1e-3)


class Constant(nn.Module):
    """A critic head of one value, or a policy of one action."""

    def __init__(self, value: Sequence[float], low: float = -1.0, high: float = 1.0) -> None:
        super().__init__()
        self.value = torch.tensor(value)
        self.low, self.high = torch.full((3,), low), torch.full((3,), high)
        self.seen: list[Tensor] = []

    def forward(self, features: Tensor, actions: Tensor | None = None) -> Tensor:
        if actions is None:
            return self.value.expand(len(features), 3)
        self.seen.append(actions)
        return self.value.expand(len(features))


def with_constant_targets(action: float, q1: float, q2: float) -> TD3:
    td3 = TD3(SMALL)
    td3.target.policy = Constant([action] * 3)  # type: ignore[assignment]
    td3.target.q1, td3.target.q2 = Constant([q1]), Constant([q2])  # type: ignore[assignment]
    return td3


def test_the_target_takes_the_smaller_critic_and_ends_at_terminated_steps(
    make_batch: MakeBatch,
) -> None:
    td3 = with_constant_targets(0.0, q1=-10.0, q2=-20.0)
    terminated = torch.tensor([False, True, False, True])
    batch = dataclasses.replace(
        make_batch(4), rewards=torch.tensor([-1.0, -1.0, 0.0, 0.0]), terminated=terminated
    )
    assert td3.td_target(batch).tolist() == pytest.approx([-1 - 0.99 * 20, -1.0, -0.99 * 20, 0.0])


def test_target_noise_is_clipped_and_the_noisy_action_stays_in_bounds(
    make_batch: MakeBatch,
) -> None:
    td3 = with_constant_targets(0.0, -1.0, -1.0)
    td3.td_target(make_batch(2000))
    noise = td3.target.q1.seen[0]  # type: ignore[index]
    assert float(noise.abs().max()) == pytest.approx(0.5)  # clip
    assert float(noise.std()) == pytest.approx(0.2, abs=0.01)
    td3 = with_constant_targets(0.9, -1.0, -1.0)
    td3.td_target(make_batch(2000))
    assert float(td3.target.q1.seen[0].max()) == pytest.approx(1.0)  # type: ignore[index]


def test_the_actor_and_the_targets_move_every_second_update(make_batch: MakeBatch) -> None:
    td3 = TD3(SMALL)
    actor = [p.clone() for p in td3.networks.policy.parameters()]
    target = [p.clone() for p in td3.target.parameters()]
    assert "actor_loss" not in td3.update(make_batch())
    assert all(
        torch.equal(a, b) for a, b in zip(actor, td3.networks.policy.parameters(), strict=True)
    )
    assert all(torch.equal(a, b) for a, b in zip(target, td3.target.parameters(), strict=True))
    assert "actor_loss" in td3.update(make_batch())
    assert not all(
        torch.equal(a, b) for a, b in zip(actor, td3.networks.policy.parameters(), strict=True)
    )
    assert not all(torch.equal(a, b) for a, b in zip(target, td3.target.parameters(), strict=True))


def test_targets_follow_by_tau(make_batch: MakeBatch) -> None:
    td3 = TD3(dataclasses.replace(SMALL, tau=0.25, policy_delay=1))
    before = [p.clone() for p in td3.target.parameters()]
    td3.update(make_batch())
    for old, new, source in zip(
        before, td3.target.parameters(), td3.networks.parameters(), strict=True
    ):
        assert torch.allclose(new, 0.75 * old + 0.25 * source, atol=1e-6)


def test_the_actor_loss_does_not_reach_a_shared_encoder_but_trains_its_own(
    make_batch: MakeBatch,
) -> None:
    for build, trained in ((SharedEncoder, 0), (SeparateEncoders, 8)):
        td3 = TD3(SMALL, build)
        actor = {id(p) for group in td3.actor_optimizer.param_groups for p in group["params"]}
        critic = {id(p) for group in td3.critic_optimizer.param_groups for p in group["params"]}
        assert not actor & critic
        assert len(actor) == 6 + trained  # three dense layers; three convolutions and a dense one
        assert len(actor | critic) == len(list(td3.networks.parameters()))
        td3.update(make_batch())
        td3.update(make_batch())


def test_the_critic_learns_a_fixed_reward(make_batch: MakeBatch) -> None:
    td3 = TD3(SMALL)
    batch = dataclasses.replace(
        make_batch(16), rewards=torch.full((16,), -3.0), terminated=torch.ones(16, dtype=torch.bool)
    )
    losses = [float(td3.update(batch)["critic_loss"]) for _ in range(60)]
    assert losses[-1] < 0.05 * losses[0]


@pytest.mark.parametrize("wrong", ["rewards", "actions"])
def test_a_loss_that_is_not_finite_leaves_every_weight(make_batch: MakeBatch, wrong: str) -> None:
    td3 = TD3(SMALL)
    td3.update(make_batch())
    before = {
        name: tensor.clone()
        for name, tensor in td3.state().tensors.items()
        if not name.startswith("generator")
    }
    batch = make_batch()
    getattr(batch, wrong)[2] = float("nan")
    td3.update(batch)

    with pytest.raises(LearningError, match="critic loss"):
        td3.check()

    after = td3.state().tensors
    assert all(
        torch.equal(after[name], tensor)
        for name, tensor in before.items()
        if not name.startswith("target")
    )


def test_exploration_noise_is_in_action_units_and_follows_the_schedule() -> None:
    noise = GaussianNoise(LinearSchedule(1.5, 0.5, 300_000))
    wide = np.full(3, -100, np.float32), np.full(3, 100, np.float32)
    rng = np.random.default_rng(0)
    for step, std in ((0, 1.5), (150_000, 1.0), (10**6, 0.5)):
        drawn = np.stack([noise(np.zeros(3, np.float32), wide, step, rng) for _ in range(3000)])
        assert drawn.std() == pytest.approx(std, rel=0.03)


def test_the_actor_starts_when_the_critics_have_had_their_updates(make_batch: MakeBatch) -> None:
    td3 = TD3(dataclasses.replace(SMALL, policy_delay=1, actor_start=3))
    moved = []
    for _ in range(5):
        before = [p.clone() for p in td3.networks.policy.parameters()]
        td3.update(make_batch())
        moved.append(
            not all(
                torch.equal(a, b)
                for a, b in zip(before, td3.networks.policy.parameters(), strict=True)
            )
        )

    assert moved == [False, False, False, True, True]


def test_the_penalty_is_on_the_squared_action_before_its_tanh(make_batch: MakeBatch) -> None:
    losses = {}
    for penalty in (0.0, 0.5):
        td3 = TD3(dataclasses.replace(SMALL, policy_delay=1, action_penalty=penalty))
        nn.init.zeros_(td3.networks.policy.layers[-1].weight)  # type: ignore[arg-type]
        nn.init.constant_(td3.networks.policy.layers[-1].bias, 4.0)  # type: ignore[arg-type]
        losses[penalty] = float(td3.update(make_batch())["actor_loss"])

    assert losses[0.5] - losses[0.0] == pytest.approx(0.5 * 4.0**2, rel=1e-4)


def test_the_penalty_brings_a_saturated_actor_back(make_batch: MakeBatch) -> None:
    td3 = TD3(
        dataclasses.replace(SMALL, policy_delay=1, action_penalty=1.0, actor_learning_rate=3e-2)
    )
    nn.init.constant_(td3.networks.policy.layers[-1].bias, 8.0)  # type: ignore[arg-type]
    assert td3.probe(make_batch(64))["saturated"] == 1.0

    for k in range(100):
        td3.update(make_batch(seed=k))

    assert td3.probe(make_batch(64))["saturated"] == 0.0


def test_a_probe_sees_whether_the_policy_goes_where_the_goal_is(make_batch: MakeBatch) -> None:
    td3 = TD3(SMALL)
    batch = make_batch(4)

    # [m]
    ways = torch.tensor([[0.5, 0.5, 0.01], [0.5, -0.5, 0.0], [-0.5, 0.5, 0.0], [0.0, 0.0, 0.5]])
    seen = dataclasses.replace(
        batch.observations, ee_positions=torch.zeros(4, 3), goal_ee_positions=ways
    )
    td3.networks.policy = Constant([0.5, 0.5, -1.0])  # type: ignore[assignment]
    found = td3.probe(dataclasses.replace(batch, observations=seen))
    assert found["towards_goal"] == pytest.approx(4 / 7)  # 1 cm and nothing are no directions
    assert found["saturated"] == pytest.approx(1 / 3)
    assert found["spread"] == 0.0


def test_a_probe_of_a_policy_with_a_gripper_compares_the_arm_alone_with_the_way(
    make_batch: MakeBatch,
) -> None:
    four = Heads(action_low=(-1.0,) * 4, action_high=(1.0,) * 4)
    td3 = TD3(dataclasses.replace(SMALL, heads=four))
    batch = make_batch(4)
    seen = dataclasses.replace(
        batch.observations, ee_positions=torch.zeros(4, 3), goal_ee_positions=torch.ones(4, 3)
    )
    towards_goal = td3.probe(dataclasses.replace(batch, observations=seen))["towards_goal"]
    assert towards_goal * 12 == pytest.approx(round(towards_goal * 12))  # of 4 times 3 components


def test_the_value_after_n_steps_is_discounted_n_times(make_batch: MakeBatch) -> None:
    td3 = with_constant_targets(0.0, q1=-10.0, q2=-20.0)
    batch = dataclasses.replace(
        make_batch(3),
        rewards=torch.zeros(3),
        terminated=torch.zeros(3, dtype=torch.bool),
        spans=torch.tensor([1, 2, 5]),
    )
    assert td3.td_target(batch).tolist() == pytest.approx([-20 * 0.99**n for n in (1, 2, 5)])


def test_constants_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="gamma is"):
        TD3Config(gamma=1.1)

    with pytest.raises(ConfigError, match="learning_rate is"):
        TD3Config(actor_learning_rate=0.0)

    with pytest.raises(ConfigError, match="precision"):
        EncoderConfig(precision="int8")

    with pytest.raises(ConfigError, match="too small"):
        EncoderConfig(height=20)
