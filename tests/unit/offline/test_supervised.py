import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.painted import dataset, painted, trajectory
from wayfarer_core.cube import TRUTH
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_data.cache.dataset import Dataset
from wayfarer_offline.predictor_scores import (
    ColourScores,
    PositionScores,
    score_colours,
    score_positions,
)
from wayfarer_offline.supervised import (
    PredictorConfig,
    PredictorResult,
    read_predictor,
    train_predictor,
)

COLOR = PredictorConfig(
    "color", epochs=20, batch=16, learning_rate=3e-3, features=16, test_share=0.2
)
POSITION = dataclasses.replace(COLOR, target="position")


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> list[Dataset]:
    folder = tmp_path_factory.mktemp("runs")
    return [painted(folder / "a", 12, 11, seed=1), painted(folder / "b", 8, 11, seed=2)]


@pytest.fixture(scope="module")
def colours(
    datasets: list[Dataset], tmp_path_factory: pytest.TempPathFactory
) -> tuple[PredictorResult, Path]:
    file = tmp_path_factory.mktemp("color") / "predictor.safetensors"
    torch.set_num_threads(1)
    return train_predictor(COLOR, datasets, 0, 0, file), file


def test_colours_are_learned(colours: tuple[PredictorResult, Path]) -> None:
    result, _ = colours
    assert isinstance(result.scores, ColourScores)
    assert result.scores.accuracy > 0.9
    assert result.scores.guess_accuracy < 0.4
    assert len(result.losses) == 20
    assert result.losses[-1] < 0.2 * result.losses[0]
    assert (result.train_images, result.test_images) == (144 - 29, 29 + 19)
    assert sum(result.scores.images.values()) == 48
    assert result.labels == dict.fromkeys(
        (*result.runs, result.runs[0].removesuffix("a") + "b"), TRUTH
    )


def test_positions_are_learned_to_within_pixels(datasets: list[Dataset]) -> None:
    result = train_predictor(POSITION, datasets, 1, 0)
    assert isinstance(result.scores, PositionScores)
    assert result.runs == (str(datasets[1].runs[0]),)
    assert result.scores.error_mm < 0.4 * result.scores.guess_error_mm
    assert result.scores.mse_m2 == pytest.approx(np.mean(result.scores.mse_m2_xyz))
    assert result.scores.mse_m2 < 0.2 * result.scores.guess_mse_m2


def test_the_same_seed_gives_the_same_predictor_and_another_seed_another(
    datasets: list[Dataset],
) -> None:
    short = dataclasses.replace(POSITION, epochs=1)
    one, two, other = (train_predictor(short, datasets, 0, seed) for seed in (0, 0, 1))
    assert one.losses == two.losses
    assert one.scores == two.scores
    assert one.losses != other.losses


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_predictor_from_a_gpu_is_read_back_on_the_processor(
    datasets: list[Dataset], tmp_path: Path
) -> None:
    file = tmp_path / "predictor.safetensors"
    result = train_predictor(dataclasses.replace(COLOR, device="cuda"), datasets, 0, 0, file)
    assert isinstance(result.scores, ColourScores)
    assert result.scores.accuracy > 0.9

    predictor, _ = read_predictor(file)
    assert predictor.predict(datasets[1].frames, datasets[1].known[:3]).shape == (3, 6)


def test_unseen_pictures_are_scored_apart(colours: tuple[PredictorResult, Path]) -> None:
    result, _ = colours
    assert 0 < result.unseen_images < result.test_images
    assert isinstance(result.unseen_scores, ColourScores)
    assert sum(result.unseen_scores.images.values()) == result.unseen_images


def test_progress_is_told_to_the_end(datasets: list[Dataset]) -> None:
    told: list[tuple[int, int]] = []
    train_predictor(
        dataclasses.replace(COLOR, epochs=2),
        datasets,
        0,
        0,
        on_progress=lambda *of: told.append(of),
    )
    assert told == [(k + 1, 16) for k in range(16)]  # 115 images in batches of 16


def test_a_predictor_is_read_back_and_says_the_same(
    datasets: list[Dataset], colours: tuple[PredictorResult, Path]
) -> None:
    result, file = colours
    predictor, told = read_predictor(file)
    assert told == json.loads(json.dumps(result.to_json()))
    named = predictor.predict(datasets[1].frames, datasets[1].known).argmax(axis=1)
    assert len(set(named.tolist())) == 6
    with pytest.raises(DataError, match="there is no checkpoint"):
        read_predictor(file.with_name("other.safetensors"))


def test_images_without_labels_are_not_used(tmp_path: Path) -> None:
    one = trajectory(0, 19)
    poses = one.object_poses.copy()  # type: ignore[union-attr]
    poses[10:] = np.nan
    data = dataset(tmp_path / "a", dataclasses.replace(one, object_poses=poses))
    result = train_predictor(dataclasses.replace(COLOR, epochs=1), [data], 0, 0)
    assert result.train_images + result.test_images == 10
    poses[1:] = np.nan
    data = dataset(tmp_path / "b", dataclasses.replace(one, object_poses=poses))

    with pytest.raises(DataError, match="1 images with a known cube pose"):
        train_predictor(COLOR, [data], 0, 0)


def test_positions_that_never_change_are_learned_without_dividing_by_nothing(
    tmp_path: Path,
) -> None:
    one = trajectory(0, 19)
    still = np.tile(one.object_poses[:1], (20, 1))  # type: ignore[index]
    data = dataset(tmp_path / "a", dataclasses.replace(one, object_poses=still))
    result = train_predictor(dataclasses.replace(POSITION, epochs=1), [data], 0, 0)
    assert isinstance(result.scores, PositionScores)
    assert np.isfinite(result.scores.error_mm)


def test_scores_of_colours_by_hand() -> None:
    truth, named = np.array([4, 4, 4, 2]), np.array([4, 4, 2, 2])
    scores = score_colours(named, truth, trained_on=np.array([4, 4, 0]))
    assert scores.accuracy == pytest.approx(0.75)
    assert scores.per_colour["yellow"] == pytest.approx(2 / 3)
    assert scores.per_colour["green"] == 1.0
    assert scores.per_colour["cyan"] is None
    assert scores.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert scores.guess_accuracy == pytest.approx(0.75)
    assert (scores.images["yellow"], scores.images["cyan"]) == (3, 0)


def test_scores_of_positions_by_hand() -> None:
    truth = np.array([[0.0, 0.0, 0.0], [0.1, 0.0, 0.0]])
    named = truth + np.array([[0.003, 0.004, 0.0], [0.0, 0.0, 0.001]])
    scores = score_positions(named, truth, trained_on=truth)
    assert scores.error_mm == pytest.approx((5 + 1) / 2)
    assert scores.median_error_mm == pytest.approx(3)
    assert scores.mse_m2_xyz == pytest.approx((4.5e-6, 8e-6, 0.5e-6))
    assert scores.mse_m2 == pytest.approx(13e-6 / 3)
    assert scores.guess_error_mm == pytest.approx(50)


def test_constants_out_of_range_are_refused() -> None:
    with pytest.raises(ConfigError, match="choose from color, position"):
        PredictorConfig("colour")

    with pytest.raises(ConfigError, match="choose from frames, episodes"):
        PredictorConfig("color", split="rows")

    with pytest.raises(ConfigError, match="epochs 0"):
        PredictorConfig("color", epochs=0)

    with pytest.raises(ConfigError, match="test_share is"):
        PredictorConfig("color", test_share=1.0)
