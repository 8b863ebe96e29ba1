"""The toy experiment (docs/method.md, Figures 2 and 3).

It counts the states that five strategies visit, in one process.

The caller gives the world (any DiscreteWorld); Algorithm 1 is `exploration.explore`, the learner
double DQN.
"""

import csv
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.episode import End
from wayfarer_core.atomic import write_table
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_data.cache.frames import FrameCache, Trajectory
from wayfarer_data.cache.sampling import Replay
from wayfarer_policies.acting.schedules import LinearSchedule
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import GoalPixels, one_observation, within
from wayfarer_policies.algorithms.ddqn import DDQN, DDQNConfig
from wayfarer_policies.algorithms.networks import EncoderConfig, fast_precision
from wayfarer_policies.algorithms.rnd import RND, RNDConfig
from wayfarer_policies.exploration.algorithm_1 import Schedule, explore
from wayfarer_policies.exploration.goals import CHOICES, FitOnly, Goal, ImageNovelty, NoNovelty
from wayfarer_policies.exploration.intrinsic import IntrinsicReward
from wayfarer_policies.exploration.learners import NoLearner, ReplayLearner
from wayfarer_policies.exploration.relabel import FutureGoals, ImageDistance, Nearness

GOAL_CHOICES = {"goal": "max", "goal-random": "random", "goal-min": "min"}
STRATEGIES = ("goal", "goal-random", "goal-min", "rnd", "random")


class DiscreteWorld(Protocol):
    """A world with a few discrete actions and countable states."""

    @property
    def actions(self) -> int:
        """Number of actions."""

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of an image."""

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Number of values of each part of the state."""

    @property
    def state(self) -> tuple[int, ...]:
        """The present state: for counting, never an input of a policy."""

    def reset(self) -> NDArray[np.uint8]:
        """Start an episode and return the image (C, H, W)."""

    def step(self, action: int) -> NDArray[np.uint8]:
        """Act and return the image (C, H, W)."""

    def render(self, state: Sequence[int]) -> NDArray[np.uint8]:
        """Return the image of a state (C, H, W)."""


