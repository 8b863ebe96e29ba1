"""TD3 from images (Fujimoto et al. 2018, Algorithm 1), with the authors' constants
(docs/method.md).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss

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
from wayfarer_policies.algorithms.checkpoint import Part
from wayfarer_policies.algorithms.networks import (
    Actor,
    EncoderConfig,
    Heads,
    SeparateEncoders,
    SharedEncoder,
)

Networks = SharedEncoder | SeparateEncoders

SATURATED = 0.95  # of half the action range: beyond it the slope of tanh is below 0.1
_FAR = 0.08  # [m] along an axis: a nearer goal gives no clear direction
_PROBED_ACTIONS = 16


@dataclass(frozen=True)
class TD3Config:
    """Constants of TD3; the defaults are the authors'."""

    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    heads: Heads = field(default_factory=Heads)
    gamma: float = 0.99
    tau: float = 0.005
    target_noise: float = 0.2  # [half of the action range]
    target_noise_clip: float = 0.5  # [half of the action range]
    policy_delay: int = 2  # critic updates for each actor update
    critic_learning_rate: float = 1e-4  # also of a shared encoder
    actor_learning_rate: float = 1e-4
    # weight of the mean squared action before its tanh; at 0 the actor may saturate
    action_penalty: float = 0.0
    actor_start: int = 0  # critic updates before the first actor update
    seed: int = 0

    def __post_init__(self) -> None:
        within("gamma", self.gamma, 0.0, 1.0)
        within("tau", self.tau, 0.0, 1.0)
        within("target_noise", self.target_noise, 0.0, 10.0)
        within("target_noise_clip", self.target_noise_clip, 0.0, 10.0)
        within("policy_delay", self.policy_delay, 1, 1000)
        within("actor_start", self.actor_start, 0, 10**9)
        within("action_penalty", self.action_penalty, 0.0, 10.0)
        positive("critic_learning_rate", self.critic_learning_rate)
        positive("actor_learning_rate", self.actor_learning_rate)


