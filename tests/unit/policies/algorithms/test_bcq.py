import dataclasses
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import LabelledBatch, LearningError, Observation
from wayfarer_policies.algorithms.bcq import BCQ, BCQConfig, draw_latents
from wayfarer_policies.algorithms.bcq_networks import (
    ActionModel,
    BCQHeads,
    Description,
    PerturbationHead,
    SharedBCQ,
    StateBCQ,
    best_actions,
    networks_of,
    networks_state,
)
from wayfarer_policies.algorithms.networks import EncoderConfig
from wayfarer_policies.algorithms.pose_encoder import PoseEncoder

MakeBatch = Callable[..., LabelledBatch]
ENCODER = EncoderConfig(channels=3, height=36, width=36, filters=(4, 8, 8), features=16)
HEADS = BCQHeads(vae=(20, 20), perturbation=(20, 10), critic=(20, 10))
SMALL = BCQConfig(Description("shared", ENCODER, HEADS))


class Decoder(nn.Module):
    """Makes an action of a latent by its first number."""

    def decode(self, features: Tensor, latents: Tensor) -> Tensor:  # noqa: ARG002
        self.latents = latents
        return latents[:, :1].expand(-1, 3)


class Half(nn.Module):
    """A perturbation that halves."""

    def forward(self, features: Tensor, actions: Tensor) -> Tensor:  # noqa: ARG002
        return actions / 2


class Sum(nn.Module):
    """A critic: weight times the action's sum, plus an offset."""

    def __init__(self, weight: float, offset: float) -> None:
        super().__init__()
        self.weight, self.offset = weight, offset

    def forward(self, features: Tensor, actions: Tensor) -> Tensor:  # noqa: ARG002
        return self.weight * actions.sum(dim=1) + self.offset


def with_simple_parts(**constants: float) -> BCQ:
    bcq = BCQ(dataclasses.replace(SMALL, **constants))  # type: ignore[arg-type]
    bcq.networks.vae = Decoder()  # type: ignore[assignment]
    bcq.target.perturbation = Half()  # type: ignore[assignment]
    bcq.target.q1, bcq.target.q2 = Sum(1.0, 0.0), Sum(2.0, 1.0)  # type: ignore[assignment]

    return bcq


def test_the_target_is_what_the_paper_says(make_batch: MakeBatch) -> None:
    """By hand: of 10 proposals a the best of lambda min(Q1, Q2) + (1 - lambda) max(Q1, Q2)
    counts.
    """
    bcq = with_simple_parts()
    terminated = torch.tensor([False, True, False])
    batch = dataclasses.replace(
        make_batch(3, channels=3), rewards=torch.tensor([0.5, 0.25, 0.0]), terminated=terminated
    )
    target = bcq.td_target(batch).tolist()
    proposals = bcq.networks.vae.latents[:, 0].view(3, 10).tolist()  # type: ignore[union-attr, operator]

    for row, reward in ((0, 0.5), (2, 0.0)):
        values = []
        for a in proposals[row]:
            q1, q2 = 3 * a / 2, 2 * 3 * a / 2 + 1  # the perturbation halved it
            values.append(0.75 * min(q1, q2) + 0.25 * max(q1, q2))

        assert target[row] == pytest.approx(reward + 0.99 * max(values), rel=1e-5)

    assert target[1] == pytest.approx(0.25)

    # each state has proposals of its own
    assert len({round(value, 6) for row in proposals for value in row}) > 10
    assert max(abs(value) for row in proposals for value in row) == 0.5  # clipped


def test_only_the_smaller_critic_counts_where_lambda_is_one(make_batch: MakeBatch) -> None:
    bcq = with_simple_parts(minimum_share=1.0, gamma=1.0)
    batch = dataclasses.replace(
        make_batch(2, channels=3),
        rewards=torch.zeros(2),
        terminated=torch.zeros(2, dtype=torch.bool),
    )
    target = bcq.td_target(batch)
    best = bcq.networks.vae.latents[:, 0].view(2, 10).max(dim=1).values  # type: ignore[union-attr, operator]
    expected = torch.minimum(1.5 * best, 3 * best + 1)
    assert torch.allclose(target, expected)


def test_the_autoencoder_loss_is_error_plus_half_the_divergence() -> None:
    bcq = BCQ(SMALL)

    class Fixed(nn.Module):
        def forward(
            self, features: Tensor, actions: Tensor, noise: Tensor
        ) -> tuple[Tensor, Tensor, Tensor]:
            assert len(features) == len(actions)
            self.noise = noise
            return actions + 0.2, torch.full((4, 6), 0.3), torch.full((4, 6), math.log(0.5))

    bcq.networks.vae = Fixed()  # type: ignore[assignment]
    loss = float(bcq.vae_loss(torch.zeros(4, 16), torch.zeros(4, 3)))
    divergence = -0.5 * (1 + math.log(0.25) - 0.3**2 - 0.25)
    assert loss == pytest.approx(0.2**2 + 0.5 * divergence, rel=1e-5)
    assert bcq.networks.vae.noise.shape == (4, 6)  # type: ignore[union-attr]


