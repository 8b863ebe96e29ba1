"""What acts: answers observations with actions. The actor node runs any of these without knowing which."""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from wayfarer_common.errors import ConfigError

from wayfarer_policies.algorithm import one_observation
from wayfarer_policies.networks import Actor
from wayfarer_policies.offline_policy import ANY, OfflinePolicy, read_policy
from wayfarer_policies.random_policies import CorrelatedPolicy, UniformPolicy
from wayfarer_policies.schedules import PAPER_NOISE, GaussianNoise

Image = NDArray[np.uint8]  # (84, 84, 3) RGB
Action = NDArray[np.float32]  # (3,) in [-1, 1]

RANDOM_STEPS = 1_000  # steps of a run that are uniformly random, before the policy takes over (FACTS.md)


class Policy(Protocol):
    """One instance lives through many episodes."""

    @property
    def version(self) -> int:
        """Version of the weights that act; 0 where there are none."""

    def begin_episode(self, rng: np.random.Generator, goal: Image | None, explore: bool, first_step: int) -> None:
        """Forget the last episode; all randomness of the next one comes from `rng`.

        `first_step` is the number of steps collected before: it tells where the exploration noise stands.
        """

    def act(self, image: Image, ee_position: NDArray[np.float64]) -> Action:
        """Return the action for one observation; the end effector's position is in metres, base frame (3,)."""


class LearnedPolicy:
    """The learner's policy with exploration noise; uniform until there are weights and for a run's first steps."""

    def __init__(self, noise: GaussianNoise, random_steps: int) -> None:
        self._noise, self._random_steps = noise, random_steps
        self._actor: Actor | None = None
        self._next: tuple[Actor, int] | None = None
        self._version = 0

    @property
    def version(self) -> int:
        """Version of the weights that act in this episode."""
        return self._version

    def offer(self, actor: Actor, version: int) -> None:
        """Take new weights; they act from the next episode on."""
        self._next = (actor, version)

    def begin_episode(self, rng: np.random.Generator, goal: Image | None, explore: bool, first_step: int) -> None:
        """Swap in the newest weights."""
        if self._next is not None:
            self._actor, self._version = self._next
        self._rng, self._explore, self._step = rng, explore, first_step
        self._goal = None if goal is None else _channels_first(goal)

    def act(self, image: Image, ee_position: NDArray[np.float64]) -> Action:
        """Return pi(s, g), with the noise of this step when exploring."""
        step, self._step = self._step, self._step + 1
        if self._actor is None or (self._explore and step < self._random_steps):
            return self._rng.uniform(-1.0, 1.0, 3).astype(np.float32)
        channels = self._actor.encoder.config.channels
        seen = one_observation(_channels_first(image), self._goal, ee_position.astype(np.float32), channels)
        with torch.no_grad():
            action: Action = self._actor(seen)[0].numpy()  # (3,)
        if not self._explore:
            return action
        low, high = self._actor.head.low.numpy(), self._actor.head.high.numpy()
        return self._noise(action, (low, high), step, self._rng)


def _channels_first(image: Image) -> NDArray[np.uint8]:
    return np.ascontiguousarray(image.transpose(2, 0, 1))


def make_policy(
    name: str,
    noise: GaussianNoise | None = None,
    random_steps: int = RANDOM_STEPS,
    checkpoint: str = "none",
    sha256: str = ANY,
) -> Policy:
    """Return a policy by its name.

    Noise (default: the paper's) and random steps are for those that learn; `checkpoint` is the file of the one learned
    offline, and `sha256` what it must be. DataError where that file is not one.
    """
    makers: dict[str, Callable[[], Policy]] = {
        "random": UniformPolicy,
        "random-correlated": CorrelatedPolicy,
        "learned": lambda: LearnedPolicy(noise or GaussianNoise(PAPER_NOISE), random_steps),
        "offline": lambda: OfflinePolicy(read_policy(Path(checkpoint), sha256)),
    }
    if name not in makers:
        raise ConfigError(f"policy {name!r}: choose from {', '.join(makers)}")
    return makers[name]()
