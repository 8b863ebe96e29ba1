"""Small episodes, buffers and batches that the learning tests share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from wayfarer_bags.episode import End
from wayfarer_policies.algorithm import LabelledBatch, Observation
from wayfarer_policies.replay.frames import FrameCache, Trajectory
from wayfarer_policies.replay.sampling import Replay

SIDE = 36  # the least the convolutions take


def _trajectory(number: int, steps: int = 6, end: End = End.TRUNCATED, discrete: bool = False) -> Trajectory:
    """Every pixel of frame t holds 10 * number + t, so that each frame is recognised."""
    rng = np.random.default_rng(number)
    frames = np.empty((steps + 1, 3, SIDE, SIDE), np.uint8)
    frames[:] = (10 * number + np.arange(steps + 1, dtype=np.uint8))[:, None, None, None]
    actions = rng.integers(6, size=steps) if discrete else rng.uniform(-1, 1, (steps, 3)).astype(np.float32)
    positions = np.full((steps + 1, 3), number, np.float32) + np.arange(steps + 1, dtype=np.float32)[:, None] / 100
    known = np.ones(steps + 1, bool)
    return Trajectory(number, frames, actions, positions, known[:-1].copy(), known, end)


def _batch(size: int = 8, channels: int = 6, seed: int = 0, actions: int | None = None) -> LabelledBatch:
    """Noise; `actions` discrete ones, or three continuous."""
    generator = torch.Generator().manual_seed(seed)

    def observation() -> Observation:
        pixels = torch.randint(0, 256, (size, channels, SIDE, SIDE), dtype=torch.uint8, generator=generator)
        return Observation(pixels, torch.rand(size, 3, generator=generator), torch.rand(size, 3, generator=generator))

    if actions is None:
        chosen = torch.rand(size, 3, generator=generator) * 2 - 1
    else:
        chosen = torch.randint(0, actions, (size,), generator=generator)
    terminated = torch.rand(size, generator=generator) < 0.2
    return LabelledBatch(observation(), chosen, -torch.ones(size), observation(), terminated)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Small networks: a second thread costs more than it brings."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def make_trajectory() -> Callable[..., Trajectory]:
    return _trajectory


@pytest.fixture
def make_batch() -> Callable[..., LabelledBatch]:
    return _batch


@pytest.fixture
def make_replay(tmp_path: Path) -> Callable[..., Replay]:
    def make(*trajectories: Trajectory) -> Replay:
        store = Replay(FrameCache(tmp_path / "cache"))
        for one in trajectories:
            store.add(one)
        return store

    return make