def test_a_perturbation_reaches_no_further_than_it_may_and_stays_in_bounds() -> None:
    heads = BCQHeads((-1.0, 0.0, -2.0), (1.0, 4.0, 2.0), reach=0.05)
    head = PerturbationHead(8, heads)
    for layer in head.layers:
        if isinstance(layer, nn.Linear):
            layer.weight.data.zero_()
            layer.bias.data.fill_(100.0)  # wants as far as it can

    middle = torch.tensor([[0.0, 2.0, 0.0]])
    assert torch.allclose(
        head(torch.zeros(1, 8), middle), middle + 0.05 * torch.tensor([1.0, 2.0, 2.0])
    )
    edge = torch.tensor([[1.0, 4.0, 2.0]])
    assert torch.equal(head(torch.zeros(1, 8), edge), edge)


def test_decoded_actions_lie_within_their_bounds_however_odd_the_latent() -> None:
    model = ActionModel(8, BCQHeads((-1.0, 0.0, -2.0), (1.0, 4.0, 2.0)))
    actions = model.decode(
        torch.zeros(200, 8), 100 * torch.randn(200, 6, generator=torch.Generator().manual_seed(0))
    )
    assert ((actions >= model.low) & (actions <= model.high)).all()
    assert float(actions.detach().std()) > 0.5


def test_the_candidate_the_first_critic_values_most_is_chosen() -> None:
    networks = SharedBCQ(ENCODER, HEADS)
    networks.vae, networks.perturbation = Decoder(), Half()  # type: ignore[assignment]
    networks.q1 = Sum(-1.0, 0.0)  # type: ignore[assignment]
    latents = torch.tensor([[0.4] * 6, [-0.2] * 6, [0.1] * 6])
    seen = Observation(torch.zeros(2, 3, 36, 36, dtype=torch.uint8), torch.zeros(2, 3))
    assert torch.allclose(best_actions(networks, seen, latents), torch.full((2, 3), -0.1))


@pytest.mark.slow
def test_it_takes_actions_like_those_in_the_data(make_batch: MakeBatch) -> None:
    bcq = BCQ(SMALL)
    batch = make_batch(32, channels=3)
    rewards = torch.ones(32)
    batch = dataclasses.replace(batch, actions=torch.full((32, 3), 0.5), rewards=rewards)

    for _ in range(300):
        bcq.update(batch)

    chosen = bcq.greedy(make_batch(5, channels=3).observations)
    assert float((chosen - 0.5).abs().max()) < 0.15


@pytest.mark.slow
def test_the_clip_of_the_latents_decides_how_much_of_the_datas_actions_is_proposed(
    make_batch: MakeBatch,
) -> None:
    """Learn from actions at random; propose with the authors' clip, and with a wide one."""
    bcq = BCQ(dataclasses.replace(SMALL, learning_rate=3e-3))
    batch = make_batch(256, channels=3)
    actions = torch.rand(256, 3, generator=torch.Generator().manual_seed(0)) * 2 - 1
    batch = dataclasses.replace(batch, actions=actions, rewards=torch.ones(256))

    for _ in range(300):
        bcq.update(batch)

    @torch.no_grad()
    def spread(clip: float) -> float:
        heads = dataclasses.replace(HEADS, latent_clip=clip)
        latents = draw_latents(np.random.default_rng(0), 500, heads)
        features = bcq.networks.features(batch.observations, "vae")[0][:1].expand(500, -1)
        return float(bcq.networks.vae.decode(features, latents).std(dim=0).mean())

    assert spread(0.5) < 0.6 * float(actions.std())
    assert spread(3.0) > 1.4 * spread(0.5)


@pytest.mark.slow
def test_of_two_actions_in_the_data_it_learns_to_take_the_one_that_pays(
    make_batch: MakeBatch,
) -> None:
    bcq = BCQ(SMALL)
    batch = make_batch(64, channels=3)
    right = torch.arange(64) % 2 == 0
    actions = torch.where(right[:, None], 0.7, -0.7).expand(64, 3).contiguous()
    same = Observation(
        batch.observations.pixels[:1].expand(64, -1, -1, -1).contiguous(), torch.zeros(64, 3)
    )
    batch = dataclasses.replace(
        batch,
        observations=same,
        actions=actions,
        rewards=right.float(),
        terminated=torch.ones(64, dtype=torch.bool),
    )

    for _ in range(300):
        bcq.update(batch)

    chosen = bcq.greedy(Observation(same.pixels[:1], same.ee_positions[:1]))
    assert bool((chosen > 0.3).all())