class TD3(GradientLearner):
    """Twin critics, a delayed actor, smoothed targets."""

    def __init__(
        self,
        config: TD3Config,
        build: Callable[[EncoderConfig, Heads], Networks] = SharedEncoder,
        device: str = "cpu",
    ) -> None:
        """`build` is SharedEncoder (fast) or SeparateEncoders (as in the paper)."""
        super().__init__()
        self.config, self.device = config, torch.device(device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            self.networks = build(config.encoder, config.heads).to(self.device)

        self.target = frozen_copy(self.networks)
        self.critic_optimizer = self._adam(
            self.networks.critic_modules(), config.critic_learning_rate
        )
        self.actor_optimizer = self._adam(self.networks.actor_modules(), config.actor_learning_rate)
        self.generator = torch.Generator(self.device).manual_seed(config.seed)  # target noise

    def _adam(self, modules: list[nn.Module], learning_rate: float) -> torch.optim.Adam:
        return torch.optim.Adam(parameters(*modules), lr=learning_rate, fused=True)

    def update(self, batch: LabelledBatch) -> dict[str, Tensor]:
        """Learn from one batch; `check` later says whether all was finite."""
        check_batch(batch, self.config.encoder.channels, (self.config.heads.actions,))
        batch = batch.to(self.device)
        td_target = self.td_target(batch)  # (B,)

        features = self.networks.critic_features(batch.observations)  # 2 x (B, F)
        q1 = self.networks.q1(features[0], batch.actions)  # (B,)
        q2 = self.networks.q2(features[1], batch.actions)  # (B,)
        critic_loss = mse_loss(q1, td_target) + mse_loss(q2, td_target)
        self.guard.step(self.critic_optimizer, critic_loss, "the critic loss")

        self.updates += 1
        metrics = {"critic_loss": critic_loss, "q": q1.mean(), "td_target": td_target.mean()}

        if self.updates % self.config.policy_delay == 0:
            if self.updates > self.config.actor_start:
                actor_loss = self._actor_loss(batch.observations, features)
                self.guard.step(self.actor_optimizer, actor_loss, "the actor loss")
                metrics["actor_loss"] = actor_loss

            soft_update(self.target, self.networks, self.config.tau)

        return {name: value.detach() for name, value in metrics.items()}

    def _actor_loss(self, observations: Observation, features: tuple[Tensor, Tensor]) -> Tensor:
        """Return -Q1(s, pi(s)) + penalty * (pi's action before its tanh)^2, both means."""
        policy = self.networks.policy
        unbounded = policy.layers(self.networks.actor_features(observations, features))  # (B, A)
        loss: Tensor = -self.networks.q1(features[0].detach(), policy.squash(unbounded)).mean()
        if self.config.action_penalty:
            loss = loss + self.config.action_penalty * unbounded.square().mean()

        return loss

    @torch.no_grad()
    def td_target(self, batch: LabelledBatch) -> Tensor:
        """Return r + gamma^n (1 - terminated) min(Q1', Q2')(s', pi'(s') + clipped noise) for s' n
        steps later.

        A truncated step bootstraps: only the time limit ended it.
        """
        features = self.target.critic_features(batch.next_observations)  # 2 x (B, F)
        policy = self.target.policy
        action = policy(self.target.actor_features(batch.next_observations, features))  # (B, A)
        reach = (policy.high - policy.low) / 2
        noise = (
            torch.randn(action.shape, generator=self.generator, device=self.device)
            * self.config.target_noise
        )
        noise = noise.clamp(-self.config.target_noise_clip, self.config.target_noise_clip) * reach
        action = torch.clamp(action + noise, policy.low, policy.high)  # (B, A)

        # (B,)
        next_q = torch.minimum(
            self.target.q1(features[0], action), self.target.q2(features[1], action)
        )

        # (B,)
        return batch.rewards + batch.discounts(self.config.gamma) * (~batch.terminated) * next_q

    @torch.no_grad()
    def greedy(self, observation: Observation) -> Tensor:
        """Return pi(s, g), (B, A)."""
        actions: Tensor = self.networks.actor()(observation.to(self.device))
        return actions

    @torch.no_grad()
    def probe(self, batch: LabelledBatch) -> dict[str, float]:
        """Return figures that show whether the policy works, on a batch.

        saturated: share of action components beyond 0.95 of their range, where tanh passes hardly
        any gradient. spread: standard deviation of each action component over the batch, mean over
        components [half ranges]. q_spread: standard deviation of Q1 over 16 uniformly random
        actions for one state, mean over states. towards_goal: share of action components whose sign
        points from the end effector to its position in the goal image, for goals more than 8 cm
        away along that axis; only if both positions are known.
        """
        batch = batch.to(self.device)
        seen, policy = batch.observations, self.networks.policy
        features = self.networks.critic_features(seen)  # 2 x (B, F)
        actions = policy(self.networks.actor_features(seen, features))  # (B, A)

        reach, centre = (policy.high - policy.low) / 2, (policy.high + policy.low) / 2
        scaled = (actions - centre) / reach  # (B, A) in -1 .. 1

        size, tried = len(scaled), _PROBED_ACTIONS
        generator = torch.Generator(self.device).manual_seed(self.config.seed)

        # (B 16, A)
        drawn = torch.rand(size * tried, scaled.shape[1], generator=generator, device=self.device)

        # (B 16,)
        values = self.networks.q1(
            features[0].repeat_interleave(tried, 0), policy.low + 2 * reach * drawn
        )

        found = {
            "saturated": float((scaled.abs() > SATURATED).float().mean()),
            "spread": float(scaled.std(dim=0).mean()),
            "q_spread": float(values.view(size, tried).std(dim=1).mean()),
        }

        if seen.goal_ee_positions is not None:
            way = seen.goal_ee_positions - seen.ee_positions  # (B, 3) [m]
            asked = scaled[:, : way.shape[1]]  # (B, 3), without a gripper
            far = way.abs() > _FAR
            if bool(far.any()):
                found["towards_goal"] = float((asked[far].sign() == way[far].sign()).float().mean())

        return found

    def actor(self) -> Actor:
        """Return the policy alone, for the robot (see networks.weights_to_bytes)."""
        return self.networks.actor()

    # --- saving ---

    def _parts(self) -> dict[str, Part]:
        return {
            "networks": self.networks,
            "target": self.target,
            "critic_optimizer": self.critic_optimizer,
            "actor_optimizer": self.actor_optimizer,
            "generator": self.generator,
        }
