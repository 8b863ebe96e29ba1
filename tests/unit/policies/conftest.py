"""Small batches that the learning tests share, and the episodes and buffers they are drawn from."""

from collections.abc import Callable

import pytest
import torch
from fixtures.replayed import SIDE, make_replay, make_trajectory, one_thread
from wayfarer_policies.algorithms.algorithm import LabelledBatch, Observation

__all__ = ["make_replay", "make_trajectory", "one_thread"]


def _batch(
    size: int = 8, channels: int = 6, seed: int = 0, actions: int | None = None
) -> LabelledBatch:
    """Noise; `actions` discrete ones, or three continuous."""
    generator = torch.Generator().manual_seed(seed)

    def observation() -> Observation:
        pixels = torch.randint(
            0, 256, (size, channels, SIDE, SIDE), dtype=torch.uint8, generator=generator
        )

        return Observation(
            pixels,
            torch.rand(size, 3, generator=generator),
            torch.rand(size, 3, generator=generator),
        )

    if actions is None:
        chosen = torch.rand(size, 3, generator=generator) * 2 - 1
    else:
        chosen = torch.randint(0, actions, (size,), generator=generator)

    terminated = torch.rand(size, generator=generator) < 0.2

    return LabelledBatch(observation(), chosen, -torch.ones(size), observation(), terminated)


@pytest.fixture
def make_batch() -> Callable[..., LabelledBatch]:
    return _batch
