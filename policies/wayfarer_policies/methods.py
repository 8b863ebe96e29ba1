"""The methods of the paper as choices of parts: who acts, which goal, where the reward comes from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wayfarer_common.errors import ConfigError

from wayfarer_policies.intrinsic import IntrinsicReward
from wayfarer_policies.learners import Labels, ReplayLearner
from wayfarer_policies.networks import EncoderConfig, SharedEncoder, fast_precision
from wayfarer_policies.relabel import FutureGoals
from wayfarer_policies.rnd import RND, RNDConfig
from wayfarer_policies.td3 import TD3, TD3Config

THREADS = "torch's threads; actor, learner and novelty use one number, for it decides the last bits"


@dataclass(frozen=True)
class Method:
    """What a method is made of."""

    policy: str  # of policy.POLICIES
    goal_choice: str = ""  # of goals.CHOICES; "": no goals
    labels: Callable[[RND], Labels] | None = None  # where the learner's rewards come from; None: nothing is learned
    explores: bool = True  # whether it acts to gather data, or as well as it can

    @property
    def learns(self) -> bool:
        """Whether a learner and a novelty belong to it."""
        return self.labels is not None


def _future_goals(_: RND) -> Labels:
    return FutureGoals()


METHODS = {
    "goal": Method("learned", "max", _future_goals),
    "goal-random": Method("learned", "random", _future_goals),
    "goal-min": Method("learned", "min", _future_goals),
    "rnd": Method("learned", "", IntrinsicReward),
    "random": Method("random"),
    "random-correlated": Method("random-correlated"),
    "offline": Method("offline", explores=False),
}


def method(name: str) -> Method:
    """Look a method up by its name; ConfigError lists them."""
    if name not in METHODS:
        raise ConfigError(f"method {name!r}: choose from {', '.join(METHODS)}")
    return METHODS[name]


def make_rnd(seed: int, device: str) -> RND:
    """Build RND at the authors' sizes, in the precision that is fast here."""
    return RND(RNDConfig(seed=seed, precision=fast_precision(device)), device)


def make_learner(name: str, seed: int, device: str, rnd: RND) -> ReplayLearner:
    """Build the learner of a method that learns, at the authors' sizes with one shared encoder."""
    chosen = method(name)
    if chosen.labels is None:
        raise ConfigError(f"method {name!r} learns nothing")
    encoder = EncoderConfig(channels=6 if chosen.goal_choice else 3, precision=fast_precision(device))
    algorithm = TD3(TD3Config(encoder=encoder, seed=seed), SharedEncoder, device)
    return ReplayLearner(algorithm, chosen.labels(rnd), seed=seed)


def checkpoint_folder(run: Path) -> Path:
    """Return where a run's learned state lies."""
    return run / "checkpoints"
