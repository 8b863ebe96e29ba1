import dataclasses
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from wayfarer_policies.algorithms.algorithm import LabelledBatch, Observation
from wayfarer_policies.algorithms.ddqn import DDQN, DDQNConfig
from wayfarer_policies.algorithms.networks import EncoderConfig

MakeBatch = Callable[..., LabelledBatch]
ENCODER = EncoderConfig(channels=6, height=36, width=36, filters=(4, 8, 8), features=16)
SMALL = DDQNConfig(encoder=ENCODER, learning_rate=1e-3)


class Table(nn.Module):
    def __init__(self, values: list[float]) -> None:
        super().__init__()
        self.values = torch.tensor(values)

    def forward(self, observation: Observation) -> Tensor:
        return self.values.expand(len(observation.pixels), len(self.values))


def test_the_online_network_chooses_and_the_target_network_values(make_batch: MakeBatch) -> None:
    ddqn = DDQN(dataclasses.replace(SMALL, actions=3))
    ddqn.network, ddqn.target = Table([0.0, 9.0, 1.0]), Table([-1.0, -5.0, 7.0])  # type: ignore[assignment]
    batch = dataclasses.replace(
        make_batch(3, actions=3), terminated=torch.tensor([False, True, False])
    )
    assert ddqn.td_target(batch).tolist() == pytest.approx([-1 - 0.99 * 5, -1.0, -1 - 0.99 * 5])


def test_it_learns_which_action_pays(make_batch: MakeBatch) -> None:
    ddqn = DDQN(dataclasses.replace(SMALL, actions=2, learning_rate=3e-3))
    batch = make_batch(32, actions=2)
    batch = dataclasses.replace(
        batch, rewards=batch.actions.float(), terminated=torch.ones(32, dtype=torch.bool)
    )

    for _ in range(100):
        metrics = ddqn.update(batch)

    assert metrics["loss"] < 0.02
    assert (ddqn.network(batch.observations).argmax(dim=1) == 1).float().mean() > 0.9
