"""The Learner of Algorithm 1, in process.

An algorithm, the labels it learns from, and the batches it draws.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from wayfarer_core.errors import ConfigError
from wayfarer_data.cache.sampling import Batch, Replay

from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import Algorithm, LabelledBatch, positive
from wayfarer_policies.algorithms.checkpoint import State
from wayfarer_policies.algorithms.rnd import RND

BATCH = 100  # the authors' batch size
# updates between two looks at whether all is finite: each look waits for the device
_CHECK_EVERY = 50
_PROBE = 256  # observations that the policy is looked at with


class Labels(Protocol):
    """Where rewards and goals come from: relabel.FutureGoals or intrinsic.IntrinsicReward."""

    def prepare(self, store: Replay) -> None:
        """Look at the newest episode before its updates begin."""

    def label(self, batch: Batch, store: Replay, rng: np.random.Generator) -> LabelledBatch:
        """Give a batch goals and rewards."""

    def state(self) -> State:
        """Return everything that is needed to continue bit for bit."""

    def restore(self, state: State) -> None:
        """Continue from a state."""


class ReplayLearner:
    """T updates after each episode, on batches drawn uniformly from the whole replay buffer."""

    def __init__(
        self,
        algorithm: Algorithm,
        labels: Labels,
        batch_size: int = BATCH,
        seed: int = 0,
        updates_per_step: float = 1.0,
    ) -> None:
        if batch_size < 1:
            raise ConfigError(f"batch_size is {batch_size}: it must be at least 1")

        positive("updates_per_step", updates_per_step)
        self.algorithm, self.labels, self.batch_size = algorithm, labels, batch_size
        self.updates_per_step = updates_per_step
        self.rng = np.random.default_rng(seed)
        self.episodes_learned = 0

    def update(
        self, store: Replay, steps: int, progress: Callable[[int], None] = lambda _: None
    ) -> dict[str, float]:
        """Make updates for `steps` steps of the robot.

        Return the means of their metrics, and a probe of the policy.

        `progress` hears the number made so far. LearningError where an update was not finite.
        """
        collected: dict[str, list[Tensor]] = {}
        self.labels.prepare(store)
        updates = max(1, round(steps * self.updates_per_step))

        for update in range(updates):
            batch = store.sample(self.batch_size, self.rng)
            metrics = self.algorithm.update(self.labels.label(batch, store, self.rng))
            for name, value in metrics.items():
                collected.setdefault(name, []).append(value)

            if update % _CHECK_EVERY == 0:
                self.algorithm.check()

            progress(update + 1)

        self.algorithm.check()

        self.episodes_learned += 1
        means = {
            name: float(torch.stack(values).double().mean()) for name, values in collected.items()
        }

        return means | {f"policy/{name}": value for name, value in self._probe(store).items()}

    def _probe(self, store: Replay) -> dict[str, float]:
        """Look at the policy on a batch of its own, whose draw changes nothing of what is
        learned.
        """
        rng = np.random.default_rng([_PROBE, self.episodes_learned])
        return self.algorithm.probe(self.labels.label(store.sample(_PROBE, rng), store, rng))

    def state(self) -> State:
        """Return the algorithm's, the labels' and the draws' state."""
        own = State({}, {"episodes_learned": self.episodes_learned})

        return State.join(
            {
                "algorithm": self.algorithm.state(),
                "labels": self.labels.state(),
                "rng": checkpoint.rng_state(self.rng),
                "self": own,
            }
        )

    def restore(self, state: State) -> None:
        """Continue from a state; DataError if it is another algorithm's."""
        self.algorithm.restore(state.part("algorithm"))
        self.labels.restore(state.part("labels"))
        checkpoint.restore_rng(self.rng, state.part("rng"))
        self.episodes_learned = int(state.part("self").value("episodes_learned"))


class NoLearner:
    """The method `random` learns nothing."""

    episodes_learned = 0

    def update(self, store: Replay, steps: int) -> dict[str, float]:  # noqa: ARG002
        """Count the episode."""
        self.episodes_learned += 1
        return {}


class Checkpointed:
    """A learner that is on disk whenever it has learned, and continues from there."""

    def __init__(
        self,
        learner: ReplayLearner,
        path: Path,
        rnd: RND | None = None,
        rnd_file: Path | None = None,
    ) -> None:
        """`rnd` is what its labels ask.

        Before each update it becomes the novelty's, if that has left its file.
        """
        self.learner, self.path = learner, path
        self._rnd, self._rnd_file = rnd, rnd_file

        if path.exists():
            learner.restore(checkpoint.read(path, "learner"))

    @property
    def episodes_learned(self) -> int:
        """Number of updates made for this run."""
        return self.learner.episodes_learned

    def update(self, store: Replay, steps: int, **options: Any) -> dict[str, float]:
        """Learn and save."""
        if self._rnd is not None and self._rnd_file is not None and self._rnd_file.exists():
            self._rnd.restore(checkpoint.read(self._rnd_file, "novelty"))

        metrics = self.learner.update(store, steps, **options)
        checkpoint.write(self.path, "learner", self.learner.state())

        return metrics
