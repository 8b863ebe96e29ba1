from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.painted import SIDE, dataset, painted, trajectory
from scipy.spatial.transform import Rotation
from wayfarer_core.cube import top_faces
from wayfarer_core.errors import ConfigError
from wayfarer_data.cache.dataset import Dataset
from wayfarer_offline.pose_labels import PoseLabels
from wayfarer_offline.train_encoder import (
    PoseEncoding,
    _shares,
    _shifted,
    encoded,
    learned_encoder,
)
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import LearningError, Observation
from wayfarer_policies.algorithms.networks import EncoderConfig
from wayfarer_policies.algorithms.pose_encoder import STATE_SIZE, PoseEncoder

SEEING = EncoderConfig(3, SIDE, SIDE, (4, 8, 8), 16, ee_position=True, layer_norm=True)
SHORT = PoseEncoding(updates=4, batch=8)


class PowerError(Exception):
    """Goes out."""


def learned(data: Dataset, file: Path, config: PoseEncoding = SHORT, seed: int = 0) -> PoseEncoder:
    return learned_encoder(config, SEEING, data, PoseLabels.of(data), seed, file)


@pytest.mark.slow
def test_it_sees_where_the_cube_is_and_which_face_is_up(tmp_path: Path) -> None:
    file, config = tmp_path / "encoder", PoseEncoding(updates=1500, batch=64, learning_rate=3e-3)
    encoder = learned(painted(tmp_path / "run", 30), file, config)
    others = painted(tmp_path / "others", 10, seed=1)
    rows, poses = others.known, PoseLabels.of(others).poses[others.known]

    with torch.no_grad():
        seen = Observation(others.frames(rows), others.ee_positions(rows))
        positions, rotations = encoder.poses(seen)

    away = np.linalg.norm(positions.numpy() - poses[:, :3], axis=1)
    told = Rotation.from_matrix(rotations.numpy().reshape(-1, 3, 3)).as_quat()
    assert np.median(away) < 0.02
    assert (top_faces(told) == top_faces(poses[:, 3:])).mean() > 0.9


def test_it_encodes_every_row_as_the_encoder_does(tmp_path: Path) -> None:
    data = painted(tmp_path / "run", 3)
    encoder = learned(data, tmp_path / "encoder.safetensors")
    features, rows = encoded(encoder, data), np.array([0, 7, data.rows - 1])
    seen = Observation(data.frames(rows), data.ee_positions(rows))
    assert features.shape == (data.rows, STATE_SIZE)
    torch.testing.assert_close(features[rows], encoder(seen))


def test_what_was_killed_begins_again_and_ends_with_the_same_bits(tmp_path: Path) -> None:
    data = painted(tmp_path / "run", 3)
    labels = PoseLabels.of(data)

    def fail(done: int, _: float) -> None:
        if done == 3:
            raise PowerError

    with pytest.raises(PowerError):
        learned_encoder(SHORT, SEEING, data, labels, 0, tmp_path / "a", on_progress=fail)

    assert not (tmp_path / "a").exists()
    learned(data, tmp_path / "a")
    learned(data, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()

    # finished: nothing is learned any more
    told: list[int] = []
    learned_encoder(
        *(SHORT, SEEING, data, labels, 0, tmp_path / "a"),
        on_progress=lambda done, _: told.append(done),
    )
    assert told == []


@pytest.mark.parametrize(
    ("config", "seed", "episodes", "word"),
    [(PoseEncoding(5, 8), 0, 3, "learning"), (SHORT, 1, 3, "seed"), (SHORT, 0, 4, "images")],
)
def test_the_encoder_of_another_training_is_refused(
    tmp_path: Path, config: PoseEncoding, seed: int, episodes: int, word: str
) -> None:
    file = tmp_path / "encoder.safetensors"
    learned(painted(tmp_path / "run", 3), file)
    before = file.read_bytes()

    with pytest.raises(ConfigError, match=f"holds another training: .*{word} was"):
        learned(painted(tmp_path / "more", episodes), file, config, seed)

    assert file.read_bytes() == before


def test_images_are_moved_by_a_few_pixels_and_their_edges_repeated() -> None:
    images = torch.arange(2 * 3 * 36 * 36).view(2, 3, 36, 36).remainder(251).to(torch.uint8)
    moved = _shifted(images.repeat(20, 1, 1, 1), np.random.default_rng(0))
    assert moved.dtype == torch.uint8
    padded = torch.nn.functional.pad(images.float(), (4, 4, 4, 4), mode="replicate")
    crops = [
        [padded[k, :, y : y + 36, x : x + 36] for y in range(9) for x in range(9)] for k in (0, 1)
    ]
    found = [
        [torch.equal(one.float(), crop) for crop in crops[k % 2]] for k, one in enumerate(moved)
    ]
    assert all(map(any, found)), "each is its own image, moved"
    assert len({row.index(True) for row in found}) > 10, "by different ways"


def test_poses_that_are_rare_are_drawn_more_often_than_by_chance() -> None:
    common, rare = np.tile([0.5, 0.0, 0.0, 0, 0, 0, 1], (99, 1)), [0.5, 0.0, 0.0, 1, 0, 0, 0]
    shares = _shares(np.vstack([common, rare]))
    assert shares.sum() == pytest.approx(1.0)
    assert shares[-1] == pytest.approx(1 / (1 + np.sqrt(99)))


def test_images_of_unknown_poses_are_not_learned_from(tmp_path: Path) -> None:
    one = trajectory(0)
    assert one.object_poses is not None
    poses = one.object_poses.copy()
    poses[1:] = np.nan
    data = dataset(tmp_path / "run", replace(one, object_poses=poses), trajectory(1))
    learned(data, tmp_path / "encoder.safetensors")
    said = checkpoint.read(tmp_path / "encoder.safetensors", "pose encoder").value("identity")
    assert said["images"] == 1 + 13


def test_a_loss_that_is_not_finite_stops_it(tmp_path: Path) -> None:
    data = painted(tmp_path / "run", 3)
    labels = PoseLabels.of(data)
    labels.poses[:, 0] *= 1e300

    with pytest.raises(LearningError, match="the encoder's loss"):
        learned_encoder(SHORT, SEEING, data, labels, 0, tmp_path / "encoder.safetensors")

    assert not (tmp_path / "encoder.safetensors").exists()


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"updates": 0}, {"batch": 0}, {"learning_rate": 0.0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            PoseEncoding(**wrong)  # type: ignore[arg-type]
