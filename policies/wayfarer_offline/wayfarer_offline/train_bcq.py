"""Offline reinforcement learning: BCQ on recorded steps with a task's rewards.

A training that was killed at any point continues from its last save and ends with the same
bits.
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_core.provenance import completed, refuse_another_training
from wayfarer_data.cache.dataset import Dataset
from wayfarer_data.cache.sources import ALL, SOURCES, draw, rows_by_source
from wayfarer_policies.acting.offline_policy import write_policy
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import LabelledBatch, LearningError, Observation
from wayfarer_policies.algorithms.bcq import BCQ, BCQConfig
from wayfarer_policies.algorithms.bcq_networks import BCQHeads, Description, StateBCQ
from wayfarer_policies.algorithms.checkpoint import State
from wayfarer_policies.algorithms.networks import EncoderConfig, fast_precision

from wayfarer_offline import train_encoder
from wayfarer_offline.pose_labels import PoseLabels
from wayfarer_offline.tasks import task
from wayfarer_offline.train_encoder import PoseEncoding

POLICY, TRAINING, ENCODER = "policy.safetensors", "training.safetensors", "encoder.safetensors"

RECIPES = ("practical", "paper")

_LEAST_SIDE = 1e-3  # m, of the box in which the end effector was

Corner = tuple[float, float, float]  # [m], base frame
OnProgress = Callable[[int, dict[str, float]], None]  # number of updates, metrics of the last one


def bcq_constants(recipe: str = "practical", device: str = "cpu") -> BCQConfig:
    """Return BCQ's constants, with the encoder in the fast precision of this device.

    "paper" means BCQ's authors' constants. "practical" differs where they fail on recorded
    exploration (docs/results.md): their clip of the latents leaves only small actions, and their
    discount hides which action is better. Its heads act on 18 numbers, so they are smaller.
    """
    if recipe not in RECIPES:
        raise ConfigError(f"recipe {recipe!r}: choose from {', '.join(RECIPES)}")

    encoder = EncoderConfig(channels=3, precision=fast_precision(device))
    if recipe == "paper":
        return BCQConfig(Description("shared", encoder))

    seeing = replace(encoder, layer_norm=True, ee_position=True)
    widths = (128, 128)
    heads = BCQHeads(vae=widths, perturbation=widths, critic=widths, latent_clip=3.0)

    return BCQConfig(Description("pose", seeing, heads), gamma=0.95, learning_rate=3e-4)


@dataclass(frozen=True)
class OfflineConfig:
    """What to learn, and for how long; updates and batch are docs/method.md's by default."""

    task: str  # of tasks.TASKS
    steps: int = 50_000  # updates
    batch: int = 100
    bcq: BCQConfig = field(default_factory=bcq_constants)  # its seed is the seed of the training
    save_every: int = 250  # updates
    curve_points: int = 200  # at most; each is the mean over the updates since the last
    sources: str = ALL  # of SOURCES: whose steps it learns from
    device: str = "cpu"  # where it computes: cpu or cuda
    encoding: PoseEncoding = field(default_factory=PoseEncoding)  # of an encoder that learns first

    def __post_init__(self) -> None:
        task(self.task)
        if self.sources not in SOURCES:
            raise ConfigError(f"sources {self.sources!r}: choose from {', '.join(SOURCES)}")
        if min(self.steps, self.batch, self.save_every, self.curve_points) < 1:
            raise ConfigError(
                f"steps, batch, save_every and curve_points must be at least 1, not {self}"
            )