@pytest.mark.parametrize(("encoders", "own"), [("shared", 0), ("separate", 8)])
def test_every_weight_has_one_optimiser_and_the_perturbation_leaves_a_shared_encoder_alone(
    encoders: str, own: int, make_batch: MakeBatch
) -> None:
    bcq = BCQ(BCQConfig(Description(encoders, ENCODER, HEADS)))
    sets = [
        {id(p) for group in optimizer.param_groups for p in group["params"]}
        for optimizer in (bcq.model_optimizer, bcq.perturbation_optimizer)
    ]
    assert not sets[0] & sets[1]
    assert sets[0] | sets[1] == {id(p) for p in bcq.networks.parameters()}
    assert len(sets[1]) == 6 + own  # three dense layers; three convolutions and a dense one
    bcq.update(make_batch(channels=3))


def test_targets_follow_by_tau(make_batch: MakeBatch) -> None:
    bcq = BCQ(dataclasses.replace(SMALL, tau=0.25))
    before = [p.clone() for p in bcq.target.parameters()]
    bcq.update(make_batch(channels=3))
    for old, new, source in zip(
        before, bcq.target.parameters(), bcq.networks.parameters(), strict=True
    ):
        assert torch.allclose(new, 0.75 * old + 0.25 * source, atol=1e-6)


@pytest.mark.parametrize("wrong", ["rewards", "actions"])
def test_a_loss_that_is_not_finite_leaves_every_weight(make_batch: MakeBatch, wrong: str) -> None:
    bcq = BCQ(SMALL)
    bcq.update(make_batch(channels=3))
    before = {
        name: tensor.clone()
        for name, tensor in bcq.state().tensors.items()
        if not name.startswith("generator")
    }
    batch = make_batch(channels=3)
    getattr(batch, wrong)[2] = float("nan")
    bcq.update(batch)

    with pytest.raises(LearningError, match="critic and autoencoder loss"):
        bcq.check()

    after = bcq.state().tensors
    assert all(
        torch.equal(after[name], tensor)
        for name, tensor in before.items()
        if not name.startswith("target")
    )


@pytest.mark.parametrize("encoders", ["shared", "separate"])
def test_networks_are_built_anew_from_their_bytes(encoders: str) -> None:
    description = Description(encoders, ENCODER, HEADS)
    networks = description.build()
    data = checkpoint.to_bytes("test", networks_state(description, networks))
    other = networks_of(checkpoint.from_bytes(data, "test"))
    seen = Observation(torch.randint(0, 256, (1, 3, 36, 36), dtype=torch.uint8), torch.zeros(1, 3))
    latents = draw_latents(np.random.default_rng(0), 20, HEADS)
    assert torch.equal(best_actions(networks, seen, latents), best_actions(other, seen, latents))
    assert not any(p.requires_grad for p in other.parameters())

    with pytest.raises(DataError, match="another version"):
        networks_of(
            checkpoint.State({}, {"encoders": "shared", "encoder": {"depth": 3}, "heads": {}})
        )


def test_heads_that_learned_behind_an_encoder_choose_the_same_with_it(
    make_batch: MakeBatch,
) -> None:
    seeing = dataclasses.replace(ENCODER, ee_position=True, layer_norm=True)
    encoder = PoseEncoder(seeing)
    bcq = BCQ(BCQConfig(Description("none", seeing, HEADS)))
    batch = make_batch(channels=3)

    def encoded(seen: Observation) -> Observation:
        return Observation(encoder(seen).detach(), seen.ee_positions)

    for _ in range(3):
        bcq.update(
            dataclasses.replace(
                batch,
                observations=encoded(batch.observations),
                next_observations=encoded(batch.next_observations),
            )
        )

    assert isinstance(bcq.networks, StateBCQ)
    whole, latents = bcq.networks.behind(encoder), draw_latents(np.random.default_rng(0), 20, HEADS)
    chosen = best_actions(whole, batch.observations, latents)
    assert torch.equal(chosen, best_actions(bcq.networks, encoded(batch.observations), latents))

    with pytest.raises(DataError, match="observations have the shape"):
        bcq.update(batch)  # images


def test_constants_out_of_range_are_refused() -> None:
    for wrong in (
        {"gamma": 1.1},
        {"minimum_share": -0.1},
        {"learning_rate": 0.0},
        {"target_candidates": 0},
    ):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            BCQConfig(**wrong)  # type: ignore[arg-type]

    with pytest.raises(ConfigError, match="choose from shared, separate"):
        Description("twin")

    with pytest.raises(ConfigError, match="each low must be below its high"):
        BCQHeads((0.0,), (0.0,))

    with pytest.raises(ConfigError, match="reach is"):
        BCQHeads(reach=3.0)

    with pytest.raises(ConfigError, match="latent_clip is"):
        BCQHeads(latent_clip=0.0)
