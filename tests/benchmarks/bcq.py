"""Our BCQ beside d3rlpy's on one small dataset: what their policies earn, and what an update costs.

The world is painted: a square moves along y by the second part of the action, the reward is that of
pushing. Both learn from the same random actions, with the same constants; both policies then act in
it. d3rlpy comes with `make bench`.

Usage: bcq.py [--json] [--updates N] [--seeds N] [--threads N]
"""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1]))  # the tests' fixtures
sys.path.append(str(Path(sys.prefix) / "bench"))  # last: only what .venv itself does not have
from fixtures.painted import PUSH, SIDE, paint, painted, pose
from wayfarer_offline.pose_labels import PoseLabels
from wayfarer_offline.tasks import task
from wayfarer_offline.train_bcq import TaskRewards
from wayfarer_policies.algorithms.algorithm import LabelledBatch, Observation, one_observation
from wayfarer_policies.algorithms.bcq import BCQ, BCQConfig
from wayfarer_policies.algorithms.bcq_networks import BCQHeads, Description
from wayfarer_policies.algorithms.networks import EncoderConfig, fast_precision

EPISODES, STEPS, TRIALS = 60, 12, 20
GAMMA, BATCH, FEATURES = 0.9, 100, 64
FILTERS = (8, 16, 16)
NETWORKS = Description(
    "separate",  # as theirs
    EncoderConfig(3, SIDE, SIDE, FILTERS, FEATURES),
    BCQHeads(vae=(FEATURES,), perturbation=(FEATURES,), critic=(FEATURES,)),
)

Policy = Callable[[NDArray[np.uint8]], NDArray[Any]]


def mean_return(policy: Policy) -> float:
    """Act from y = 0 with the same colour up; return the mean sum of rewards."""
    push, total = task("push"), 0.0
    for _ in range(TRIALS):
        y = 0.0
        for _ in range(STEPS):
            y = float(np.clip(y + PUSH * policy(paint(y, "green"))[1], -0.35, 0.35))
            total += float(push.reward(pose(y)))

    return total / TRIALS


class Ours:
    """Our learner."""

    def __init__(self, data: TaskRewards, seed: int, encoders: str = "separate") -> None:
        self._data, self._rng = data, np.random.default_rng(seed)
        self._bcq = BCQ(BCQConfig(replace(NETWORKS, encoders=encoders), gamma=GAMMA, seed=seed))

    def update(self) -> object:
        return self._bcq.update(self._data.sample(BATCH, self._rng))

    def policy(self, picture: NDArray[np.uint8]) -> NDArray[Any]:
        seen = one_observation(picture, None, np.zeros(3), 3)
        return self._bcq.greedy(seen)[0].numpy()


class Theirs:
    """d3rlpy's; it proposes as many actions for a target as for acting, and its heads are single
    layers.
    """

    def __init__(self, data: TaskRewards, seed: int) -> None:
        d3rlpy = import_module("d3rlpy")
        d3rlpy.seed(seed)
        filters = [[FILTERS[0], 8, 4], [FILTERS[1], 4, 2], [FILTERS[2], 3, 1]]
        encoder = d3rlpy.models.PixelEncoderFactory(filters=filters, feature_size=FEATURES)
        config = d3rlpy.algos.BCQConfig(
            batch_size=BATCH,
            gamma=GAMMA,
            n_action_samples=10,
            actor_encoder_factory=encoder,
            critic_encoder_factory=encoder,
            imitator_encoder_factory=encoder,
            observation_scaler=d3rlpy.preprocessing.PixelObservationScaler(),
        )
        source, rows = data.dataset, np.arange(data.dataset.rows)
        rewards = np.zeros(len(rows), np.float32)
        rewards[data.rows] = data.batch(data.rows).rewards.numpy()
        last = np.isin(rows, source.lasts)
        self._dataset = d3rlpy.dataset.MDPDataset(
            observations=source.frames(rows).numpy(),
            actions=source.actions(rows).numpy(),
            rewards=rewards,
            terminals=np.zeros(len(rows)),
            timeouts=last.astype(np.float32),
        )
        self._learner = config.create(device="cpu:0")
        self._learner.build_with_dataset(self._dataset)

    def update(self) -> dict[str, float]:
        return dict(self._learner.update(self._dataset.sample_transition_batch(BATCH)))

    def policy(self, picture: NDArray[np.uint8]) -> NDArray[Any]:
        return np.asarray(self._learner.predict(picture[None])[0])


def learn(learner: Ours | Theirs, updates: int) -> tuple[float, float]:
    """Return the mean return afterwards, and the median milliseconds of an update."""
    times = []
    for _ in range(updates):
        start = time.perf_counter()
        learner.update()
        times.append(time.perf_counter() - start)

    return mean_return(learner.policy), 1e3 * statistics.median(times)


def full_update_ms(precision: str, rounds: int = 9) -> float:
    """Return the processor time of an update at the paper's sizes on noise, with one shared encoder
    [ms].
    """
    bcq = BCQ(BCQConfig(Description("shared", EncoderConfig(channels=3, precision=precision))))
    pixels = torch.randint(0, 256, (2, BATCH, 3, 84, 84), dtype=torch.uint8)
    seen, following = (Observation(half, torch.zeros(BATCH, 3)) for half in pixels)
    actions, ends = torch.rand(BATCH, 3) * 2 - 1, torch.zeros(BATCH, dtype=torch.bool)
    batch = LabelledBatch(seen, actions, torch.rand(BATCH), following, ends)
    times = []

    for _ in range(rounds):
        start = time.process_time()
        bcq.update(batch)
        times.append(time.process_time() - start)

    return 1e3 * statistics.median(times)


def measure(updates: int, seeds: int) -> dict[str, Any]:
    """Measure everything; without d3rlpy its figures are null."""
    rng = np.random.default_rng(0)
    found: dict[str, Any] = {
        "random_return": mean_return(lambda _: rng.uniform(-1, 1, 3)),
        "best_return": mean_return(lambda _: np.array([0.0, 1.0, 0.0])),
        "full_update_cpu_ms": full_update_ms(fast_precision()),
        "full_update_fp32_cpu_ms": full_update_ms("float32"),
    }
    with tempfile.TemporaryDirectory() as folder:
        dataset = painted(Path(folder) / "run", EPISODES, STEPS, face="green")
        data = TaskRewards(dataset, PoseLabels.of(dataset), "push")
        builds: dict[str, Callable[[int], Ours | Theirs]] = {
            "ours": lambda seed: Ours(data, seed),
            "ours_shared": lambda seed: Ours(data, seed, "shared"),
            "d3rlpy": lambda seed: Theirs(data, seed),
        }

        for name, build in builds.items():
            try:
                with contextlib.redirect_stdout(sys.stderr):  # d3rlpy tells its log there
                    results = [learn(build(seed), updates) for seed in range(seeds)]
            except ImportError as error:
                print(f"{name}: not measured, {error}", file=sys.stderr)
                results = []

            found[f"{name}_returns"] = [value for value, _ in results] or None
            found[f"{name}_update_ms"] = (
                statistics.median(ms for _, ms in results) if results else None
            )

    return {**found, "updates": updates}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    found = measure(arguments.updates, arguments.seeds)

    if arguments.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:22} {value}")


if __name__ == "__main__":
    main()
