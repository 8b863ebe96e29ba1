"""Double DQN from images (van Hasselt et al. 2016) for worlds with a few discrete actions."""

from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from wayfarer_policies.algorithms.algorithm import (
    GradientLearner,
    LabelledBatch,
    Observation,
    check_batch,
    frozen_copy,
    positive,
    soft_update,
    within,
)
from wayfarer_policies.algorithms.checkpoint import Part
from wayfarer_policies.algorithms.networks import EncoderConfig, QNetwork


@dataclass(frozen=True)
class DDQNConfig:
    """Constants of double DQN; the target follows by soft updates, as TD3's."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    actions: int = 6
    hidden: tuple[int, ...] = ()
    gamma: float = 0.99
    tau: float = 0.005
    learning_rate: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        within("gamma", self.gamma, 0.0, 1.0)
        within("tau", self.tau, 0.0, 1.0)
        positive("learning_rate", self.learning_rate)


class DDQN(GradientLearner):
    """The online network chooses the next action; the target network gives its value."""

    def __init__(self, config: DDQNConfig, device: str = "cpu") -> None:
        super().__init__()
        self.config, self.device = config, torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = QNetwork(config.encoder, config.actions, config.hidden).to(self.device)

        self.target = frozen_copy(self.network)
        self.optimizer = torch.optim.Adam(
            self.network.parameters(), lr=config.learning_rate, fused=True
        )

    def update(self, batch: LabelledBatch) -> dict[str, Tensor]:
        """Learn from one batch; `check` later says whether all was finite."""
        check_batch(batch, self.config.encoder.channels, ())
        batch = batch.to(self.device)
        q = self.network(batch.observations).gather(1, batch.actions[:, None]).squeeze(1)  # (B,)
        td_target = self.td_target(batch)  # (B,)
        loss = smooth_l1_loss(q, td_target)
        self.guard.step(self.optimizer, loss, "the DDQN loss")
        soft_update(self.target, self.network, self.config.tau)
        self.updates += 1

        return {"loss": loss.detach(), "q": q.detach().mean(), "td_target": td_target.mean()}

    def probe(self, batch: LabelledBatch) -> dict[str, float]:  # noqa: ARG002
        """Return nothing: there is no actor that could saturate."""
        return {}

    @torch.no_grad()
    def td_target(self, batch: LabelledBatch) -> Tensor:
        """Return r + gamma^n (1 - terminated) Q'(s', argmax_a Q(s', a)), s' n steps later.

        A truncated step bootstraps: only the time limit ended it.
        """
        best = self.network(batch.next_observations).argmax(dim=1, keepdim=True)  # (B, 1)
        next_q: Tensor = self.target(batch.next_observations).gather(1, best).squeeze(1)  # (B,)
        # (B,)
        return batch.rewards + batch.discounts(self.config.gamma) * (~batch.terminated) * next_q

    @torch.no_grad()
    def greedy(self, observation: Observation) -> Tensor:
        """Return the actions of the highest value, (B,) in 0 .. actions - 1."""
        values: Tensor = self.network(observation.to(self.device))  # (B, actions)
        return values.argmax(dim=1)

    # --- saving ---

    def _parts(self) -> dict[str, Part]:
        return {"network": self.network, "target": self.target, "optimizer": self.optimizer}
