"""The choice of the next goal among stored images: the Novelty of Algorithm 1, in process.

Methods differ only in `choose`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_data.cache.sampling import Images, Replay

from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.checkpoint import State
from wayfarer_policies.algorithms.rnd import RND

# novelties (B,) -> index of the goal
Choose = Callable[[NDArray[np.float32], np.random.Generator], int]


@dataclass(frozen=True)
class Goal:
    """A stored image as a goal."""

    image: NDArray[np.uint8]  # (C, H, W)
    ee_position: NDArray[np.float64]  # (3,) [m], base frame: the end effector's, in that image
    episode: int
    step: int
    novelty: float

    @property
    def name(self) -> str:
        """Name of the image's episode and step, as episodes record it."""
        return f"{self.episode}/{self.step}"


def most_novel(novelties: NDArray[np.float32], rng: np.random.Generator) -> int:  # noqa: ARG001
    """Return the index of the most novel image: the method `goal`."""
    return int(np.argmax(novelties))


def among_most_novel(share: float, novelties: NDArray[np.float32], rng: np.random.Generator) -> int:
    """Draw the index of one of the most novel images, uniformly from that share of all."""
    count = max(1, round(share * len(novelties)))
    return int(rng.choice(np.argsort(novelties, kind="stable")[-count:]))


def least_novel(novelties: NDArray[np.float32], rng: np.random.Generator) -> int:  # noqa: ARG001
    """Return the index of the least novel image: the ablation `goal-min`."""
    return int(np.argmin(novelties))


def any_one(novelties: NDArray[np.float32], rng: np.random.Generator) -> int:
    """Return a random index: the ablation `goal-random`."""
    return int(rng.integers(len(novelties)))


# names in novelty/select_goal
CHOICES: dict[str, Choose] = {"max": most_novel, "random": any_one, "min": least_novel}


def choice(name: str, top_share: float = 0.0) -> Choose:
    """Return the choice of that name; ConfigError lists the names.

    `max` with a share draws from the most novel images.
    """
    if name not in CHOICES:
        raise ConfigError(f"goal choice {name!r}: choose from {sorted(CHOICES)}")
    return (
        partial(among_most_novel, top_share) if name == "max" and top_share > 0.0 else CHOICES[name]
    )


def select(rnd: RND, candidates: Images, choose: Choose, rng: np.random.Generator) -> Goal:
    """Choose a goal from candidate images R'."""
    novelties = rnd.novelty(candidates.frames)  # (B,)
    if not np.isfinite(novelties).all():
        raise DataError("a novelty is not finite: the RND weights are damaged")

    place = choose(novelties, rng)

    return Goal(
        image=np.array(candidates.frames[place]),
        ee_position=np.array(candidates.ee_positions[place], np.float64),
        episode=int(candidates.episodes[place]),
        step=int(candidates.steps[place]),
        novelty=float(novelties[place]),
    )


class ImageNovelty:
    """RND on the store's images.

    Goals by `choose` from |R'| = `candidates` images drawn at random.
    """

    def __init__(self, rnd: RND, choose: Choose, candidates: int, seed: int) -> None:
        """Draws depend only on the seed and the number of stored episodes, so a restart repeats
        them.
        """
        if candidates < 1:
            raise ConfigError(f"candidates is {candidates}: it must be at least 1")
        self.rnd, self.choose, self.candidates, self.seed = rnd, choose, candidates, seed

    @property
    def cycles_fitted(self) -> int:
        """Number of fits so far."""
        return self.rnd.fits

    def select_goal(self, store: Replay) -> Goal | None:
        """Choose the next goal; None before the first episode."""
        if store.transitions == 0:
            return None

        if self.rnd.config.whitening == "episodes":
            news = store.images_after(self.rnd.seen_until)
            if len(news.frames):
                self.rnd.see(news.frames, news.episodes)

        rng = np.random.default_rng([self.seed, store.episodes])

        return select(self.rnd, store.sample_images(self.candidates, rng), self.choose, rng)

    def fit(self, images: Images, epochs: int) -> dict[str, float]:
        """Fit the predictor to recent images."""
        self.rnd.see(images.frames, images.episodes)
        losses = self.rnd.fit(images.frames, epochs)
        return {"rnd_loss_first": losses[0], "rnd_loss_last": losses[-1]}

    def state(self) -> State:
        """Return the RND's state."""
        return self.rnd.state()

    def restore(self, state: State) -> None:
        """Continue from a state."""
        self.rnd.restore(state)


class FitOnly(ImageNovelty):
    """RND without goals: for the method `rnd`, whose reward is the novelty."""

    def __init__(self, rnd: RND) -> None:
        super().__init__(rnd, most_novel, candidates=1, seed=0)

    def select_goal(self, store: Replay) -> None:
        """Return None: there are no goals."""


class NoNovelty:
    """Neither goals nor novelty: for the method `random`."""

    cycles_fitted = 0

    def select_goal(self, store: Replay) -> None:
        """Return None: there are no goals."""

    def fit(self, images: Images, epochs: int) -> dict[str, float]:  # noqa: ARG002
        """Do nothing."""
        self.cycles_fitted += 1
        return {}


class CheckpointedNovelty:
    """A novelty that is saved after each fit, and continues from its file."""

    def __init__(self, novelty: ImageNovelty, path: Path) -> None:
        self.novelty, self.path = novelty, path
        if path.exists():
            novelty.restore(checkpoint.read(path, "novelty"))

    @property
    def cycles_fitted(self) -> int:
        """Number of fits so far."""
        return self.novelty.cycles_fitted

    def select_goal(self, store: Replay) -> Goal | None:
        """Choose the next goal."""
        return self.novelty.select_goal(store)

    def fit(self, images: Images, epochs: int) -> dict[str, float]:
        """Fit and save."""
        metrics = self.novelty.fit(images, epochs)
        checkpoint.write(self.path, "novelty", self.novelty.state())
        return metrics
