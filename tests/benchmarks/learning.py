"""How fast the learning core is on this machine.

Read times as ratios: what is compared takes turns in one run.

Usage: learning.py [--json] [--threads N]. Stable-Baselines3 and d3rlpy are measured where `make
bench` has put them. With `--device cuda`: only the parts of learning, on that device and on the
processor in turns. That needs no ROS.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from wayfarer_bags.bag import messages
from wayfarer_bags.message_types import base_types
from wayfarer_offline.train_bcq import bcq_constants
from wayfarer_policies.algorithms.algorithm import (
    Algorithm,
    GoalPixels,
    LabelledBatch,
    Observation,
    one_observation,
)
from wayfarer_policies.algorithms.bcq import BCQ
from wayfarer_policies.algorithms.networks import EncoderConfig, SeparateEncoders, fast_precision
from wayfarer_policies.algorithms.rnd import RND, RNDConfig
from wayfarer_policies.algorithms.td3 import TD3, TD3Config

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))  # the fixtures
sys.path.append(str(Path(sys.prefix) / "bench"))  # last: only what .venv itself does not have
import world
from fixtures.configs import write_config

BATCH, CHANNELS, SIDE = 100, 6, 84
ROUNDS = 5


def noise_batch(channels: int = CHANNELS) -> LabelledBatch:
    generator = torch.Generator().manual_seed(0)

    def observation() -> Observation:
        shape = (BATCH, channels, SIDE, SIDE)

        return Observation(
            torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator),
            torch.zeros(BATCH, 3),
        )

    actions = torch.rand(BATCH, 3, generator=generator) * 2 - 1

    return LabelledBatch(
        observation(),
        actions,
        -torch.ones(BATCH),
        observation(),
        torch.zeros(BATCH, dtype=torch.bool),
    )


def alternate(parts: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the median milliseconds of a pair of calls, halved; the parts take turns."""
    times: dict[str, list[float]] = {name: [] for name in parts}
    for call in parts.values():  # warm up
        call()
        call()

    for _ in range(rounds):
        for name, call in parts.items():
            start = time.perf_counter()
            call()
            call()  # two: the actor is updated every second time
            times[name].append((time.perf_counter() - start) * 500)

    return {name: statistics.median(values) for name, values in times.items()}


def once(call: Callable[[], object], rounds: int = 3) -> float:
    """Return the median seconds of a call."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)

    return statistics.median(times)


class Trunk(nn.Module):
    """Our encoder, as other libraries want it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(CHANNELS, 32, 8, 4), nn.ReLU(), nn.Conv2d(32, 64, 4, 2), nn.ReLU()),
            *(nn.Conv2d(64, 64, 3, 1), nn.ReLU(), nn.Flatten(), nn.Linear(3136, 256), nn.ReLU()),
        )


