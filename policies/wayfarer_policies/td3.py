"""TD3 from images (Fujimoto et al. 2018, Algorithm 1), with the authors' constants (FACTS.md)."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import mse_loss

from wayfarer_policies import checkpoint
from wayfarer_policies.algorithm import (
    LabelledBatch,
    Pixels,
    check_batch,
    follow,
    frozen_copy,
    guarded_step,
    one_observation,
    parameters,
    positive,
    within,
)
from wayfarer_policies.checkpoint import Part, State
from wayfarer_policies.networks import Actor, EncoderConfig, Heads, SeparateEncoders, SharedEncoder
from wayfarer_policies.schedules import GaussianNoise

Networks = SharedEncoder | SeparateEncoders


@dataclass(frozen=True)
class TD3Config:
    """Constants of TD3; the defaults are the authors'."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    heads: Heads = field(default_factory=Heads)
    noise: GaussianNoise = field(default_factory=GaussianNoise)
    gamma: float = 0.99
    tau: float = 0.005
    target_noise: float = 0.2  # [half of the action range]
    target_noise_clip: float = 0.5  # [half of the action range]
    policy_delay: int = 2  # critic updates for each of the actor
    learning_rate: float = 1e-4
    seed: int = 0

    def __post_init__(self) -> None:
        within("gamma", self.gamma, 0.0, 1.0)
        within("tau", self.tau, 0.0, 1.0)
        within("target_noise", self.target_noise, 0.0, 10.0)
        within("target_noise_clip", self.target_noise_clip, 0.0, 10.0)
        within("policy_delay", self.policy_delay, 1, 1000)
        positive("learning_rate", self.learning_rate)


class TD3:
    """Twin critics, a delayed actor, smoothed targets."""

    def __init__(
        self,
        config: TD3Config,
        build: Callable[[EncoderConfig, Heads], Networks] = SharedEncoder,
        device: str = "cpu",
    ) -> None:
        """`build` is SharedEncoder (fast) or SeparateEncoders (as the paper)."""
        self.config, self.device = config, torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.networks = build(config.encoder, config.heads).to(self.device)
        self.target = frozen_copy(self.networks)
        self.critic_optimizer = self._adam(self.networks.critic_modules())
        self.actor_optimizer = self._adam(self.networks.actor_modules())
        self.generator = torch.Generator(self.device).manual_seed(config.seed)  # target noise
        self.rng = np.random.default_rng(config.seed)  # exploration noise
        self.updates = 0
        self.noise_step = 0  # explored steps so far; where the noise schedule stands

    def _adam(self, modules: list[nn.Module]) -> torch.optim.Adam:
        return torch.optim.Adam(parameters(*modules), lr=self.config.learning_rate, fused=True)

    def update(self, batch: LabelledBatch) -> dict[str, float]:
        """Learn from one batch. LearningError before any weight moves if a loss or gradient is not finite."""
        check_batch(batch, self.config.encoder.channels, (len(self.config.heads.action_low),))
        batch = batch.to(self.device)
        features = self.networks.critic_features(batch.observations)  # 2 x (B, F)
        q1, q2 = self.networks.q1(features[0], batch.actions), self.networks.q2(features[1], batch.actions)  # (B,)
        td_target = self.td_target(batch)  # (B,)
        critic_loss = mse_loss(q1, td_target) + mse_loss(q2, td_target)
        guarded_step(self.critic_optimizer, critic_loss, "the critic loss")
        self.updates += 1
        metrics = {"critic_loss": critic_loss, "q": q1.mean(), "td_target": td_target.mean()}
        if self.updates % self.config.policy_delay == 0:
            actor_features = self.networks.actor_features(batch.observations, features)  # (B, F)
            actor_loss = -self.networks.q1(features[0].detach(), self.networks.policy(actor_features)).mean()
            guarded_step(self.actor_optimizer, actor_loss, "the actor loss")
            follow(self.target, self.networks, self.config.tau)
            metrics["actor_loss"] = actor_loss
        return {name: float(value.detach()) for name, value in metrics.items()}

    @torch.no_grad()
    def td_target(self, batch: LabelledBatch) -> Tensor:
        """Return r + gamma (1 - terminated) min(Q1', Q2')(s', pi'(s') + clipped noise); a truncated step bootstraps."""
        features = self.target.critic_features(batch.next_observations)  # 2 x (B, F)
        policy = self.target.policy
        action = policy(self.target.actor_features(batch.next_observations, features))  # (B, A)
        reach = (policy.high - policy.low) / 2
        noise = torch.randn(action.shape, generator=self.generator, device=self.device) * self.config.target_noise
        noise = noise.clamp(-self.config.target_noise_clip, self.config.target_noise_clip) * reach
        action = torch.clamp(action + noise, policy.low, policy.high)  # (B, A)
        next_q = torch.minimum(self.target.q1(features[0], action), self.target.q2(features[1], action))  # (B,)
        return batch.rewards + self.config.gamma * (~batch.terminated) * next_q  # (B,)

    @torch.no_grad()
    def act(
        self, image: Pixels, goal: Pixels | None, ee_position: NDArray[np.float32], explore: bool
    ) -> NDArray[np.float32]:
        """Choose an action (A,) within its bounds for images (C, H, W) uint8."""
        observation = one_observation(image, goal, ee_position, self.config.encoder.channels).to(self.device)
        actor = self.networks.actor()
        action: NDArray[np.float32] = actor(observation)[0].cpu().numpy()  # (A,)
        if not explore:
            return action
        self.noise_step += 1
        return self.config.noise(action, self.action_bounds, self.noise_step - 1, self.rng)

    @property
    def action_bounds(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Lowest and highest action, each (A,)."""
        return self.networks.policy.low.cpu().numpy(), self.networks.policy.high.cpu().numpy()

    def actor(self) -> Actor:
        """Return the policy alone, as it is sent to the robot (see networks.weights_to_bytes)."""
        return self.networks.actor()

    # --- saving ---

    def _parts(self) -> dict[str, Part]:
        return {
            "networks": self.networks,
            "target": self.target,
            "critic_optimizer": self.critic_optimizer,
            "actor_optimizer": self.actor_optimizer,
            "generator": self.generator,
            "rng": self.rng,
        }

    def state(self) -> State:
        """Return networks, targets, optimisers, counts and generators."""
        return checkpoint.save(self._parts(), updates=self.updates, noise_step=self.noise_step)

    def restore(self, state: State) -> None:
        """Continue from a state; DataError if it belongs to other shapes, and nothing is changed then."""
        counts = checkpoint.restore(self._parts(), state, "TD3", "updates", "noise_step")
        self.updates, self.noise_step = counts
