"""Can a task be learned from these runs at all?

BCQ learns it from the true poses of cube and end effector in place of images, in minutes. Then
it acts in the simulator. If it fails, images will not help. Usage: bcq_poses.py RUN...
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor, nn
from wayfarer_data.cache.dataset import Dataset
from wayfarer_in_process.config import configuration_of, simulator_launch
from wayfarer_in_process.robot import Arm
from wayfarer_launch.collection import Collection
from wayfarer_offline.pose_labels import PoseLabels
from wayfarer_offline.tasks import TASKS, Task, task
from wayfarer_offline.train_bcq import bcq_constants
from wayfarer_policies.algorithms.algorithm import LabelledBatch, Observation
from wayfarer_policies.algorithms.bcq import ACTING_CANDIDATES, BCQ, BCQConfig, draw_latents
from wayfarer_policies.algorithms.bcq_networks import (
    BUILDS,
    BCQHeads,
    Description,
    SharedBCQ,
    best_actions,
)
from wayfarer_policies.algorithms.networks import EncoderConfig

SIZE = 18  # numbers of a state
FEATURES = 64
WIDTHS = (128, 128)  # of every head
LEARNING_RATE = 3e-4
BATCH = 100
STEPS = 200  # of an episode
FIRST_SEED = 1000  # of the world in trials

Floats = NDArray[np.floating]


class PoseEncoder(nn.Module):
    """Features of a state in the place of an image."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.dense, self.norm = nn.Linear(SIZE, features), nn.LayerNorm(features)

    def forward(self, observation: Observation) -> Tensor:
        return torch.tanh(self.norm(self.dense(observation.pixels)))


class PoseBCQ(SharedBCQ):
    """BCQ's networks behind that encoder."""

    def __init__(self, encoder: EncoderConfig, heads: BCQHeads) -> None:
        super(SharedBCQ, self).__init__(encoder, heads)
        self.encoder = PoseEncoder(encoder.features)  # type: ignore[assignment]


class States:
    """Turns poses into numbers of about the size of one."""

    def __init__(self, arm: Arm) -> None:
        self._low, self._high = arm.workspace.low, arm.workspace.high

    def __call__(self, ee_positions: Floats, cube_poses: Floats) -> Tensor:
        """Return (N, SIZE) of positions (N, 3) [m] and poses (N, 7)."""
        cube = cube_poses[:, :3]
        turned = Rotation.from_quat(cube_poses[:, 3:]).as_matrix().reshape(-1, 9)
        apart = np.clip((ee_positions - cube) * 10.0, -3.0, 3.0)
        parts = (self._scaled(ee_positions), self._scaled(cube), turned, apart)
        return torch.from_numpy(np.concatenate(parts, axis=1).astype(np.float32))

    def _scaled(self, positions: Floats) -> Floats:
        return (positions - self._low) / (self._high - self._low) * 2 - 1


def constants(gamma: float, latent_clip: float) -> BCQConfig:
    heads = BCQHeads(vae=WIDTHS, perturbation=WIDTHS, critic=WIDTHS, latent_clip=latent_clip)
    description = Description("poses", EncoderConfig(channels=SIZE, features=FEATURES), heads)

    return BCQConfig(description, gamma=gamma, learning_rate=LEARNING_RATE)


def learn(bcq: BCQ, states: States, dataset: Dataset, of: Task, updates: int) -> dict[str, int]:
    """Learn, and say what the data held."""
    labels = PoseLabels.of(dataset)
    rows, rewards = labels.transitions(dataset), torch.from_numpy(labels.rewards(dataset, of))
    poses = np.where(labels.known[:, None], labels.poses, [0, 0, 0, 0, 0, 0, 1])
    every = states(np.asarray(dataset.column("ee_positions")), poses)  # (R, SIZE)
    actions = torch.from_numpy(np.array(dataset.column("actions"), dtype=np.float32))
    nowhere, on = torch.zeros(BATCH, 3), torch.zeros(BATCH, dtype=torch.bool)
    rng = np.random.default_rng([0, 1])

    for _ in range(updates):
        drawn = torch.from_numpy(rows[rng.integers(len(rows), size=BATCH)])
        bcq.update(
            LabelledBatch(
                Observation(every[drawn], nowhere),
                actions[drawn],
                rewards[drawn + 1],
                Observation(every[drawn + 1], nowhere),
                on,
            )
        )

    bcq.check()
    done = of.success(labels.poses)

    return {
        "steps": len(rows),
        "steps_of_success": int(done[rows + 1].sum()),
        "times_it_was_reached": int((done[rows + 1] & ~done[rows]).sum()),
    }


@torch.no_grad()
def chosen(bcq: BCQ, states: States, arm: Arm, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the policy's action (3,)."""
    ee_position = np.asarray(arm.feel().ee_position)[None]
    seen = states(ee_position, np.concatenate(arm.world.cube_pose)[None])
    latents = draw_latents(rng, ACTING_CANDIDATES, bcq.config.networks.heads)
    actions = best_actions(bcq.networks, Observation(seen, torch.zeros(1, 3)), latents)

    return np.asarray(actions[0])


def act(bcq: BCQ | None, states: States, arm: Arm, of: Task, episodes: int) -> dict[str, int]:
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
    works = bcq_constants()
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
    BUILDS["poses"] = PoseBCQ
    collection = Collection(
        "sim", "random", options.episodes, STEPS, 0, Path("nowhere"), "sequential", None
    )
    arm = Arm(configuration_of(simulator_launch(collection)))
    states, of = States(arm), task(options.task)
    bcq = BCQ(constants(options.gamma, options.latent_clip))
    data = learn(bcq, states, Dataset.open(options.runs), of, options.updates)
    found = {"data": data, "learned": act(bcq, states, arm, of, options.episodes)}
    if options.control:
        found["random actions"] = act(None, states, arm, of, options.episodes)

    print(json.dumps(found))


if __name__ == "__main__":
    main()
