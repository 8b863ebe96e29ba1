"""`wayfarer evaluate --goals`: does the policy of a run reach images stored in it? Beside random actions and none."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from wayfarer_common.errors import DataError
from wayfarer_policies import checkpoint
from wayfarer_policies.methods import checkpoint_folder, make_learner, make_rnd, method
from wayfarer_policies.networks import weights_from_bytes, weights_to_bytes
from wayfarer_policies.policy import LearnedPolicy, Policy
from wayfarer_policies.random_policies import UniformPolicy
from wayfarer_policies.replay.bag import read_episode
from wayfarer_policies.replay.episode import Episode
from wayfarer_policies.replay.run_directory import RunDirectory
from wayfarer_policies.schedules import PAPER_NOISE, GaussianNoise
from wayfarer_policies.td3 import TD3

from wayfarer_cli.in_process.config import Configuration
from wayfarer_cli.in_process.robot import Arm

_RESAMPLES = 10_000  # of the bootstrap
_RUNGS = (2.5, 97.5)  # percentiles: 95 % intervals


@dataclass(frozen=True)
class StoredGoal:
    """An image to reach, and where arm and cube were when it was taken (base frame, metres)."""

    name: str
    image: NDArray[np.uint8]  # (84, 84, 3)
    ee_position: NDArray[np.float64]  # (3,)
    cube_position: NDArray[np.float64]  # (3,)


@dataclass(frozen=True)
class Distances:
    """Final distances to the goals, one for each, and their means with 95 % bootstrap intervals [m]."""

    ee: list[float]
    cube: list[float]
    ee_mean: tuple[float, float, float]  # mean, low, high
    cube_mean: tuple[float, float, float]


class StillPolicy:
    """Asks for no motion at all."""

    version = 0

    def begin_episode(
        self, rng: np.random.Generator, goal: NDArray[np.uint8] | None, explore: bool, first_step: int
    ) -> None:
        """There is nothing to begin."""
        del rng, goal, explore, first_step

    def act(self, image: NDArray[np.uint8], ee_position: NDArray[np.float64]) -> NDArray[np.float32]:
        """Return zeros."""
        del image, ee_position
        return np.zeros(3, dtype=np.float32)


def draw_goals(run: RunDirectory, count: int, seed: int) -> list[StoredGoal]:
    """Draw stored next states at random, over all episodes that have some with a known pose of arm and cube.

    Raises DataError where no episode has.
    """
    rng = np.random.default_rng(seed)
    files = run.episodes()
    if not files:
        raise DataError(f"{run.path} holds no episode to take goals from")
    candidates = {number: _possible_goals(read_episode(path, with_images=False)) for number, path in files.items()}
    usable = [number for number, steps in candidates.items() if len(steps)]
    if not usable:
        raise DataError(f"no episode of {run.path} holds a complete step with a true cube pose behind it")
    goals = []
    for number in rng.choice(usable, size=count):
        k = int(rng.choice(candidates[int(number)]))
        episode = read_episode(files[int(number)])
        place = np.asarray(episode.object_poses)[k, :3]
        goals.append(StoredGoal(f"{number}/{k}", episode.images[k], episode.ee_positions[k], place))
    return goals


def _possible_goals(episode: Episode) -> NDArray[np.int64]:
    """Return the steps that are next states of complete ones, as the goals of Algorithm 1, with both poses known."""
    if episode.object_poses is None:
        return np.empty(0, dtype=np.int64)
    places = np.hstack([episode.ee_positions, episode.object_poses[:, :3]])  # (T + 1, 6)
    return np.flatnonzero(episode.valid & np.isfinite(places[1:]).all(axis=1)) + 1


def policies_of(run: Path, seed: int) -> dict[str, Policy]:
    """Return the run's learned policy, without noise, and the two it is held against. DataError where none learned."""
    name = RunDirectory(run).description()["configuration"]["collector"]["method"]
    if not method(name).goal_choice:
        raise DataError(f"{run} was collected by {name!r}, which has no policy for goals")
    file = checkpoint_folder(run) / "learner.safetensors"
    if not file.exists():
        raise DataError(f"{file} is missing: nothing has been learned in this run")
    learner = make_learner(name, seed, "cpu", make_rnd(seed, "cpu"))
    learner.restore(checkpoint.read(file, "learner"))
    algorithm = learner.algorithm
    if not isinstance(algorithm, TD3):
        raise DataError(f"{file} holds no TD3")
    learned = LearnedPolicy(GaussianNoise(PAPER_NOISE), random_steps=0)
    learned.offer(weights_from_bytes(*weights_to_bytes(algorithm.actor())), learner.episodes_learned)
    return {"learned": learned, "random": UniformPolicy(), "still": StillPolicy()}


def reach(
    arm: Arm, policy: Policy, goals: list[StoredGoal], steps: int, seed: int, tell: Callable[[], None]
) -> Distances:
    """Act towards each goal for `steps` steps from the start of an episode; return the distances at their ends."""
    ee, cube = [], []
    for number, goal in enumerate(goals):
        arm.reset(seed + number)
        policy.begin_episode(np.random.default_rng([seed, number]), goal.image, explore=False, first_step=0)
        for _ in range(steps):
            action = np.asarray(policy.act(arm.observe(), arm.world.ee_pose[0]), dtype=np.float32)
            arm.follow(arm.judge(action))
        ee.append(float(np.linalg.norm(arm.world.ee_pose[0] - goal.ee_position)))
        cube.append(float(np.linalg.norm(arm.world.cube_pose[0] - goal.cube_position)))
        tell()
    return Distances(ee, cube, interval(ee, seed), interval(cube, seed))


def interval(values: list[float], seed: int) -> tuple[float, float, float]:
    """Return the mean and its 95 % percentile bootstrap interval (Efron 1979)."""
    array = np.array(values)
    draws = np.random.default_rng(seed).integers(0, len(array), (_RESAMPLES, len(array)))
    low, high = np.percentile(array[draws].mean(axis=1), _RUNGS)
    return float(array.mean()), float(low), float(high)


def evaluate(
    configuration: Configuration, run: Path, count: int, steps: int, seed: int, tell: Callable[[], None]
) -> dict[str, Distances]:
    """Hold the run's policy against random actions and standing still, on the same goals."""
    goals = draw_goals(RunDirectory(run), count, seed)
    arm = Arm(configuration)
    try:
        return {name: reach(arm, p, goals, steps, seed, tell) for name, p in policies_of(run, seed).items()}
    finally:
        arm.world.close()