def stable_baselines3() -> Callable[[], object]:
    """TD3 of Stable-Baselines3 with the same sizes.

    A feature extractor for actor and critic each, its own default.
    """
    gymnasium = import_module("gymnasium")
    extractor = import_module("stable_baselines3.common.torch_layers").BaseFeaturesExtractor

    space = gymnasium.spaces.Box(0, 255, (CHANNELS, SIDE, SIDE), np.uint8)

    class Extractor(extractor):  # type: ignore[misc, valid-type]
        def __init__(self, observation_space: Any) -> None:
            super().__init__(observation_space, 256)
            self.trunk = Trunk()

        def forward(self, pixels: torch.Tensor) -> Any:
            return self.trunk.layers(pixels)

    class Still(gymnasium.Env):  # type: ignore[misc, name-defined]
        observation_space = space
        action_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)

        def reset(self, **_: Any) -> tuple[Any, dict[str, Any]]:
            return space.sample(), {}

        def step(self, _: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
            return space.sample(), -1.0, False, False, {}

    policy = {
        "features_extractor_class": Extractor,
        "net_arch": {"pi": [300, 200], "qf": [400, 300]},
    }
    learner = import_module("stable_baselines3").TD3(
        "CnnPolicy", Still(), learning_rate=1e-4, batch_size=BATCH, buffer_size=300, learning_starts=0,
        train_freq=(150, "step"), gradient_steps=1, policy_kwargs=policy,
    )  # fmt: skip
    learner.learn(150)

    return lambda: learner.train(gradient_steps=1, batch_size=BATCH)


def d3rlpy() -> Callable[[], object]:
    """TD3 of d3rlpy with the same sizes.

    An encoder for the actor and for each of two critics, its own default.
    """
    theirs = import_module("d3rlpy")

    trunk = {"filters": [(32, 8, 4), (64, 4, 2), (64, 3, 1)], "feature_size": 256}
    encoder = theirs.models.PixelEncoderFactory(**trunk)
    config = theirs.algos.TD3Config(
        batch_size=BATCH,
        actor_learning_rate=1e-4,
        critic_learning_rate=1e-4,
        actor_encoder_factory=encoder,
        critic_encoder_factory=encoder,
        observation_scaler=theirs.preprocessing.PixelObservationScaler(),
    )
    rng = np.random.default_rng(0)
    dataset = theirs.dataset.MDPDataset(
        observations=rng.integers(0, 256, (300, CHANNELS, SIDE, SIDE), dtype=np.uint8),
        actions=rng.uniform(-1, 1, (300, 3)).astype(np.float32),
        rewards=-np.ones(300, np.float32),
        terminals=np.arange(300) % 100 == 99,
    )
    learner = config.create(device="cpu:0")
    learner.build_with_dataset(dataset)

    return lambda: learner.update(dataset.sample_transition_batch(BATCH))


def collection_step_ms(schedule: str, threads: int, steps: int, episodes: int = 4) -> float:
    """Return the milliseconds per step of `goal` (recipe paper) over ROS, from one episode's
    beginning to the next.

    The learned policy acts from the first step on, each goal is chosen; novelty is not fitted in so
    few episodes: its share is rnd_fit_s in every 2,000 steps.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        config = write_config(Path(folder) / "config.yaml", actor={"random_steps": 0})
        size = [
            "--episodes",
            str(episodes),
            "--steps",
            str(steps),
            "--schedule",
            schedule,
            "--recipe",
            "paper",
            "--threads",
            str(threads),
            "--out",
            str(run),
            "--config",
            str(config),
        ]
        command = [
            str(Path(sys.executable).parent / "wayfarer"),
            "collect",
            "--method",
            "goal",
            *size,
        ]
        subprocess.run(command, check=True, stdout=sys.stderr)
        began = [
            next(messages(path, base_types())).publish_time for path in sorted(run.glob("*.mcap"))
        ]

    return float(np.median(np.diff(began[1:]))) / steps * 1e-6


def measure_collection(update_ms: float, act_ms: float, steps: int = 200) -> dict[str, float]:
    """Hold the whole step over ROS against the sum of its parts, and the two schedules against each
    other.
    """
    parts = 1000.0 / world.measure()["world_steps_per_s"] + update_ms + act_ms
    cores = len(os.sched_getaffinity(0))
    sequential, overlapped = (
        collection_step_ms(schedule, 1, steps) for schedule in ("sequential", "overlapped")
    )
    all_cores = collection_step_ms("sequential", cores, steps)

    return {
        "collect_step_ms": sequential,
        "collect_step_all_cores_ms": all_cores,
        "collect_cores": cores,
        "all_cores_ratio": all_cores / sequential,
        "collect_step_parts_ms": parts,
        "overlapped_ratio": sequential / overlapped,
    }


def measure_device(device: str) -> dict[str, float | None]:
    """Hold the parts of learning on a device against the same parts on the processor."""
    images = np.random.default_rng(0).integers(0, 256, (2000, 3, SIDE, SIDE), dtype=np.uint8)
    found: dict[str, float | None] = {}
    for place in ("cpu", device):
        batch = noise_batch().to(torch.device(place))
        learner = TD3(TD3Config(EncoderConfig(precision=fast_precision(place))), device=place)
        rnd = RND(RNDConfig(precision=fast_precision(place)), place)
        bcq = BCQ(bcq_constants("paper", place), place)  # trains its encoder
        images_only = noise_batch(3).to(torch.device(place))

        found[f"update_{place}_ms"] = 20.0 * once(partial(updates, learner, batch, 50))
        found[f"bcq_update_{place}_ms"] = 20.0 * once(partial(updates, bcq, images_only, 50))
        found[f"select_goal_{place}_s"] = once(partial(rnd.novelty, images))
        found[f"rnd_fit_{place}_s"] = once(partial(rnd.fit, images, epochs=4), rounds=2)

    found["update_ratio"] = (found["update_cpu_ms"] or 0.0) / (found[f"update_{device}_ms"] or 1.0)

    return found


def updates(learner: Algorithm, batch: LabelledBatch, count: int) -> None:
    """Make updates as the learner node does: the device is waited for behind the last."""
    for _ in range(count):
        learner.update(batch)
    learner.check()


def measure() -> dict[str, float | None]:
    """Measure everything; a library that is not installed gives null and a line on stderr."""
    batch = noise_batch()
    fast = TD3(TD3Config(EncoderConfig(precision=fast_precision())))
    shared = TD3(TD3Config())
    separate = TD3(TD3Config(), SeparateEncoders)
    parts: dict[str, Callable[[], object]] = {
        "update_ms": lambda: fast.update(batch),
        "update_shared_fp32_ms": lambda: shared.update(batch),
        "update_separate_fp32_ms": lambda: separate.update(batch),
    }

    for name, build in (("sb3_update_ms", stable_baselines3), ("d3rlpy_update_ms", d3rlpy)):
        try:
            parts[name] = build()
        except ImportError as error:
            print(f"{name}: not measured, {error}", file=sys.stderr)

    found: dict[str, float | None] = {
        "sb3_update_ms": None,
        "d3rlpy_update_ms": None,
        **alternate(parts),
    }
    found["update_ratio"] = (found["update_separate_fp32_ms"] or 0.0) / (found["update_ms"] or 1.0)
    rnd = RND(RNDConfig(precision=fast_precision()))
    images = np.random.default_rng(0).integers(0, 256, (2000, 3, SIDE, SIDE), dtype=np.uint8)
    found["select_goal_s"] = once(lambda: rnd.novelty(images))
    found["rnd_fit_s"] = once(lambda: rnd.fit(images, epochs=4), rounds=2)
    zeros = np.zeros((3, SIDE, SIDE), np.uint8)
    goal = GoalPixels(zeros, np.zeros(3))
    act = {"act": lambda: fast.greedy(one_observation(zeros, goal, np.zeros(3), CHANNELS))}
    found["act_ms"] = alternate(act, 50)["act"]
    found.update(measure_collection(found["update_ms"] or 0.0, found["act_ms"] or 0.0))

    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--device", help="hold this device, such as cuda, against the processor")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    found = measure_device(arguments.device) if arguments.device else measure()

    if arguments.json:
        print(json.dumps({**found, "threads": arguments.threads}))
    else:
        for name, value in found.items():
            print(f"{name:26} {'-' if value is None else f'{value:.2f}'}")


if __name__ == "__main__":
    main()
