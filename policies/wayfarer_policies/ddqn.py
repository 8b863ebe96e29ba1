"""Double DQN from images (van Hasselt et al. 2016) for worlds with a few discrete actions."""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import smooth_l1_loss

from wayfarer_policies import checkpoint
from wayfarer_policies.algorithm import (
    LabelledBatch,
    Pixels,
    check_batch,
    follow,
    frozen_copy,
    guarded_step,
    one_observation,
    positive,
    within,
)
from wayfarer_policies.checkpoint import Part, State
from wayfarer_policies.networks import EncoderConfig, QNetwork
from wayfarer_policies.schedules import LinearSchedule

EPSILON = LinearSchedule(1.0, 0.1, 30_000)  # ours: the paper does not give the toy world's


@dataclass(frozen=True)
class DDQNConfig:
    """Constants of double DQN; the target follows slowly, as TD3's."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    actions: int = 6
    hidden: tuple[int, ...] = ()
    epsilon: LinearSchedule = EPSILON  # share of random actions while exploring
    gamma: float = 0.99
    tau: float = 0.005
    learning_rate: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        within("gamma", self.gamma, 0.0, 1.0)
        within("tau", self.tau, 0.0, 1.0)
        within("epsilon start", self.epsilon.start, 0.0, 1.0)
        within("epsilon end", self.epsilon.end, 0.0, 1.0)
        positive("learning_rate", self.learning_rate)


class DDQN:
    """The online network chooses the next action, the target network values it."""

    def __init__(self, config: DDQNConfig, device: str = "cpu") -> None:
        self.config, self.device = config, torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.network = QNetwork(config.encoder, config.actions, config.hidden).to(self.device)
        self.target = frozen_copy(self.network)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=config.learning_rate, fused=True)
        self.rng = np.random.default_rng(config.seed)  # exploration
        self.updates = 0
        self.noise_step = 0  # explored steps so far; where the epsilon schedule stands

    def update(self, batch: LabelledBatch) -> dict[str, float]:
        """Learn from one batch. LearningError before any weight moves if the loss or gradient is not finite."""
        check_batch(batch, self.config.encoder.channels, ())
        batch = batch.to(self.device)
        q = self.network(batch.observations).gather(1, batch.actions[:, None]).squeeze(1)  # (B,)
        td_target = self.td_target(batch)  # (B,)
        loss = smooth_l1_loss(q, td_target)
        guarded_step(self.optimizer, loss, "the DDQN loss")
        follow(self.target, self.network, self.config.tau)
        self.updates += 1
        return {"loss": float(loss.detach()), "q": float(q.detach().mean()), "td_target": float(td_target.mean())}

    @torch.no_grad()
    def td_target(self, batch: LabelledBatch) -> Tensor:
        """Return r + gamma (1 - terminated) Q'(s', argmax_a Q(s', a)); a truncated step bootstraps."""
        best = self.network(batch.next_observations).argmax(dim=1, keepdim=True)  # (B, 1)
        next_q: Tensor = self.target(batch.next_observations).gather(1, best).squeeze(1)  # (B,)
        return batch.rewards + self.config.gamma * (~batch.terminated) * next_q  # (B,)

    @torch.no_grad()
    def act(
        self, image: Pixels, goal: Pixels | None, ee_position: NDArray[np.float32], explore: bool
    ) -> NDArray[np.int64]:
        """Choose an action () in 0 .. actions - 1 for images (C, H, W) uint8."""
        observation = one_observation(image, goal, ee_position, self.config.encoder.channels).to(self.device)
        if explore:
            self.noise_step += 1
            if self.rng.random() < self.config.epsilon(self.noise_step - 1):
                return np.asarray(self.rng.integers(self.config.actions))
        return np.asarray(self.network(observation)[0].argmax().cpu().numpy(), dtype=np.int64)

    # --- saving ---

    def _parts(self) -> dict[str, Part]:
        return {"network": self.network, "target": self.target, "optimizer": self.optimizer, "rng": self.rng}

    def state(self) -> State:
        """Return networks, targets, optimisers, counts and generators."""
        return checkpoint.save(self._parts(), updates=self.updates, noise_step=self.noise_step)

    def restore(self, state: State) -> None:
        """Continue from a state; DataError if it belongs to other shapes, and nothing is changed then."""
        counts = checkpoint.restore(self._parts(), state, "DDQN", "updates", "noise_step")
        self.updates, self.noise_step = counts
