"""`wayfarer evaluate --goals`.

Does a policy reach its goals? Compared with random actions, no actions, and other goals.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.errors import DataError
from wayfarer_core.safety import Decision
from wayfarer_core.targets import action_size
from wayfarer_policies.acting.learned_policy import LearnedPolicy
from wayfarer_policies.acting.policy import Policy, Start
from wayfarer_policies.acting.random_policies import StillPolicy, UniformPolicy
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.networks import weights_from_bytes, weights_to_bytes
from wayfarer_policies.algorithms.td3 import TD3
from wayfarer_policies.exploration.making import make_learner, make_rnd
from wayfarer_policies.exploration.methods import learner_file, method
from wayfarer_policies.exploration.threads import ACTING_THREADS
from wayfarer_report.drawings.reached import most_telling, side_by_side

from wayfarer_in_process.config import Configuration
from wayfarer_in_process.goals import TrialGoal, even_goals, stored_goals
from wayfarer_in_process.robot import Arm

_RESAMPLES = 10_000  # of the bootstrap
_RUNGS = (2.5, 97.5)  # percentiles: 95 % intervals
FRAMES = 10.0  # of a film, per second of simulated time
_FILM_SIDE = 252  # [pixels] three times an observation's


@dataclass(frozen=True)
class Figure:
    """A figure of all trials and its 95 % percentile bootstrap interval (Efron 1979)."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Distances:
    """Final distances of the trials to the end effector's positions in the goal images [m]."""

    each: list[float]  # one for each goal
    median: Figure
    mean: Figure

    @classmethod
    def of(cls, values: Sequence[float], seed: int) -> "Distances":
        """Compute the statistics."""
        each = [float(value) for value in values]
        return cls(each, _figure(np.median, each, seed), _figure(np.mean, each, seed))


@dataclass(frozen=True)
class Trials:
    """The results of one policy's trials."""

    ee: Distances  # of the end effector
    # from the same end points to all other goals: the score of a policy that ignores its goal
    ee_to_others: Distances
    cube: Distances
    last_images: list[NDArray[np.uint8]]  # (84, 84, 3) each, final image of a trial


def policies_of(run: Path, configuration: Configuration) -> dict[str, Policy]:
    """Return the run's learned policy and the two baselines.

    DataError if nothing was learned.
    """
    name = configuration.collector.method
    if not method(name).goal_choice:
        raise DataError(f"{run} was collected by {name!r}, which has no policy for goals")

    file = learner_file(run)
    if not file.exists():
        raise DataError(f"{file} is missing: nothing has been learned in this run")

    learner = make_learner(name, 0, "cpu", make_rnd(0, "cpu"), configuration.learner)
    learner.restore(checkpoint.read(file, "learner"))
    algorithm = learner.algorithm
    if not isinstance(algorithm, TD3):
        raise DataError(f"{file} holds no TD3")

    size = action_size(configuration.actor.gripper_width)
    learned = LearnedPolicy(configuration.actor, size=size)
    learned.offer(
        weights_from_bytes(*weights_to_bytes(algorithm.actor())), learner.episodes_learned
    )

    return {"learned": learned, "random": UniformPolicy(size), "still": StillPolicy(size)}


@dataclass(frozen=True)
class Tried:
    """Goals, and the results of each policy's trials."""

    goals: list[TrialGoal]
    trials: dict[str, Trials]


def try_all(
    configuration: Configuration,
    run: Path,
    count: int,
    steps: int,
    seed: int,
    on_trial: Callable[[], None],
) -> dict[str, Tried]:
    """Try each policy on goals of the run's store and on evenly spread goals, by these names."""
    torch.set_num_threads(ACTING_THREADS)
    policies = policies_of(run, configuration)
    arm = Arm(configuration)

    try:
        kinds = {
            "stored": stored_goals(RunDirectory(run), count, seed),
            "even": even_goals(arm, count, seed),
        }

        return {
            kind: Tried(
                goals,
                {
                    name: try_goals(arm, policy, goals, steps, seed, on_trial)
                    for name, policy in policies.items()
                },
            )
            for kind, goals in kinds.items()
        }
    finally:
        arm.world.close()