@dataclass(frozen=True)
class ToyConfig:
    """Sizes of the experiment; the schedule of docs/method.md, scaled to the available time."""

    schedule: Schedule
    filters: tuple[int, int, int] = (32, 64, 64)
    features: int = 256
    rnd_features: int = 512
    batch: int = 100
    learning_rate: float = 1e-4
    rnd_learning_rate: float = 1e-4
    rnd_batch: int = 500
    gamma: float = 0.99
    tau: float = 0.005
    epsilon: LinearSchedule = LinearSchedule(1.0, 0.1, 30_000)  # noqa: RUF009 - immutable
    random_episodes: int = 1  # episodes of random actions before the policy acts
    after_arrival: str = "continue"  # or "play": random actions from the goal to the episode's end
    layer_norm: bool = False  # as in networks.EncoderConfig
    near_goals: float = 0.0  # share of goals that are near in time
    near_steps: float = 5.0  # their mean distance
    lookahead: int = 1  # n of n-step returns

    def __post_init__(self) -> None:
        within("random_episodes", self.random_episodes, 0, self.schedule.episodes)
        within("batch", self.batch, 1, 10**5)
        if self.after_arrival not in ("continue", "play"):
            raise ConfigError(f"after_arrival {self.after_arrival!r}: choose from continue, play")

    def to_plain(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {**asdict(self), "filters": list(self.filters)}

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Self:
        """Return the object from the values of `to_plain`."""
        parts = {
            "schedule": Schedule(**plain["schedule"]),
            "filters": tuple(plain["filters"]),
            "epsilon": LinearSchedule(**plain["epsilon"]),
        }

        return cls(**{**plain, **parts})


# the paper's schedule and the authors' learning rates; the paper does not give epsilon
FULL = ToyConfig(
    Schedule(episodes=1500, episodes_per_cycle=10, steps=250, epochs=4),
    epsilon=LinearSchedule(1.0, 0.3, 187_500),
)
# 12,000 steps in a world of 36x36x12 states: smaller networks, and learning rates that compensate
# for 31 times fewer updates
SMALL = ToyConfig(
    Schedule(episodes=200, episodes_per_cycle=5, steps=60, epochs=4),
    filters=(16, 32, 32),
    features=128,
    rnd_features=128,
    rnd_batch=25,
    learning_rate=1e-3,
    rnd_learning_rate=1e-3,
    tau=0.01,
    epsilon=LinearSchedule(1.0, 0.3, 6_000),
    random_episodes=5,
)


def practical(paper: ToyConfig) -> ToyConfig:
    """Return the toy world's form of the cube world's recipe `practical` (docs/explore.md)."""
    return replace(
        paper,
        schedule=replace(paper.schedule, episodes_per_cycle=2),
        near_goals=0.5,
        lookahead=3,
        after_arrival="play",
    )


@dataclass(frozen=True)
class Row:
    """One line of coverage.csv."""

    strategy: str
    seed: int
    episode: int
    total_states: int  # visited by this and all earlier episodes
    episode_states: int  # visited by this episode
    new_states: int  # visited by this episode and by no earlier one


class Coverage:
    """Counts visited states."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.visits = np.zeros(shape, dtype=np.int64)

    def add(self, states: NDArray[np.int64]) -> tuple[int, int, int]:
        """Count an episode's states (T + 1, D).

        Return the number of all states so far, of the episode's, and of new ones.
        """
        visited = np.unique(states, axis=0)
        new = int((self.visits[tuple(visited.T)] == 0).sum())
        np.add.at(self.visits, tuple(states.T), 1)
        return int((self.visits > 0).sum()), len(visited), new


class ToyRobot:
    """Acts epsilon-greedily in the world; its random numbers depend only on seed and episode."""

    def __init__(
        self, world: DiscreteWorld, config: ToyConfig, learner: DDQN | None, seed: int
    ) -> None:
        self.world, self.config, self.learner, self.seed = world, config, learner, seed
        self.coverage = Coverage(world.state_shape)
        self.counts: list[tuple[int, int, int]] = []

    def run_episode(self, goal: Goal | None) -> Trajectory:
        """Reset and act for T steps."""
        number, steps = len(self.counts), self.config.schedule.steps
        rng = np.random.default_rng([self.seed, number])
        frames = np.empty((steps + 1, *self.world.frame_shape), dtype=np.uint8)
        actions = np.empty(steps, dtype=np.int64)
        states = np.empty((steps + 1, len(self.world.state_shape)), dtype=np.int64)
        frames[0], states[0] = self.world.reset(), self.world.state
        self._playing = False

        for t in range(steps):
            actions[t] = self._act(frames[t], goal, number * steps + t, rng)
            frames[t + 1], states[t + 1] = self.world.step(int(actions[t])), self.world.state

        self.counts.append(self.coverage.add(states))
        positions = np.zeros((steps + 1, 3), dtype=np.float32)
        valid = np.ones(steps + 1, dtype=bool)

        return Trajectory(number, frames, actions, positions, valid[:-1], valid, End.TRUNCATED)

    def _act(
        self, frame: NDArray[np.uint8], goal: Goal | None, step: int, rng: np.random.Generator
    ) -> int:
        at_random = step < self.config.random_episodes * self.config.schedule.steps
        if goal is not None and self.config.after_arrival == "play" and (frame == goal.image).all():
            self._playing = True

        if (
            self.learner is None
            or at_random
            or self._playing
            or rng.random() < self.config.epsilon(step)
        ):
            return int(rng.integers(self.world.actions))

        there = GoalPixels(goal.image, goal.ee_position) if goal else None
        observation = one_observation(
            frame, there, np.zeros(3), self.learner.config.encoder.channels
        )

        return int(self.learner.greedy(observation)[0])


def run_strategy(
    strategy: str, seed: int, config: ToyConfig, world: DiscreteWorld, folder: Path
) -> list[Row]:
    """Run one strategy with one seed.

    Leaves coverage.csv, visits.npy and rnd.safetensors in `folder`.
    """
    if strategy not in STRATEGIES:
        raise ConfigError(f"strategy {strategy!r}: choose from {', '.join(STRATEGIES)}")

    shutil.rmtree(folder, ignore_errors=True)
    store = Replay(FrameCache(folder / "frames"))
    rnd = _rnd(config, world, seed) if strategy != "random" else None
    ddqn = _ddqn(config, world, 2 if strategy in GOAL_CHOICES else 1, seed) if rnd else None
    robot = ToyRobot(world, config, ddqn, seed)
    learner: ReplayLearner | NoLearner = NoLearner()
    novelty: ImageNovelty | NoNovelty = NoNovelty()

    if rnd and ddqn and strategy == "rnd":
        learner = ReplayLearner(ddqn, IntrinsicReward(rnd, config.gamma), config.batch, seed)
        novelty = FitOnly(rnd)
    elif rnd and ddqn:
        learner = ReplayLearner(ddqn, _labels(config), config.batch, seed)
        candidates = config.schedule.episodes_per_cycle * config.schedule.steps
        novelty = ImageNovelty(rnd, CHOICES[GOAL_CHOICES[strategy]], candidates, seed)

    explore(config.schedule, robot, store, learner, novelty)
    shutil.rmtree(folder / "frames")
    np.save(folder / "visits.npy", robot.coverage.visits)

    if rnd:
        checkpoint.write(folder / "rnd.safetensors", "novelty", rnd.state())

    rows = [Row(strategy, seed, episode, *counts) for episode, counts in enumerate(robot.counts)]
    write_table(folder / "coverage.csv", Row, rows)

    return rows


def _labels(config: ToyConfig) -> FutureGoals:
    near = Nearness(config.near_goals, config.near_steps)
    return FutureGoals(
        reached=ImageDistance(0.0), near=near, lookahead=config.lookahead, gamma=config.gamma
    )


def _ddqn(config: ToyConfig, world: DiscreteWorld, images: int, seed: int) -> DDQN:
    channels, height, width = world.frame_shape
    encoder = EncoderConfig(
        images * channels,
        height,
        width,
        config.filters,
        config.features,
        precision=fast_precision(),
        layer_norm=config.layer_norm,
    )

    return DDQN(
        DDQNConfig(
            encoder,
            world.actions,
            learning_rate=config.learning_rate,
            gamma=config.gamma,
            tau=config.tau,
            seed=seed,
        )
    )


def _rnd(config: ToyConfig, world: DiscreteWorld, seed: int) -> RND:
    channels, height, width = world.frame_shape

    return RND(
        RNDConfig(
            channels,
            height,
            width,
            config.filters,
            config.rnd_features,
            config.rnd_learning_rate,
            batch=config.rnd_batch,
            precision=fast_precision(),
            seed=seed,
        )
    )


def load_rnd(config: ToyConfig, world: DiscreteWorld, folder: Path) -> RND:
    """Return the RND of a finished run."""
    rnd = _rnd(config, world, seed=0)
    rnd.restore(checkpoint.read(folder / "rnd.safetensors", "novelty"))
    return rnd


def read_rows(path: Path) -> list[Row]:
    """Read a coverage.csv; DataError if it is another kind of file."""
    try:
        with path.open(newline="") as file:
            lines = list(csv.DictReader(file))

        return [
            Row(line.pop("strategy"), **{name: int(value) for name, value in line.items()})
            for line in lines
        ]
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise DataError(f"{path} is not a coverage.csv ({error!r})") from error
