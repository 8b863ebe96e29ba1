"""The reward of the method `rnd`.

There are no goals; the novelty of the next image is the reward (Burda et al. 2018, section 2.4).
"""

import numpy as np
import torch
from wayfarer_core.errors import DataError
from wayfarer_data.cache.sampling import Batch, Replay

from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.algorithm import LabelledBatch, Observation, within
from wayfarer_policies.algorithms.checkpoint import State
from wayfarer_policies.algorithms.normalizer import RunningMoments
from wayfarer_policies.algorithms.rnd import RND


class IntrinsicReward:
    """Reward = novelty of s' divided by the running standard deviation of the discounted sum of
    novelties.
    """

    def __init__(self, rnd: RND, gamma: float = 0.99) -> None:
        within("gamma", gamma, 0.0, 1.0)
        self.rnd, self.gamma = rnd, gamma
        self.returns = RunningMoments(())
        self.running_return = 0.0
        self._scale = torch.ones(())

    def prepare(self, store: Replay) -> None:
        """Update the scale of the reward by the last episode's novelties, in the order of its
        steps.
        """
        returns = []
        for novelty in self.rnd.novelty(store.last_images(1).frames):
            self.running_return = self.gamma * self.running_return + float(novelty)
            returns.append(self.running_return)

        self.returns.update(torch.tensor(returns))
        self._scale = self.returns.std.clamp(min=1e-8).float()

    def label(self, batch: Batch, store: Replay, rng: np.random.Generator) -> LabelledBatch:  # noqa: ARG002
        """Return (s, a, r, s', done)."""
        novelty = self.rnd.scores(batch.next_states)  # (B,)

        return LabelledBatch(
            observations=Observation(batch.states, batch.ee_positions),
            actions=batch.actions,
            rewards=novelty / self._scale.to(novelty.device),
            next_observations=Observation(batch.next_states, batch.next_ee_positions),
            terminated=batch.terminated,
        )

    def state(self) -> State:
        """Return the scale; the novelty's networks are saved elsewhere."""
        moments = checkpoint.module_state(self.returns)
        return State(moments.tensors, {"labels": "novelty", "running_return": self.running_return})

    def restore(self, state: State) -> None:
        """Continue from a state; DataError if that state learned from goals."""
        if state.value("labels") != "novelty":
            raise DataError(
                f"the checkpoint learned from {state.value('labels')}, this method from novelty"
            )

        checkpoint.restore_module(self.returns, State(state.tensors), "intrinsic reward")
        self.running_return = float(state.value("running_return"))
        self._scale = self.returns.std.clamp(min=1e-8).float()
