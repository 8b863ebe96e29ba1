"""Builds the parts of a method: policies, learners, RND."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from wayfarer_core.errors import ConfigError
from wayfarer_core.options import ActingOptions, ExternalOptions, LearnerOptions, NoveltyOptions
from wayfarer_core.targets import action_size
from wayfarer_serving.client import ExternalPolicy

from wayfarer_policies.acting.learned_policy import LearnedPolicy
from wayfarer_policies.acting.offline_policy import ANY, OfflinePolicy, read_policy
from wayfarer_policies.acting.policy import Policy
from wayfarer_policies.acting.random_policies import CorrelatedPolicy, StillPolicy, UniformPolicy
from wayfarer_policies.algorithms.networks import (
    EncoderConfig,
    Heads,
    SharedEncoder,
    fast_precision,
)
from wayfarer_policies.algorithms.rnd import RND, RNDConfig
from wayfarer_policies.algorithms.td3 import TD3, TD3Config
from wayfarer_policies.exploration.intrinsic import IntrinsicReward
from wayfarer_policies.exploration.learners import Labels, ReplayLearner
from wayfarer_policies.exploration.methods import method
from wayfarer_policies.exploration.relabel import FutureGoals, ImageDistance, Nearness, SameStep

_NOT_FITTED = NoveltyOptions()  # for an RND that is only evaluated: its options do not matter

MakeLabels = Callable[[RND, LearnerOptions], Labels]


def _future_goals(_: RND, options: LearnerOptions) -> Labels:
    reached = ImageDistance(options.reached_distance) if options.reached == "image" else SameStep()
    near = Nearness(options.near_goals, options.near_steps)
    return FutureGoals(options.self_goals, reached, near, options.lookahead)


def _intrinsic_reward(rnd: RND, _: LearnerOptions) -> Labels:
    return IntrinsicReward(rnd)


LABELS: dict[str, MakeLabels] = {
    "future goals": _future_goals,
    "intrinsic reward": _intrinsic_reward,
}


def make_rnd(seed: int, device: str, options: NoveltyOptions = _NOT_FITTED) -> RND:
    """Build RND with the authors' sizes, in the fast precision of this device."""
    config = RNDConfig(
        learning_rate=options.learning_rate,
        batch=options.batch,
        precision=fast_precision(device),
        seed=seed,
        whitening=options.whitening,
    )

    return RND(config, device)


def make_learner(
    name: str, seed: int, device: str, rnd: RND, options: LearnerOptions
) -> ReplayLearner:
    """Build the learner of a method, with the authors' sizes and one shared encoder."""
    chosen = method(name)
    if not chosen.learns:
        raise ConfigError(f"method {name!r} learns nothing")

    with_goals = bool(chosen.goal_choice)
    encoder = EncoderConfig(
        channels=6 if with_goals else 3,
        ee_position=options.ee_position,
        goal_ee_position=options.goal_ee_position and with_goals,
        box_low=options.workspace_min,
        box_high=options.workspace_max,
        layer_norm=options.layer_norm,
        precision=fast_precision(device),
    )
    actions = action_size(options.gripper_width)
    config = TD3Config(
        encoder=encoder,
        heads=Heads((-1.0,) * actions, (1.0,) * actions),
        tau=options.tau,
        critic_learning_rate=options.critic_learning_rate,
        actor_learning_rate=options.actor_learning_rate,
        action_penalty=options.action_penalty,
        actor_start=options.actor_start,
        seed=seed,
    )
    algorithm = TD3(config, SharedEncoder, device)
    labels = LABELS[chosen.labels](rnd, options)

    return ReplayLearner(algorithm, labels, seed=seed, updates_per_step=options.updates_per_step)


@dataclass(frozen=True)
class Making:
    """What a policy can be made from."""

    options: ActingOptions  # for learned policies
    checkpoint: str = "none"  # file of a policy learned offline
    sha256: str = ANY  # digest of that file
    device: str = "cpu"
    # for a policy in another process
    external: ExternalOptions = field(default_factory=ExternalOptions)
    size: int = 3  # how many numbers an action has


POLICIES: dict[str, Callable[[Making], Policy]] = {
    "random": lambda told: UniformPolicy(told.size),
    "random-correlated": lambda told: CorrelatedPolicy(told.size),
    "still": lambda told: StillPolicy(told.size),
    "learned": lambda told: LearnedPolicy(told.options, told.device, told.size),
    "offline": lambda told: OfflinePolicy(
        read_policy(Path(told.checkpoint), told.sha256), told.size
    ),
    "external": lambda told: ExternalPolicy(told.external, told.size),
}


def make_policy(name: str, told: Making) -> Policy:
    """Return a policy by its name.

    ConfigError lists the names; DataError if the checkpoint is no policy.
    """
    if name not in POLICIES:
        raise ConfigError(f"policy {name!r}: choose from {', '.join(POLICIES)}")
    return POLICIES[name](told)
