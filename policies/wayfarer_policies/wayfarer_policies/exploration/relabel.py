"""Goals from the future of the same episode, drawn anew for every batch (docs/method.md, Algorithm
1, step 3).

HER relabels a transition once; here a transition gets another goal each time it is drawn. Its value
is then the negative number of steps to the goal: the reward is -1 until the goal is reached, and
nothing follows.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from wayfarer_core.errors import DataError
from wayfarer_data.cache.rows import Ints
from wayfarer_data.cache.sampling import Batch, FrameStore

from wayfarer_policies.algorithms.algorithm import LabelledBatch, Observation, within
from wayfarer_policies.algorithms.checkpoint import State

SELF_GOALS = 0.04  # p of Table I
_REACHED = 0.0  # reward


class Reached(Protocol):
    """Says when an observation counts as the goal."""

    def __call__(self, rows: Ints, goal_rows: Ints, pixels: Tensor) -> Tensor:
        """Compare rows (B,) with the goals' rows, or images with goal images: pixels (B, 2C,
        H, W), the goal on the second half of the channels.

        Return bool (B,) on the device of the pixels.
        """


@dataclass(frozen=True)
class SameStep:
    """The goal is reached only at the step from which it was taken."""

    def __call__(self, rows: Ints, goal_rows: Ints, pixels: Tensor) -> Tensor:
        """Compare the steps."""
        return torch.from_numpy(rows == goal_rows).to(pixels.device)


@dataclass(frozen=True)
class ImageDistance:
    """The goal is reached at its own step, and at any state whose image is near enough.

    A threshold of 0.0 asks for equal pixels, the authors' test: it is right in a world without
    noise, and never true with a camera.
    """

    threshold: float  # [grey levels], mean absolute difference over all pixels and channels

    def __post_init__(self) -> None:
        within("threshold", self.threshold, 0.0, 255.0)

    def __call__(self, rows: Ints, goal_rows: Ints, pixels: Tensor) -> Tensor:
        """Compare the images."""
        frames, goal_frames = pixels.chunk(2, dim=1)  # (B, C, H, W) each, views
        larger, smaller = torch.maximum(frames, goal_frames), torch.minimum(frames, goal_frames)
        # (B,)
        distance = (larger - smaller).flatten(1).sum(dim=1, dtype=torch.int64) / frames[0].numel()
        same = torch.from_numpy(rows == goal_rows).to(pixels.device)

        return same | (distance <= self.threshold)


@dataclass(frozen=True)
class Nearness:
    """How many goals are near in time, and how near."""

    share: float = 0.0  # of all goals; the others are uniform over the rest of the episode
    steps: float = 5.0  # mean distance of the near ones, geometrically distributed

    def __post_init__(self) -> None:
        within("share of near goals", self.share, 0.0, 1.0)
        within("mean distance of near goals", self.steps, 1.0, 1000.0)


class FutureGoals:
    """Labels a batch with goals: g is uniform over s_tau .. s_T of the same episode, or, with
    probability p, s_tau itself.

    Optionally a share of goals is near in time, and rewards are summed over several steps
    (n-step returns).
    """

    def __init__(
        self,
        self_goals: float = SELF_GOALS,
        reached: Reached | None = None,
        near: Nearness | None = None,
        lookahead: int = 1,
        gamma: float = 0.99,
    ) -> None:
        """`lookahead` is the n of n-step returns, `gamma` their discount."""
        within("self_goals", self_goals, 0.0, 1.0)
        within("lookahead", lookahead, 1, 1000)
        within("gamma", gamma, 0.0, 1.0)
        self.self_goals, self.reached = self_goals, reached or SameStep()
        self.near, self.lookahead, self.gamma = near or Nearness(), lookahead, gamma

    def prepare(self, store: FrameStore) -> None:
        """Do nothing."""

    def label(self, batch: Batch, store: FrameStore, rng: np.random.Generator) -> LabelledBatch:
        """Return ((s, g), a, r, (s', g), done).

        Small arrays use numpy, whose calls cost less than torch's.
        """
        rows = batch.rows.numpy()  # (B,)
        goal_rows = self._goals(store, rows, rng)  # (B,)
        spans = self._spans(store, rows, goal_rows)  # (B,)
        pixels, next_pixels = store.pairs(rows, goal_rows, rows + spans)  # (B, 2C, H, W) each

        is_goal = self.reached(rows, goal_rows, pixels)  # g = s
        next_is_goal = self.reached(rows + spans, goal_rows, next_pixels)  # g = s'
        positions = store.column("ee_positions")  # (rows, 3) [m]
        goal_positions = torch.from_numpy(positions[goal_rows])  # (B, 3) [m]

        return LabelledBatch(
            observations=Observation(pixels, batch.ee_positions, goal_positions),
            actions=batch.actions,
            rewards=torch.where(is_goal, _REACHED, self._costs(spans).to(is_goal.device)),
            next_observations=Observation(
                next_pixels, torch.from_numpy(positions[rows + spans]), goal_positions
            ),
            terminated=is_goal | next_is_goal,  # the world's own end is independent of this goal
            spans=None if self.lookahead == 1 else torch.from_numpy(spans),
        )

    def _goals(self, store: FrameStore, rows: Ints, rng: np.random.Generator) -> Ints:
        """Draw the goals' rows (B,)."""
        goal_rows = store.index.future(rows, rng)  # (B,)
        if self.near.share > 0.0:
            near = store.index.near_future(rows, self.near.steps, rng)  # (B,)
            goal_rows = np.where(rng.random(len(rows)) < self.near.share, near, goal_rows)

        itself = rng.random(len(rows)) < self.self_goals  # (B,)

        return np.where(itself, rows, goal_rows)

    def _spans(self, store: FrameStore, rows: Ints, goal_rows: Ints) -> Ints:
        """Return the number of steps whose rewards are summed (B,).

        This is `lookahead`, or less at the goal or before a lost step.
        """
        if self.lookahead == 1:
            return np.ones(len(rows), dtype=np.int64)
        # (B,): if the goal is s itself, only its own step counts
        to_goal = np.maximum(goal_rows - rows, 1)
        spans: Ints = np.minimum(store.index.run_length(rows, self.lookahead), to_goal)

        return spans

    def _costs(self, spans: Ints) -> Tensor:
        """Return the discounted sum of -1 over each span (B,) float32."""
        sums = np.cumsum([-(self.gamma**k) for k in range(self.lookahead)])  # (n,)
        return torch.from_numpy(sums[spans - 1].astype(np.float32))

    def state(self) -> State:
        """Return only the kind of labels: nothing else is remembered."""
        return State({}, {"labels": "goals"})

    def restore(self, state: State) -> None:
        """Check that the state learned from goals."""
        if state.value("labels") != "goals":
            raise DataError(
                f"the checkpoint learned from {state.value('labels')}, this method from goals"
            )