class TaskRewards:
    """Steps with the reward of their next state, for BCQ.

    A task ends no episode. So a step is terminal only if the recording says that the robot's
    world ended there; after a time limit the value of the next state counts.
    """

    def __init__(self, dataset: Dataset, labels: PoseLabels, name: str, sources: str = ALL) -> None:
        """Raises DataError if no step has a label, or none is from these sources.

        TaskDataError if all have the same reward.
        """
        self.dataset, self.sources = dataset, labels.sources
        self.states: Tensor | None = None  # (R, S): in place of images, once they are encoded
        self._halves = rows_by_source(dataset, labels.transitions(dataset), sources)
        self.rows = np.concatenate(self._halves)  # (N,)
        self._chosen = sources
        self._rewards = labels.rewards(dataset, task(name))  # (R,)
        self.successes = int(task(name).success(labels.poses[self.rows + 1]).sum())

    def sample(self, size: int, rng: np.random.Generator) -> LabelledBatch:
        """Draw steps uniformly, with replacement.

        If both sources have equal weight, draw half of them from each.
        """
        return self.batch(draw(self._halves, size, rng))

    def batch(self, rows: NDArray[np.int64]) -> LabelledBatch:
        """Return the steps at these rows (B,), which are some of `rows`."""
        batch, encoded = self.dataset.batch(rows), self.states
        seen = batch.states if encoded is None else encoded[batch.rows]
        seen_next = batch.next_states if encoded is None else encoded[batch.rows + 1]

        return LabelledBatch(
            observations=Observation(seen, batch.ee_positions),
            actions=batch.actions,
            rewards=torch.from_numpy(self._rewards[rows + 1]),
            next_observations=Observation(seen_next, batch.next_ee_positions),
            terminated=batch.terminated,
        )

    def description(self) -> dict[str, Any]:
        """Return a description of the data as JSON values."""
        described = {"steps": len(self.rows), "successes": self.successes, "labels": self.sources}
        return described if self._chosen == ALL else {**described, "sources": self._chosen}


def train_bcq(
    config: OfflineConfig,
    dataset: Dataset,
    seed: int,
    out: Path,
    on_progress: OnProgress = lambda _done, _metrics: None,
    labels: PoseLabels | None = None,
    on_encoding: train_encoder.OnProgress = lambda _done, _loss: None,
) -> Path:
    """Train to `config.steps` updates and return the policy's file in the folder `out`.

    A training in `out` is continued, or found finished; ConfigError if it is another training.
    `labels` are by default the recorded truth, or a calibrated camera's tracker. `on_encoding`
    hears of the encoder, if it learns first.
    DataError for data without labels, TaskDataError for data that never shows the task's reward,
    LearningError for a loss that is not finite: the last save stays.
    """
    labels = labels or PoseLabels.of(dataset)
    data = TaskRewards(dataset, labels, config.task, config.sources)
    _check_images(dataset, config.bcq.networks.encoder)
    config = fitted(config, dataset)
    if config.device != "cpu":
        dataset.hold(config.device)

    training, encoder = _Training(config, data, seed, out), None
    if config.bcq.networks.encoders == "pose":
        encoder = train_encoder.learned_encoder(
            config.encoding,
            config.bcq.networks.encoder,
            dataset,
            labels,
            seed,
            out / ENCODER,
            config.device,
            on_encoding,
        )
        if training.step < config.steps:
            data.states = train_encoder.encoded(encoder, dataset)

    while training.step < config.steps:
        on_progress(training.step + 1, training.update())
        if training.step % config.save_every == 0 or training.step == config.steps:
            training.save()

    about = {
        "task": config.task,
        "updates": training.step,
        "seed": seed,
        "data": data.description(),
    }
    file, networks = out / POLICY, training.bcq.networks
    if isinstance(networks, StateBCQ) and encoder is not None:
        networks = networks.behind(encoder)

    write_policy(file, config.bcq.networks, networks, about)
    (out / "curve.json").write_text(json.dumps(training.curve, sort_keys=True))

    return file


def _check_images(dataset: Dataset, encoder: EncoderConfig) -> None:
    found = tuple(dataset.frames(dataset.transitions[:1]).shape[1:])
    wanted = (encoder.channels, encoder.height, encoder.width)
    if found != wanted:
        raise DataError(
            f"{', '.join(map(str, dataset.runs))}: images are {found} (C, H, W), the networks "
            f"take {wanted}"
        )


def fitted(config: OfflineConfig, dataset: Dataset) -> OfflineConfig:
    """Return the configuration for the size of the data's actions, and for the box in which the
    end effector was.
    """
    networks = config.bcq.networks
    size = dataset.column("actions").shape[1]  # with a gripper there is one more
    if networks.heads.actions != size:
        heads = replace(networks.heads, action_low=(-1.0,) * size, action_high=(1.0,) * size)
        networks = replace(networks, heads=heads)

    if networks.encoder.ee_position:
        low, high = _box(dataset)
        networks = replace(networks, encoder=replace(networks.encoder, box_low=low, box_high=high))

    return replace(config, bcq=replace(config.bcq, networks=networks))


