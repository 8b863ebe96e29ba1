"""Goal images for an evaluation.

Drawn from a run's stored images, or taken at positions spread evenly over the workspace.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import Episode
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.errors import DataError
from wayfarer_policies.acting.policy import PolicyGoal

from wayfarer_in_process.robot import Arm

_STEPS_TO_A_PLACE = 12  # actions to reach a position; six cross the workspace


@dataclass(frozen=True)
class TrialGoal:
    """A goal image, with the positions of arm and cube when it was taken."""

    name: str
    image: NDArray[np.uint8]  # (84, 84, 3)
    ee_position: NDArray[np.float64]  # (3,) [m], base frame
    cube_position: NDArray[np.float64]  # (3,) [m], base frame

    def for_policy(self) -> PolicyGoal:
        """Return the goal for a policy, without the cube's position."""
        return PolicyGoal(self.image, self.ee_position)


def stored_goals(run: RunDirectory, count: int, seed: int) -> list[TrialGoal]:
    """Draw stored next states at random from all episodes that have some with known poses of arm
    and cube.

    Raises DataError if no episode has.
    """
    rng = np.random.default_rng(seed)
    files = run.episodes()
    if not files:
        raise DataError(f"{run.path} holds no episode to take goals from")

    candidates = {
        number: _possible_goals(read_episode(path, with_images=False))
        for number, path in files.items()
    }
    usable = [number for number, steps in candidates.items() if len(steps)]
    if not usable:
        raise DataError(
            f"no episode of {run.path} holds a complete step with a true cube pose behind it"
        )

    goals = []
    for number in rng.choice(usable, size=count):
        k = int(rng.choice(candidates[int(number)]))
        episode = read_episode(files[int(number)])
        place = np.asarray(episode.object_poses)[k, :3]
        goals.append(TrialGoal(f"{number}/{k}", episode.images[k], episode.ee_positions[k], place))

    return goals


def _possible_goals(episode: Episode) -> NDArray[np.int64]:
    """Return the steps that are next states of valid ones, like the goals of Algorithm 1, and have
    both poses.
    """
    if episode.object_poses is None:
        return np.empty(0, dtype=np.int64)
    places = np.hstack([episode.ee_positions, episode.object_poses[:, :3]])  # (T + 1, 6)
    return np.flatnonzero(episode.valid & np.isfinite(places[1:]).all(axis=1)) + 1


def even_goals(arm: Arm, count: int, seed: int) -> list[TrialGoal]:
    """Send the arm to positions drawn uniformly from the gate's box and take an image at each.

    If the arm cannot reach a position, the image is from where it stopped.
    """
    rng = np.random.default_rng([seed, 1])
    box = arm.workspace
    low, high = box.low, box.high
    goals = []

    for number in range(count):
        arm.reset(seed + number)
        place = rng.uniform(low, high)  # (3,) [m]
        for _ in range(_STEPS_TO_A_PLACE):
            way = (place - arm.world.ee_pose[0]) / box.action_scale
            arm.follow(arm.judge(np.clip(way, -1.0, 1.0).astype(np.float32)))

        goals.append(
            TrialGoal(f"even {number}", arm.observe(), arm.world.ee_pose[0], arm.world.cube_pose[0])
        )

    return goals
