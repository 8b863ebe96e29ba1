"""Batch-constrained Q-learning from images, continuous actions (Fujimoto et al. 2019), with its
authors' constants.
"""

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import mse_loss
from wayfarer_core.errors import ConfigError

from wayfarer_policies.algorithms.algorithm import (
    GradientLearner,
    LabelledBatch,
    Observation,
    check_batch,
    frozen_copy,
    parameters,
    positive,
    soft_update,
    within,
)
from wayfarer_policies.algorithms.bcq_networks import (
    BCQHeads,
    BCQNetworks,
    Description,
    best_actions,
)
from wayfarer_policies.algorithms.checkpoint import Part
from wayfarer_policies.algorithms.networks import PRECISIONS

ACTING_CANDIDATES = 100  # actions proposed when acting


@dataclass(frozen=True)
class BCQConfig:
    """Constants of BCQ; the defaults are its authors'."""

    networks: Description = field(default_factory=Description)
    gamma: float = 0.99
    tau: float = 0.005
    minimum_share: float = 0.75  # lambda: weight of the smaller critic against the larger one
    target_candidates: int = 10  # actions proposed for each next state
    kl_weight: float = 0.5
    learning_rate: float = 1e-3
    seed: int = 0

    def __post_init__(self) -> None:
        within("gamma", self.gamma, 0.0, 1.0)
        within("tau", self.tau, 0.0, 1.0)
        within("minimum_share", self.minimum_share, 0.0, 1.0)
        within("kl_weight", self.kl_weight, 0.0, 1000.0)
        positive("learning_rate", self.learning_rate)
        if self.target_candidates < 1:
            raise ConfigError(f"target_candidates is {self.target_candidates}: at least 1")


