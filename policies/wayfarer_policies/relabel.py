"""Goals drawn anew for every batch from the future of the same episode (METHOD.md, Algorithm 1, step 3).

Unlike HER's relabelling once and for all, a transition meets another goal each time it is drawn. The value then is a
negative number of steps to the goal: reward -1 until the goal is reached, and nothing after it.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from wayfarer_common.errors import DataError

from wayfarer_policies.algorithm import LabelledBatch, Observation, within
from wayfarer_policies.checkpoint import State
from wayfarer_policies.replay.sampling import Batch, Store

SELF_GOALS = 0.04  # p of Table I


class Reached(Protocol):
    """When does an observation count as the goal."""

    def __call__(self, rows: Tensor, goal_rows: Tensor, pixels: Tensor) -> Tensor:
        """Compare rows (B,) with the goals', or images with the goals behind them, pixels (B, 2C, H, W): (B,) bool."""


@dataclass(frozen=True)
class SameStep:
    """The goal is reached at the very step it was taken from."""

    def __call__(self, rows: Tensor, goal_rows: Tensor, pixels: Tensor) -> Tensor:  # noqa: ARG002
        """Compare the steps."""
        return rows == goal_rows


@dataclass(frozen=True)
class ImageDistance:
    """The goal is reached at its own step and wherever the image is near enough to it.

    0.0 asks for equal pixels, the authors' test: right in a world without noise, never true on a camera.
    """

    threshold: float  # [grey levels], mean absolute difference over all pixels and channels

    def __post_init__(self) -> None:
        within("threshold", self.threshold, 0.0, 255.0)

    def __call__(self, rows: Tensor, goal_rows: Tensor, pixels: Tensor) -> Tensor:
        """Compare the images."""
        frames, goal_frames = pixels.chunk(2, dim=1)  # (B, C, H, W) each, views
        larger, smaller = torch.maximum(frames, goal_frames), torch.minimum(frames, goal_frames)
        distance = (larger - smaller).flatten(1).sum(dim=1, dtype=torch.int64) / frames[0].numel()  # (B,)
        return (rows == goal_rows) | (distance <= self.threshold)


class FutureGoals:
    """Label a batch with goals: g uniform over s_tau .. s_T of the same episode, s_tau itself with probability p."""

    def __init__(self, self_goals: float = SELF_GOALS, reached: Reached | None = None) -> None:
        within("self_goals", self_goals, 0.0, 1.0)
        self.self_goals = self_goals
        self.reached = reached or SameStep()

    def prepare(self, store: Store) -> None:
        """Nothing has to be known beforehand."""

    def label(self, batch: Batch, store: Store, rng: np.random.Generator) -> LabelledBatch:
        """Return ((s, g), a, r, (s', g), done)."""
        future = store.future_rows(batch.rows, rng)  # (B,)
        itself = torch.from_numpy(rng.random(len(future)) < self.self_goals)  # (B,)
        goal_rows = torch.where(itself, batch.rows, future)
        pixels, next_pixels = store.pairs(batch.rows, goal_rows)  # (B, 2C, H, W) each
        is_goal = self.reached(batch.rows, goal_rows, pixels)  # g = s
        next_is_goal = self.reached(batch.rows + 1, goal_rows, next_pixels)  # g = s'
        return LabelledBatch(
            observations=Observation(pixels, batch.ee_positions),
            actions=batch.actions,
            rewards=torch.where(is_goal, 0.0, -1.0),
            next_observations=Observation(next_pixels, batch.next_ee_positions),
            terminated=is_goal | next_is_goal,  # the end of the world's own task says nothing about this goal
        )

    def state(self) -> State:
        """Nothing is remembered between batches."""
        return State({}, {"labels": "goals"})

    def restore(self, state: State) -> None:
        """Check that the state is one of goals."""
        if state.value("labels") != "goals":
            raise DataError(f"the checkpoint learned from {state.value('labels')}, this method from goals")
