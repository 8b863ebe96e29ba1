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
from wayfarer_policies.replay.rows import Bools, Ints
from wayfarer_policies.replay.sampling import Batch, Store

SELF_GOALS = 0.04  # p of Table I
_REACHED, _NOT_YET = np.float32(0.0), np.float32(-1.0)  # rewards


class Reached(Protocol):
    """When does an observation count as the goal."""

    def __call__(self, rows: Ints, goal_rows: Ints, pixels: Tensor) -> Bools:
        """Compare rows (B,) with the goals', or images with the goals behind them, pixels (B, 2C, H, W): (B,)."""


@dataclass(frozen=True)
class SameStep:
    """The goal is reached at the very step it was taken from."""

    def __call__(self, rows: Ints, goal_rows: Ints, pixels: Tensor) -> Bools:  # noqa: ARG002
        """Compare the steps."""
        return np.asarray(rows == goal_rows)


@dataclass(frozen=True)
class ImageDistance:
    """The goal is reached at its own step and wherever the image is near enough to it.

    0.0 asks for equal pixels, the authors' test: right in a world without noise, never true on a camera.
    """

    threshold: float  # [grey levels], mean absolute difference over all pixels and channels

    def __post_init__(self) -> None:
        within("threshold", self.threshold, 0.0, 255.0)

    def __call__(self, rows: Ints, goal_rows: Ints, pixels: Tensor) -> Bools:
        """Compare the images."""
        frames, goal_frames = pixels.chunk(2, dim=1)  # (B, C, H, W) each, views
        larger, smaller = torch.maximum(frames, goal_frames), torch.minimum(frames, goal_frames)
        distance = (larger - smaller).flatten(1).sum(dim=1, dtype=torch.int64) / frames[0].numel()  # (B,)
        return np.asarray((rows == goal_rows) | (distance <= self.threshold).numpy())


class FutureGoals:
    """Label a batch with goals: g uniform over s_tau .. s_T of the same episode, s_tau itself with probability p."""

    def __init__(self, self_goals: float = SELF_GOALS, reached: Reached | None = None) -> None:
        within("self_goals", self_goals, 0.0, 1.0)
        self.self_goals = self_goals
        self.reached = reached or SameStep()

    def prepare(self, store: Store) -> None:
        """Nothing has to be known beforehand."""

    def label(self, batch: Batch, store: Store, rng: np.random.Generator) -> LabelledBatch:
        """Return ((s, g), a, r, (s', g), done). What is small is done by numpy, whose calls cost less than torch's."""
        rows = batch.rows.numpy()  # (B,)
        future = store.index.future(rows, rng)  # (B,)
        itself = rng.random(len(rows)) < self.self_goals  # (B,)
        goal_rows = np.where(itself, rows, future)
        pixels, next_pixels = store.pairs(rows, goal_rows)  # (B, 2C, H, W) each
        is_goal = self.reached(rows, goal_rows, pixels)  # g = s
        next_is_goal = self.reached(rows + 1, goal_rows, next_pixels)  # g = s'
        return LabelledBatch(
            observations=Observation(pixels, batch.ee_positions),
            actions=batch.actions,
            rewards=torch.from_numpy(np.where(is_goal, _REACHED, _NOT_YET)),
            next_observations=Observation(next_pixels, batch.next_ee_positions),
            terminated=torch.from_numpy(is_goal | next_is_goal),  # the world's own end says nothing about this goal
        )

    def state(self) -> State:
        """Nothing is remembered between batches."""
        return State({}, {"labels": "goals"})

    def restore(self, state: State) -> None:
        """Check that the state is one of goals."""
        if state.value("labels") != "goals":
            raise DataError(f"the checkpoint learned from {state.value('labels')}, this method from goals")
