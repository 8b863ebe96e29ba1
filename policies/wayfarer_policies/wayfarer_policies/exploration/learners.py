"""The Learner of Algorithm 1, in process.

It draws batches, labels them, and updates an algorithm.
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
# updates between two checks that all is finite: each check waits for the device
_CHECK_EVERY = 50
_PROBE = 256  # observations for the probe of the policy


class Labels(Protocol):
    """Gives batches goals and rewards: relabel.FutureGoals or intrinsic.IntrinsicReward."""

    def prepare(self, store: Replay) -> None:
        """See the newest episode before its updates begin."""

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

        `progress` gets the number of updates so far. LearningError if an update was not finite.
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
        """Probe the policy on a batch of its own; this does not change the learner's random
        numbers.
        """
        rng = np.random.default_rng([_PROBE, self.episodes_learned])
        return self.algorithm.probe(self.labels.label(store.sample(_PROBE, rng), store, rng))

    def state(self) -> State:
        """Return the state of the algorithm, the labels and the random generator."""
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
        """Continue from a state; DataError if it belongs to another algorithm."""
        self.algorithm.restore(state.part("algorithm"))
        self.labels.restore(state.part("labels"))
        checkpoint.restore_rng(self.rng, state.part("rng"))
        self.episodes_learned = int(state.part("self").value("episodes_learned"))


class NoLearner:
    """Learns nothing: for the method `random`."""

    episodes_learned = 0

    def update(self, store: Replay, steps: int) -> dict[str, float]:  # noqa: ARG002
        """Count the episode."""
        self.episodes_learned += 1
        return {}


class Checkpointed:
    """A learner that is saved after each episode, and continues from its file."""

    def __init__(
        self,
        learner: ReplayLearner,
        path: Path,
        rnd: RND | None = None,
        rnd_file: Path | None = None,
    ) -> None:
        """`rnd` is the network that the labels use.

        If the novelty has saved its file, `rnd` is loaded from it before each update.
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