class BCQ(GradientLearner):
    """Evaluates only actions similar to the data's; the value of others is unknown."""

    def __init__(self, config: BCQConfig, device: str = "cpu") -> None:
        super().__init__()
        self.config, self.device = config, torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.networks = config.networks.build().to(self.device)

        self.target = frozen_copy(self.networks)
        moved = list(parameters(*self.networks.perturbation_modules()))
        rest = set(self.networks.parameters()) - set(moved)

        # critics and model
        self.model_optimizer = self._adam([p for p in self.networks.parameters() if p in rest])
        self.perturbation_optimizer = self._adam(moved)

        # latents while learning
        self.generator = torch.Generator(self.device).manual_seed(config.seed)

    def _adam(self, of: list[torch.nn.Parameter]) -> torch.optim.Adam:
        return torch.optim.Adam(of, lr=self.config.learning_rate, fused=True)

    def update(self, batch: LabelledBatch) -> dict[str, Tensor]:
        """Learn from one batch; `check` later says whether all was finite.

        Autoencoder and critics take one step together. With separate encoders this equals a step
        for each; a shared encoder learns from both.
        """
        config, networks = self.config, self.networks
        check_batch(batch, config.networks.channels, (config.networks.heads.actions,))
        batch = batch.to(self.device)

        # (B, F)
        vae_features, q1_features, q2_features = networks.features(
            batch.observations, "vae", "q1", "q2"
        )
        vae_loss = self.vae_loss(vae_features, batch.actions)
        td_target = self.td_target(batch)  # (B,)

        # (B,)
        q1, q2 = networks.q1(q1_features, batch.actions), networks.q2(q2_features, batch.actions)
        critic_loss = mse_loss(q1, td_target) + mse_loss(q2, td_target)
        self.guard.step(
            self.model_optimizer, vae_loss + critic_loss, "the critic and autoencoder loss"
        )
        proposals = self._propose(vae_features, 1)  # (B, A)
        features = networks.perturbation_features(batch.observations, q1_features)  # (B, F)
        actor_loss = -networks.q1(
            q1_features.detach(), networks.perturbation(features, proposals)
        ).mean()
        self.guard.step(self.perturbation_optimizer, actor_loss, "the perturbation loss")
        soft_update(self.target, networks, config.tau)
        self.updates += 1
        metrics = {"critic_loss": critic_loss, "vae_loss": vae_loss, "actor_loss": actor_loss}
        metrics |= {"q": q1.mean(), "td_target": td_target.mean(), "reward": batch.rewards.mean()}
        # 0 if the encoder is dead: it tells no image from another
        metrics["feature_spread"] = q1_features.std(dim=0).mean()

        return {name: value.detach() for name, value in metrics.items()}

    def probe(self, batch: LabelledBatch) -> dict[str, float]:  # noqa: ARG002
        """Return nothing: BCQ's actions stay near the data's."""
        return {}

    def vae_loss(self, features: Tensor, actions: Tensor) -> Tensor:
        """Return mean squared reconstruction error + kl_weight * KL(latent || N(0, 1)), both
        means.
        """
        noise = self._normal(len(actions), self.config.networks.heads.latent)
        returned, mean, log_std = self.networks.vae(features, actions, noise)
        kl = -0.5 * (1 + 2 * log_std - mean.square() - (2 * log_std).exp()).mean()
        loss: Tensor = mse_loss(returned, actions) + self.config.kl_weight * kl

        return loss

    @torch.no_grad()
    def td_target(self, batch: LabelledBatch) -> Tensor:
        """Return r + gamma (1 - terminated) max_a (lambda min Q' + (1 - lambda) max Q')(s', a) over
        proposed actions a.

        A truncated step bootstraps: only the time limit ended it.
        """
        config, target = self.config, self.target
        count, size = config.target_candidates, len(batch.rewards)

        # (B, F): the model has no target copy
        [vae_features] = self.networks.features(batch.next_observations, "vae")
        q1_features, q2_features = target.features(batch.next_observations, "q1", "q2")  # (B, F)
        features = target.perturbation_features(batch.next_observations, q1_features)  # (B, F)
        proposals = self._propose(vae_features, count)  # (B N, A)
        actions = target.perturbation(features.repeat_interleave(count, 0), proposals)  # (B N, A)
        q1 = target.q1(q1_features.repeat_interleave(count, 0), actions)  # (B N,)
        q2 = target.q2(q2_features.repeat_interleave(count, 0), actions)  # (B N,)
        share = config.minimum_share
        values = share * torch.minimum(q1, q2) + (1 - share) * torch.maximum(q1, q2)  # (B N,)
        best = values.view(size, count).max(dim=1).values  # (B,)

        return batch.rewards + batch.discounts(config.gamma) * (~batch.terminated) * best  # (B,)

    @torch.no_grad()
    def _propose(self, features: Tensor, count: int) -> Tensor:
        """Return `count` actions similar to the data's for each state (B count, A).

        They are random, so bfloat16 is exact enough.
        """
        networks = self.config.networks
        clip = networks.heads.latent_clip
        latents = self._normal(len(features) * count, networks.heads.latent).clamp(-clip, clip)
        precision = PRECISIONS[networks.encoder.precision]
        with torch.autocast(self.device.type, precision, enabled=precision is not torch.float32):
            return self.networks.vae.decode(features.repeat_interleave(count, 0), latents).float()

    def _normal(self, rows: int, columns: int) -> Tensor:
        return torch.randn(rows, columns, generator=self.generator, device=self.device)

    @torch.no_grad()
    def greedy(self, observation: Observation) -> Tensor:
        """Return for each state the proposal with the highest value (B, A).

        The proposals are the same at each call.
        """
        rng = np.random.default_rng(0)
        latents = draw_latents(rng, ACTING_CANDIDATES, self.config.networks.heads)

        return best_actions(self.networks, observation.to(self.device), latents.to(self.device))

    # --- saving ---

    def _parts(self) -> dict[str, Part]:
        return {
            "networks": self.networks,
            "target": self.target,
            "model_optimizer": self.model_optimizer,
            "perturbation_optimizer": self.perturbation_optimizer,
            "generator": self.generator,
        }


def draw_latents(rng: np.random.Generator, count: int, heads: BCQHeads) -> Tensor:
    """Draw latents for acting (count, L) float32."""
    clip = heads.latent_clip
    latents = np.clip(rng.standard_normal((count, heads.latent)), -clip, clip)

    return torch.from_numpy(latents.astype(np.float32))


@torch.no_grad()
def choose(networks: BCQNetworks, observation: Observation, latents: Tensor) -> NDArray[np.float32]:
    """Return the action (A,) for a batch of one observation."""
    best = best_actions(networks, observation, latents.to(observation.pixels.device))  # (1, A)
    action: NDArray[np.float32] = best[0].cpu().numpy()
    return action