def try_goals(
    arm: Arm,
    policy: Policy,
    goals: Sequence[TrialGoal],
    steps: int,
    seed: int,
    on_trial: Callable[[], None],
) -> Trials:
    """Act towards each goal for `steps` steps from the start of an episode, without exploring."""
    places, cubes, images = [], [], []
    for number, goal in enumerate(goals):
        arm.reset(seed + number)
        rng = np.random.default_rng([seed, number])
        policy.begin_episode(Start(rng, goal.for_policy(), explore=False, steps=steps))

        for _ in range(steps):
            action = np.asarray(policy.act(arm.observe(), arm.feel()), dtype=np.float32)
            arm.follow(arm.judge(action))

        places.append(arm.world.ee_pose[0])
        cubes.append(float(np.linalg.norm(arm.world.cube_pose[0] - goal.cube_position)))
        images.append(arm.observe())
        on_trial()

    own, others = distances(np.array(places), np.array([goal.ee_position for goal in goals]))

    return Trials(
        Distances.of(own, seed), Distances.of(others, seed), Distances.of(cubes, seed), images
    )


def film(
    configuration: Configuration, run: Path, goals: Sequence[TrialGoal], count: int, steps: int
) -> list[NDArray[np.uint8]]:
    """Return frames, FRAMES a second, of the run's policy on its way from goal to goal, each goal
    image beside the scene.

    It shows the goals whose images differ most.
    """
    torch.set_num_threads(ACTING_THREADS)
    learned = policies_of(run, configuration)["learned"]
    arm = Arm(configuration)
    frames: list[NDArray[np.uint8]] = []

    try:
        arm.reset(seed=0)
        for number in most_telling([goal.image for goal in goals], count):
            goal, rng = goals[number], np.random.default_rng(number)
            learned.begin_episode(Start(rng, goal.for_policy(), explore=False, steps=steps))
            for _ in range(steps):
                action = np.asarray(learned.act(arm.observe(), arm.feel()), dtype=np.float32)
                decision, before = arm.judge(action), arm.world.state()
                arm.follow(decision)
                after = arm.world.state()
                arm.world.set_state(before)  # repeat the motion slowly for the film
                frames += [side_by_side(scene, goal.image) for scene in _in_between(arm, decision)]
                arm.world.set_state(after)

        return frames
    finally:
        arm.world.close()


def _in_between(arm: Arm, decision: Decision) -> Iterator[NDArray[np.uint8]]:
    """Yield camera images on the way to a target, (H, W, 3)."""
    if decision.target is None:
        return
    for _ in range(round(arm.period_ns * 1e-9 * FRAMES)):
        arm.world.advance(decision.target.position, 1.0 / FRAMES)
        yield arm.world.render(_FILM_SIDE, _FILM_SIDE)


def distances(
    ends: NDArray[np.float64], goals: NDArray[np.float64]
) -> tuple[list[float], list[float]]:
    """Return for each end point (N, 3) its distance to its own goal (N, 3), and its mean distance
    to all others.
    """
    between = np.linalg.norm(ends[:, None] - goals[None], axis=2)  # (N, N): end point, goal
    own = np.diagonal(between)
    others = (between.sum(axis=1) - own) / max(len(goals) - 1, 1)
    return own.tolist(), others.tolist()


def _figure(of: Callable[..., NDArray[np.float64]], values: Sequence[float], seed: int) -> Figure:
    array = np.array(values)
    draws = np.random.default_rng(seed).integers(0, len(array), (_RESAMPLES, len(array)))
    low, high = np.percentile(of(array[draws], axis=1), _RUNGS)
    return Figure(float(of(array)), float(low), float(high))
