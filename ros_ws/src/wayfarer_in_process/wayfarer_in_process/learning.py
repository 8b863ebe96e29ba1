"""Store, Learner and Novelty of Algorithm 1 for a run in this process, assembled for a method."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wayfarer_core.errors import ConfigError
from wayfarer_core.targets import action_size
from wayfarer_data.cache.buffer import RunBuffer
from wayfarer_data.cache.sampling import Images
from wayfarer_policies.acting.learned_policy import LearnedPolicy
from wayfarer_policies.acting.policy import Policy
from wayfarer_policies.algorithms.networks import (
    compute_device,
    weights_from_bytes,
    weights_to_bytes,
)
from wayfarer_policies.algorithms.td3 import TD3
from wayfarer_policies.exploration.algorithm_1 import CountedStore, EpisodeStore, Learner, Novelty
from wayfarer_policies.exploration.goals import (
    CheckpointedNovelty,
    FitOnly,
    Goal,
    ImageNovelty,
    NoNovelty,
    choice,
)
from wayfarer_policies.exploration.learners import Checkpointed, NoLearner
from wayfarer_policies.exploration.making import Making, make_learner, make_policy, make_rnd
from wayfarer_policies.exploration.methods import learner_file, method, novelty_file
from wayfarer_policies.exploration.threads import computing_threads

from wayfarer_in_process.config import Configuration


class RunStore:
    """The run's replay buffer; it is updated when an episode is added."""

    def __init__(self, run: Path, finished: int, device: str) -> None:
        self._buffer = RunBuffer(run, device)
        self.episodes = finished
        self.replay = self._buffer.open()

    def add(self, episode: Any, /) -> None:
        """Add the closed file."""
        del episode
        self.replay = self._buffer.open()
        self.episodes += 1

    def last(self, episodes: int, /) -> Images:
        """Return the images of the last episodes."""
        return self.replay.last(episodes)


class RunLearner:
    """The learner on the run's buffer.

    It gives each new actor to the policy, which uses it from the next episode on.
    """

    def __init__(
        self,
        learner: Checkpointed,
        policy: LearnedPolicy,
        tell: Callable[[int], None],
        threads: int,
    ) -> None:
        """`tell` gets the number of updates, and may raise."""
        self._learner, self._policy, self._tell = learner, policy, tell
        self._threads = threads  # of torch
        # make_learner builds only TD3
        self._algorithm: TD3 = learner.learner.algorithm  # type: ignore[assignment]
        if self.episodes_learned:
            self._offer()

    @property
    def episodes_learned(self) -> int:
        """Number of updates made for this run."""
        return self._learner.episodes_learned

    def update(self, store: RunStore, steps: int) -> dict[str, float]:
        """Learn, save, and offer the new weights."""
        with computing_threads(self._threads):
            metrics = self._learner.update(store.replay, steps, progress=self._tell)

        self._offer()
        return metrics

    def _offer(self) -> None:
        self._policy.offer(
            weights_from_bytes(*weights_to_bytes(self._algorithm.actor())), self.episodes_learned
        )


class RunNovelty:
    """The novelty on the run's buffer."""

    def __init__(self, novelty: CheckpointedNovelty, threads: int) -> None:
        self._novelty = novelty
        self._threads = threads  # of torch

    @property
    def cycles_fitted(self) -> int:
        """Number of fits so far."""
        return self._novelty.cycles_fitted

    def select_goal(self, store: RunStore) -> Goal | None:
        """Choose the next goal."""
        with computing_threads(self._threads):
            return self._novelty.select_goal(store.replay)

    def fit(self, images: Images, epochs: int) -> dict[str, float]:
        """Fit and save."""
        with computing_threads(self._threads):
            return self._novelty.fit(images, epochs)


@dataclass(frozen=True)
class Parts:
    """The parts of a method, ready to explore with."""

    policy: Policy
    store: EpisodeStore[Any, Any]
    learner: Learner[Any]
    novelty: Novelty[Any, Any, Any]


def make_parts(
    configuration: Configuration, run: Path, finished: int, tell: Callable[[int], None]
) -> Parts:
    """Build the parts of the configured method, in the state after `finished` episodes of a run."""
    actor, chosen = configuration.actor, method(configuration.collector.method)
    told = Making(
        actor,
        actor.checkpoint,
        actor.checkpoint_sha256,
        compute_device(actor.device),
        external=actor,
        size=action_size(actor.gripper_width),
    )
    policy = make_policy(chosen.policy, told)
    if not chosen.learns:
        return Parts(policy, CountedStore(finished), NoLearner(), NoNovelty())
    if not isinstance(policy, LearnedPolicy):
        raise ConfigError(
            f"method {configuration.collector.method!r} learns, but its policy takes no weights"
        )

    novelty = RunNovelty(
        CheckpointedNovelty(_chooser(configuration), novelty_file(run)),
        configuration.novelty.threads,
    )
    learner = _learner(configuration, run, policy, tell)
    store = RunStore(run, finished, compute_device(configuration.learner.device))

    return Parts(policy, store, learner, novelty)


def _chooser(configuration: Configuration) -> ImageNovelty:
    plan = configuration.collector
    own = configuration.novelty
    rnd = make_rnd(own.seed, compute_device(own.device), own)
    goal_choice = method(plan.method).goal_choice
    if not goal_choice:
        return FitOnly(rnd)

    candidates = plan.candidates or plan.episodes_per_cycle * plan.steps  # |R'| = M T

    return ImageNovelty(rnd, choice(goal_choice, own.top_share), candidates, plan.seed)


def _learner(
    configuration: Configuration, run: Path, policy: LearnedPolicy, tell: Callable[[int], None]
) -> RunLearner:
    own = configuration.learner
    device = compute_device(own.device)
    rnd = make_rnd(own.seed, device)
    learner = make_learner(own.method, own.seed, device, rnd, own)
    saved = Checkpointed(learner, learner_file(run), rnd, novelty_file(run))

    return RunLearner(saved, policy, tell, own.threads)
