"""Predictors from an image.

They predict the upper face's colour or the cube's position (docs/method.md, supervised tasks).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, mse_loss
from wayfarer_core.cube import FACES, top_faces
from wayfarer_core.errors import ConfigError
from wayfarer_data.cache.dataset import Dataset
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import Guard, Observation, positive, within
from wayfarer_policies.algorithms.checkpoint import State
from wayfarer_policies.algorithms.networks import (
    Encoder,
    EncoderConfig,
    PositionScale,
    described,
    fast_precision,
)

from wayfarer_offline.pose_labels import PoseLabels
from wayfarer_offline.predictor_scores import (
    ColourScores,
    PositionScores,
    score_colours,
    score_positions,
)
from wayfarer_offline.splits import SPLITS, draw_split

TARGETS = ("color", "position")
_CHUNK = 500  # test images processed together

OnProgress = Callable[[int, int], None]  # updates made, updates in all
Scores = ColourScores | PositionScores


@dataclass(frozen=True)
class PredictorConfig:
    """Constants of docs/method.md; use fewer epochs for a trial."""

    target: str  # of TARGETS
    epochs: int = 25
    batch: int = 128
    learning_rate: float = 1e-4
    split: str = "frames"  # of splits.SPLITS
    test_share: float = 0.05
    split_seed: int = 0
    features: int = 256
    device: str = "cpu"  # where it computes: cpu or cuda

    def __post_init__(self) -> None:
        if self.target not in TARGETS:
            raise ConfigError(f"target {self.target!r}: choose from {', '.join(TARGETS)}")
        if self.split not in SPLITS:
            raise ConfigError(f"split {self.split!r}: choose from {', '.join(SPLITS)}")
        if min(self.epochs, self.batch, self.features) < 1:
            raise ConfigError(
                f"epochs {self.epochs}, batch {self.batch}, features {self.features}: at least 1 "
                "each"
            )

        positive("learning_rate", self.learning_rate)
        within("test_share", self.test_share, 1e-6, 0.9)


@dataclass(frozen=True)
class PredictorResult:
    """One predictor, trained on one dataset, tested on the common test set."""

    config: PredictorConfig
    runs: tuple[str, ...]  # of the dataset that was trained on
    labels: dict[str, str]  # run -> source of the cube's poses, over all datasets
    seed: int
    # digest of each dataset: with `config` and `which` they identify a training
    datasets: tuple[str, ...]
    which: int  # index of the dataset that was trained on
    train_images: int
    test_images: int
    unseen_images: int  # test images whose exact picture is not in the training set
    losses: tuple[float, ...]  # of each epoch
    scores: Scores  # over the test set
    unseen_scores: Scores | None  # over its unseen images; None if there are none
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


class Predictor(PositionScale):
    """The DQN trunk with one linear layer."""

    def __init__(self, encoder: EncoderConfig, target: str) -> None:
        super().__init__()
        self.target = target
        self.encoder = Encoder(encoder)
        self.head = nn.Linear(encoder.size, len(FACES) if target == "color" else 3)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (B, 6) in the order of FACES, or positions (B, 3) [m], of images (B, C, H,
        W) uint8.

        The images may lie on any device, the outputs lie on the predictor's.
        """
        images = images.to(self.centre.device)
        nowhere = self.centre.new_zeros(len(images), 3)  # this encoder takes no position
        outputs: Tensor = self.head(self.encoder(Observation(images, nowhere)))
        return outputs if self.target == "color" else self.centre + self.spread * outputs

    def loss(self, images: Tensor, labels: Tensor) -> Tensor:
        """Return cross entropy, or the squared error in units of the spread."""
        labels = labels.to(self.centre.device)
        if self.target == "color":
            return cross_entropy(self(images), labels)
        return mse_loss(self(images) / self.spread, labels / self.spread)

    @torch.no_grad()
    def predict(
        self, images: Callable[[NDArray[np.int64]], Tensor], rows: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return the outputs for many rows, chunk by chunk."""
        chunks = [rows[start : start + _CHUNK] for start in range(0, len(rows), _CHUNK)]
        return np.concatenate([self(images(chunk)).cpu().numpy() for chunk in chunks])


def train_predictor(
    config: PredictorConfig,
    datasets: Sequence[Dataset],
    which: int,
    seed: int,
    file: Path | None = None,
    on_progress: OnProgress = lambda _done, _all: None,
    labels: Sequence[PoseLabels] | None = None,
) -> PredictorResult:
    """Train on dataset `which` of `datasets`, test on the common test set of all.

    `file` takes the weights (safetensors). `labels` belong to the datasets; by default they are the
    recorded truth or a calibrated camera's tracker. Raises DataError for missing labels, too
    little data or a run given twice, LearningError for a loss that is not finite.
    """
    began = time.monotonic()
    known = list(labels) if labels is not None else [PoseLabels.of(dataset) for dataset in datasets]
    usable = [of.images(dataset) for dataset, of in zip(datasets, known, strict=True)]
    split = draw_split(datasets, usable, which, config.split, config.test_share, config.split_seed)
    targets = [_targets(config.target, of.poses) for of in known]  # each (R,) or (R, 3)
    predictor = _build(config, datasets[which].frames(split.train[:1]), seed)
    losses = _train(
        config, predictor, datasets[which], split.train, targets[which], seed, on_progress
    )
    outputs, truth = _test(predictor, datasets, split.test, targets)
    trained_on = targets[which][split.train].numpy()

    def score(of: NDArray[Any]) -> Scores:
        if config.target == "color":
            return score_colours(outputs[of].argmax(axis=1), truth[of], trained_on)
        return score_positions(outputs[of], truth[of], trained_on)

    result = PredictorResult(
        config=config,
        runs=tuple(map(str, datasets[which].runs)),
        labels={run: source for of in known for run, source in of.sources.items()},
        seed=seed,
        datasets=tuple(dataset.digest for dataset in datasets),
        which=which,
        train_images=len(split.train),
        test_images=len(truth),
        unseen_images=int(split.unseen.sum()),
        losses=losses,
        scores=score(np.ones(len(truth), dtype=bool)),
        unseen_scores=score(split.unseen) if split.unseen.any() else None,
        seconds=time.monotonic() - began,
    )
    if file is not None:
        write_predictor(file, predictor, result)

    return result


def write_predictor(file: Path, predictor: Predictor, result: PredictorResult) -> None:
    """Write weights with the description of their network, and the result."""
    encoder = vars(predictor.encoder.config)
    checkpoint.write(
        file,
        "predictor",
        State(predictor.state_dict(), {"encoder": encoder, "result": result.to_json()}),
    )


def read_predictor(file: Path) -> tuple[Predictor, dict[str, Any]]:
    """Return a predictor and its result as JSON.

    DataError for a file that is missing, damaged or of another kind.
    """
    state = checkpoint.read(file, "predictor")
    result: dict[str, Any] = state.value("result")
    predictor = Predictor(
        EncoderConfig(**described(state.value("encoder"))), result["config"]["target"]
    )
    checkpoint.restore_module(predictor, State(state.tensors), str(file))

    return predictor.requires_grad_(False), result


# --- steps of the training ---


def _targets(target: str, poses: NDArray[np.float64]) -> Tensor:
    """Return classes (R,) or positions (R, 3).

    Rows without a label are zeros and are never used.
    """
    whole = np.nan_to_num(poses)

    return (
        torch.from_numpy(top_faces(whole[:, 3:]))
        if target == "color"
        else torch.from_numpy(whole[:, :3]).float()
    )


def _build(config: PredictorConfig, example: Tensor, seed: int) -> Predictor:
    channels, height, width = example.shape[1:]
    encoder = EncoderConfig(
        *(channels, height, width),
        features=config.features,
        precision=fast_precision(config.device),
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Predictor(encoder, config.target).to(config.device)


def _train(
    config: PredictorConfig,
    predictor: Predictor,
    dataset: Dataset,
    rows: NDArray[np.int64],
    targets: Tensor,
    seed: int,
    on_progress: OnProgress,
) -> tuple[float, ...]:
    """Train on the rows for `epochs` epochs, each in a new order.

    Return the mean loss of each epoch.
    """
    if config.target == "position":
        predictor.fit_scale(targets[rows])

    if config.device != "cpu":
        dataset.hold(config.device)
    images = dataset.gatherer()

    optimizer = torch.optim.Adam(predictor.parameters(), lr=config.learning_rate, fused=True)
    guard = Guard()
    rng = np.random.default_rng(seed)
    batches = -(-len(rows) // config.batch)
    losses = []

    for epoch in range(config.epochs):
        total, order = 0.0, rng.permutation(rows)
        for k in range(batches):
            here = order[k * config.batch : (k + 1) * config.batch]
            loss = predictor.loss(images(torch.from_numpy(here)), targets[here])
            guard.step(optimizer, loss, f"the {config.target} loss")
            guard.check()
            total += float(loss.detach()) * len(here)
            on_progress(epoch * batches + k + 1, config.epochs * batches)

        losses.append(total / len(rows))

    return tuple(losses)


def _test(
    predictor: Predictor,
    datasets: Sequence[Dataset],
    test: Sequence[NDArray[np.int64]],
    targets: Sequence[Tensor],
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Return outputs and truth over the common test set, each (N, ...)."""
    outputs = [
        predictor.predict(dataset.frames, rows)
        for dataset, rows in zip(datasets, test, strict=True)
    ]
    truth = [of[rows].numpy() for of, rows in zip(targets, test, strict=True)]

    return np.concatenate(outputs), np.concatenate(truth)