def trained(networks: Description) -> Description:
    """Return the part that BCQ trains: behind an encoder that has learned before, the heads."""
    return replace(networks, encoders="none") if networks.encoders == "pose" else networks


def _box(dataset: Dataset) -> tuple[Corner, Corner]:
    """Return the corners [m] of the box that holds every position of the end effector."""
    seen = np.asarray(dataset.column("ee_positions"))[dataset.known]  # (K, 3)
    low, high = seen.min(axis=0), seen.max(axis=0)
    still = high - low < _LEAST_SIDE  # axes along which it did not move
    low, high = np.where(still, low - _LEAST_SIDE, low), np.where(still, high + _LEAST_SIDE, high)

    return _corner(low), _corner(high)


def _corner(position: NDArray[np.floating]) -> Corner:
    x, y, z = position.tolist()
    return x, y, z


class _Training:
    """The learner, its random draws, its progress and its curve; saved as one file."""

    def __init__(self, config: OfflineConfig, data: TaskRewards, seed: int, out: Path) -> None:
        self._config, self._data, self._file = config, data, out / TRAINING
        constants = replace(config.bcq, seed=seed, networks=trained(config.bcq.networks))
        self.bcq = BCQ(constants, config.device)
        self._rng = np.random.default_rng([seed, 1])
        self.step = 0
        self.curve: dict[str, list[float]] = {}  # name -> means, with the step of each under "step"
        self._sums: dict[str, float] = {}
        self._sum_of = 0  # updates in `_sums`
        self._identity = self._describe(seed)

        if self._file.exists():
            self._restore(checkpoint.read(self._file, "bcq training"))

    def _describe(self, seed: int) -> dict[str, Any]:
        """Return all that must be equal to continue a training; only steps may be added."""
        config = asdict(replace(self._config, bcq=replace(self._config.bcq, seed=seed)))
        later = ("steps", "save_every", "curve_points", "encoding")  # its own file knows the last
        kept = {key: value for key, value in config.items() if key not in later}
        described: dict[str, Any] = json.loads(
            json.dumps({**kept, "data": self._data.description()})
        )

        return described

    def update(self) -> dict[str, float]:
        """Make one update. LearningError names the update."""
        try:
            told = self.bcq.update(self._data.sample(self._config.batch, self._rng))
            self.bcq.check()
        except LearningError as error:
            raise LearningError(
                f"update {self.step + 1}: {error}; {self._file} holds the last save, if any"
            ) from error

        # one wait for the device, not one for each value
        metrics = dict(zip(told, torch.stack(list(told.values())).tolist(), strict=True))
        self.step += 1
        self._sum_of += 1

        for name, value in metrics.items():
            self._sums[name] = self._sums.get(name, 0.0) + value

        if self._sum_of >= max(1, self._config.steps // self._config.curve_points):
            self._add_point()

        return metrics

    def _add_point(self) -> None:
        self.curve.setdefault("step", []).append(self.step)
        for name, total in self._sums.items():
            self.curve.setdefault(name, []).append(total / self._sum_of)
        self._sums, self._sum_of = {}, 0

    def save(self) -> None:
        """Write all that is needed to continue bit for bit."""
        own = {"step": self.step, "curve": self.curve, "sums": self._sums, "sum_of": self._sum_of}
        parts = {"bcq": self.bcq.state(), "rng": checkpoint.rng_state(self._rng)}
        parts["self"] = State({}, {**own, "identity": self._identity})
        checkpoint.write(self._file, "bcq training", State.join(parts))

    def _restore(self, state: State) -> None:
        own = state.part("self")
        earliest = OfflineConfig(self._config.task, bcq=bcq_constants("paper"))
        defaults = json.loads(json.dumps(asdict(earliest)))
        known = {key: defaults[key] for key in self._identity.keys() & defaults.keys()}
        found = completed(own.value("identity"), known)
        refuse_another_training(self._file.parent, found, self._identity)
        self.bcq.restore(state.part("bcq"))
        checkpoint.restore_rng(self._rng, state.part("rng"))
        self.step, self.curve = int(own.value("step")), own.value("curve")
        self._sums, self._sum_of = own.value("sums"), int(own.value("sum_of"))
