"""Teaches the encoder of BCQ's practical recipe to see the cube.

It learns to tell the cube's pose from an image, from the same runs and labels as the task. Then it
stays as it is. So each image of the runs is encoded once, and BCQ's updates need no image.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from torch import Tensor
from wayfarer_core.cube import top_faces
from wayfarer_core.errors import ConfigError
from wayfarer_core.provenance import refuse_another_training
from wayfarer_data.cache.dataset import Dataset
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import Guard, Observation, positive
from wayfarer_policies.algorithms.checkpoint import State
from wayfarer_policies.algorithms.networks import EncoderConfig
from wayfarer_policies.algorithms.pose_encoder import PoseEncoder

from wayfarer_offline.pose_labels import PoseLabels

_KIND = "pose encoder"
_CELL = 0.03  # m, side of the squares of table in which poses count as alike
_CHUNK = 500  # images encoded together
_LAST_SHARE = 0.3  # of the updates, made at a third of the rate
_SHIFT = 4  # pixels, at most

OnProgress = Callable[[int, float], None]  # number of updates, loss of the last one


@dataclass(frozen=True)
class PoseEncoding:
    """How the encoder learns."""

    updates: int = 4000
    batch: int = 100
    learning_rate: float = 3e-4

    def __post_init__(self) -> None:
        if min(self.updates, self.batch) < 1:
            raise ConfigError(
                f"updates {self.updates}, batch {self.batch} of the encoder: at least 1 each"
            )

        positive("learning_rate", self.learning_rate)


def learned_encoder(
    config: PoseEncoding,
    encoder: EncoderConfig,
    dataset: Dataset,
    labels: PoseLabels,
    seed: int,
    file: Path,
    device: str = "cpu",
    on_progress: OnProgress = lambda _done, _loss: None,
) -> PoseEncoder:
    """Return the encoder that `file` holds; without a file, let it learn and write one.

    It learns as a whole or not at all: what was killed begins again, and ends with the same bits.
    ConfigError if the file is of another training, LearningError for a loss that is not finite.
    """
    described = {
        "learning": asdict(config),
        "encoder": asdict(encoder),
        "seed": seed,
        "images": int(labels.known.sum()),
        "labels": labels.sources,
    }
    identity = json.loads(json.dumps(described))  # as a file gives it back
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        networks = PoseEncoder(encoder).to(device)

    if file.is_file():
        state = checkpoint.read(file, _KIND)
        refuse_another_training(file, state.value("identity"), identity)
        checkpoint.restore_module(networks, State(state.tensors), str(file))
    else:
        _learn(config, networks, dataset, labels, seed, on_progress)
        checkpoint.write(file, _KIND, State(networks.state_dict(), {"identity": identity}))

    return networks.requires_grad_(False)


@torch.no_grad()
def encoded(encoder: PoseEncoder, dataset: Dataset) -> Tensor:
    """Return the state that the encoder makes of every row of a dataset (R, STATE_SIZE)."""
    gather, device = dataset.gatherer(), encoder.centre.device
    parts = []

    for start in range(0, dataset.rows, _CHUNK):
        rows = torch.arange(start, min(start + _CHUNK, dataset.rows))
        seen = Observation(gather(rows), dataset.ee_positions(rows)).to(device)
        parts.append(encoder(seen))

    return torch.cat(parts)


# --- steps of the learning ---


def _learn(
    config: PoseEncoding,
    networks: PoseEncoder,
    dataset: Dataset,
    labels: PoseLabels,
    seed: int,
    on_progress: OnProgress,
) -> None:
    rows = labels.images(dataset)  # (K,)
    poses, share = labels.poses[rows], _shares(labels.poses[rows])  # (K, 7), (K,)
    positions = torch.from_numpy(poses[:, :3]).float()
    rotations = torch.from_numpy(Rotation.from_quat(poses[:, 3:]).as_matrix().reshape(-1, 9))
    networks.fit_scale(positions)

    device, gather = networks.centre.device, dataset.gatherer()
    optimizer = torch.optim.Adam(networks.parameters(), lr=config.learning_rate, fused=True)
    guard, rng = Guard(), np.random.default_rng([seed, 2])

    for update in range(config.updates):
        if update == round(config.updates * (1 - _LAST_SHARE)):
            optimizer.param_groups[0]["lr"] = config.learning_rate / 3

        drawn = rng.choice(len(rows), size=config.batch, p=share)
        here = torch.from_numpy(rows[drawn])
        seen = Observation(_shifted(gather(here), rng), dataset.ee_positions(here)).to(device)
        truth = positions[drawn].to(device), rotations[drawn].float().to(device)

        loss = networks.loss(seen, *truth)
        guard.step(optimizer, loss, "the encoder's loss")
        guard.check()
        on_progress(update + 1, float(loss.detach()))


def _shifted(images: Tensor, rng: np.random.Generator) -> Tensor:
    """Return images (B, C, H, W), each moved by up to _SHIFT pixels, its edges repeated.

    Else the encoder knows the few poses of its images by heart, and is lost at others. The table
    moves with the cube, so the pose can still be told. From Kostrikov et al. 2020 (DrQ).
    """
    count, _, height, width = images.shape
    rows, columns = (
        torch.arange(-_SHIFT, side + _SHIFT).clamp(0, side - 1).to(images.device)
        for side in (height, width)
    )
    padded = images[:, :, rows][:, :, :, columns]
    starts = rng.integers(0, 2 * _SHIFT + 1, (count, 2)).tolist()
    moved = [
        image[:, down : down + height, right : right + width]
        for image, (down, right) in zip(padded, starts, strict=True)
    ]

    return torch.stack(moved)


def _shares(poses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how often each pose (K, 7) is drawn (K,): rare ones more often than by chance.

    Alike are poses with one face up in one square of the table. A kind that is seen n times is
    drawn as often as the root of n.
    """
    squares = np.floor(poses[:, :2] / _CELL)
    kinds = np.column_stack([squares, top_faces(poses[:, 3:])])
    _, kind, count = np.unique(kinds, axis=0, return_inverse=True, return_counts=True)
    share = 1.0 / np.sqrt(count[kind.ravel()])

    return np.asarray(share / share.sum())
