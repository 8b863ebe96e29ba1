"""Can a task be learned from these runs at all?

BCQ learns it from the true poses of cube and end effector in place of images, in minutes. Then
it acts in the simulator. If it fails, images will not help. Usage: bcq_poses.py RUN...
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor
from wayfarer_data.cache.dataset import Dataset
from wayfarer_in_process.config import configuration_of, simulator_launch
from wayfarer_in_process.robot import Arm
from wayfarer_launch.collection import Collection
from wayfarer_offline.pose_labels import PoseLabels
from wayfarer_offline.tasks import TASKS, Task, task
from wayfarer_offline.train_bcq import OfflineConfig, TaskRewards, fitted, trained
from wayfarer_policies.algorithms.algorithm import Observation
from wayfarer_policies.algorithms.bcq import ACTING_CANDIDATES, BCQ, draw_latents
from wayfarer_policies.algorithms.bcq_networks import best_actions
from wayfarer_policies.algorithms.pose_encoder import PoseEncoder

STEPS = 200  # of an episode
FIRST_SEED = 1000  # of the world in trials

Floats = NDArray[np.floating]


class TrueStates:
    """What an encoder without error would make of an image."""

    def __init__(self, config: OfflineConfig) -> None:
        self._encoder = PoseEncoder(config.bcq.networks.encoder)

    def __call__(self, ee_positions: Floats, cube_poses: Floats) -> Tensor:
        """Return states (N, S) of positions (N, 3) [m] and poses (N, 7)."""
        turned = Rotation.from_quat(cube_poses[:, 3:]).as_matrix().reshape(-1, 9)
        parts = (ee_positions, cube_poses[:, :3], turned)
        return self._encoder.states(*(torch.from_numpy(part.astype(np.float32)) for part in parts))


def learn(config: OfflineConfig, dataset: Dataset, states: TrueStates) -> tuple[BCQ, TaskRewards]:
    """Learn, and return what has learned, and from what."""
    labels = PoseLabels.of(dataset)
    data = TaskRewards(dataset, labels, config.task)
    poses = np.where(labels.known[:, None], labels.poses, [0, 0, 0, 0, 0, 0, 1])
    data.states = states(np.asarray(dataset.column("ee_positions")), poses)
    bcq = BCQ(replace(config.bcq, networks=trained(config.bcq.networks)))
    rng = np.random.default_rng([0, 1])

    for _ in range(config.steps):
        bcq.update(data.sample(config.batch, rng))

    bcq.check()

    return bcq, data


@torch.no_grad()
def chosen(bcq: BCQ, states: TrueStates, arm: Arm, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the policy's action (3,)."""
    ee_position = np.asarray(arm.feel().ee_position)[None]
    seen = states(ee_position, np.concatenate(arm.world.cube_pose)[None])
    latents = draw_latents(rng, ACTING_CANDIDATES, bcq.config.networks.heads)
    actions = best_actions(bcq.networks, Observation(seen, torch.zeros(1, 3)), latents)

    return np.asarray(actions[0])


def act(bcq: BCQ | None, states: TrueStates, arm: Arm, of: Task, episodes: int) -> dict[str, int]:
    """Count the episodes that end in success, and those with success on the way.

    Without BCQ: of random actions.
    """
    ended = passed = 0
    for episode in range(episodes):
        arm.reset(FIRST_SEED + episode)
        rng = np.random.default_rng([episode, 7])
        succeeded = False

        for _ in range(STEPS):
            if bcq is None:
                action = rng.uniform(-1, 1, 3).astype(np.float32)
            else:
                action = chosen(bcq, states, arm, rng)

            arm.follow(arm.judge(action))
            now = bool(of.success(np.concatenate(arm.world.cube_pose)[None])[0])
            succeeded |= now

        ended, passed = ended + now, passed + succeeded

    return {"at_the_end": ended, "on_the_way": passed, "of": episodes}


def main() -> None:
    """Learn, act and print."""
    works = OfflineConfig("flip-green").bcq
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN")
    parser.add_argument("--task", default="flip-green", choices=sorted(TASKS), metavar="TASK")
    parser.add_argument("--updates", type=int, default=15_000)
    parser.add_argument("--episodes", type=int, default=50)
    parser.add_argument("--gamma", type=float, default=works.gamma, help="discount")
    parser.add_argument("--latent-clip", type=float, default=works.networks.heads.latent_clip)
    parser.add_argument("--control", action="store_true", help="random actions, too")
    options = parser.parse_args()

    torch.set_num_threads(1)
    heads = replace(works.networks.heads, latent_clip=options.latent_clip)
    networks = replace(works.networks, heads=heads)
    bcq = replace(works, networks=networks, gamma=options.gamma)
    dataset = Dataset.open(options.runs)
    config = fitted(OfflineConfig(options.task, options.updates, bcq=bcq), dataset)
    states, of = TrueStates(config), task(options.task)

    collection = Collection(
        "sim", "random", options.episodes, STEPS, 0, Path("nowhere"), "sequential", None
    )
    arm = Arm(configuration_of(simulator_launch(collection)))
    learned, data = learn(config, dataset, states)
    found = {"data": data.description(), "learned": act(learned, states, arm, of, options.episodes)}
    if options.control:
        found["random actions"] = act(None, states, arm, of, options.episodes)

    print(json.dumps(found))


if __name__ == "__main__":
    main()
