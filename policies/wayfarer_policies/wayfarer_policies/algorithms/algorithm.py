"""What all learning algorithms here share.

The protocol, the labelled batch, the guard around gradient steps, and saving.
"""

import copy
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from wayfarer_core.errors import ConfigError, DataError, WayfarerError

from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.checkpoint import Part, State

M = TypeVar("M", bound=nn.Module)
Pixels = NDArray[np.uint8]  # (C, H, W)


class LearningError(WayfarerError):
    """A loss or gradient is not finite.

    The weights are as before that step.
    """


@dataclass(frozen=True)
class Observation:
    """The inputs of a policy.

    The image, followed by the goal image on the channel axis if there is a goal.
    """

    pixels: Tensor  # (B, C, H, W) uint8
    ee_positions: Tensor  # (B, 3) float32 [m], base frame; networks without that input ignore it
    # (B, 3) float32 [m], base frame: where it was in the goal image
    goal_ee_positions: Tensor | None = None

    def to(self, device: torch.device) -> "Observation":
        """Move to a device."""
        goals = self.goal_ee_positions

        return Observation(
            self.pixels.to(device),
            self.ee_positions.to(device),
            None if goals is None else goals.to(device),
        )


@dataclass(frozen=True)
class LabelledBatch:
    """Transitions with rewards, for one update."""

    observations: Observation
    actions: Tensor  # (B, 3) float32 or (B,) int64
    rewards: Tensor  # (B,) float32
    next_observations: Observation
    terminated: Tensor  # (B,) bool: no value after this; a time limit alone is not one
    # (B,) int64 steps from the observations to the next ones; None: one step each
    spans: Tensor | None = None

    def to(self, device: torch.device) -> "LabelledBatch":
        """Move to a device."""
        return LabelledBatch(
            self.observations.to(device),
            self.actions.to(device),
            self.rewards.to(device),
            self.next_observations.to(device),
            self.terminated.to(device),
            None if self.spans is None else self.spans.to(device),
        )

    def discounts(self, gamma: float) -> Tensor | float:
        """Return the factor of the next observations' values.

        It is gamma to the power of the steps in between, (B,).
        """
        if self.spans is None:
            return gamma
        return gamma ** self.spans.float()


class Algorithm(Protocol):
    """A learning algorithm, as the contract suite tests it.

    It learns from labelled batches and gives the actions that it would choose.
    """

    @property
    def updates(self) -> int:
        """Number of updates made."""

    def update(self, batch: LabelledBatch) -> dict[str, Tensor]:
        """Learn from one batch.

        Return losses and values as () tensors on the device; nothing waits for them.
        """

    def check(self) -> None:
        """Raise LearningError if an update since the last check was not finite.

        This waits for the device.
        """

    def probe(self, batch: LabelledBatch) -> dict[str, float]:
        """Return figures that show whether the policy works.

        Empty if the algorithm has none.
        """

    def greedy(self, observation: Observation) -> Tensor:
        """Return the actions with the highest value: (B, A) float32, or (B,) int64."""

    def state(self) -> State:
        """Return all that is needed to continue bit for bit."""

    def restore(self, state: State) -> None:
        """Continue from a state.

        DataError if its shapes differ; nothing is changed then.
        """


def positive(name: str, value: float) -> None:
    """Check a parameter; ConfigError unless it is finite and above 0."""
    if not (np.isfinite(value) and value > 0):
        raise ConfigError(f"{name} is {value}: it must be a finite number above 0")


def within(name: str, value: float, low: float, high: float) -> None:
    """Check a parameter; ConfigError unless low <= value <= high."""
    if not low <= value <= high:
        raise ConfigError(f"{name} is {value}: it must lie in [{low}, {high}]")


def frozen_copy(module: M) -> M:
    """Return a target network: a copy without gradients."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def soft_update(target: nn.Module, source: nn.Module, tau: float) -> None:
    """Move a target network by the share `tau` towards its source: w' <- tau w + (1 - tau) w'."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), tau)


class Guard:
    """Takes gradient steps until a loss or a gradient is not finite.

    Then it takes no more steps until `check` raises.

    Nothing waits for the device: a flag on the device tells the fused optimiser to leave the
    weights alone.
    """

    def __init__(self) -> None:
        self._broken: dict[str, Tensor] = {}  # name of a loss -> () bool on the device

    def step(self, optimizer: torch.optim.Optimizer, loss: Tensor, name: str) -> None:
        """Take one gradient step down the loss ()."""
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        norm = torch.nn.utils.get_total_norm(gradients(optimizer))

        finite = torch.isfinite(loss.detach()) & torch.isfinite(norm)
        earlier = self._broken.get(name)
        self._broken[name] = ~finite if earlier is None else earlier | ~finite

        optimizer.found_inf = torch.stack(list(self._broken.values())).any().float()  # type: ignore[attr-defined]
        optimizer.step()

    def check(self) -> None:
        """Wait for the device. LearningError names what was not finite.

        The weights are as before that step.
        """
        broken, self._broken = self._broken, {}
        names = [name for name, found in broken.items() if bool(found)]
        if names:
            raise LearningError(
                f"{' and '.join(names)} or their gradients are not finite: "
                "the batch or the weights hold numbers that are not"
            )


class GradientLearner(ABC):
    """What TD3, BCQ and DDQN share: the count of updates, their guard, and how they are saved."""

    def __init__(self) -> None:
        self.guard = Guard()
        self.updates = 0

    @abstractmethod
    def _parts(self) -> dict[str, Part]:
        """Return networks, targets, optimisers and generators by their names in a checkpoint."""

    def check(self) -> None:
        """Raise LearningError if an update since the last check was not finite."""
        self.guard.check()

    def state(self) -> State:
        """Return networks, targets, optimisers, generators and the count of updates."""
        return checkpoint.save(self._parts(), updates=self.updates)

    def restore(self, state: State) -> None:
        """Continue from a state.

        DataError if its shapes differ; nothing is changed then.
        """
        (self.updates,) = checkpoint.restore(self._parts(), state, type(self).__name__, "updates")


def gradients(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return the gradients for an optimiser's next step."""
    return [
        p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None
    ]


def check_batch(batch: LabelledBatch, channels: int, action: Iterable[int]) -> None:
    """Check shapes against the networks' inputs; DataError names the first that differs."""
    size = len(batch.rewards)
    for name, value, shape in (
        ("observations", batch.observations.pixels, (size, channels)),
        ("next_observations", batch.next_observations.pixels, (size, channels)),
        ("actions", batch.actions, (size, *action)),
        ("terminated", batch.terminated, (size,)),
    ):
        found = tuple(value.shape)
        if found[: len(shape)] != shape or (
            len(found) != len(shape) and not name.endswith("observations")
        ):
            raise DataError(
                f"batch: {name} have the shape {found}, expected {shape} for {size} rewards"
            )


@dataclass(frozen=True)
class GoalPixels:
    """A goal as networks take it."""

    pixels: Pixels  # (C, H, W)
    ee_position: NDArray[np.float64]  # (3,) [m], base frame: the end effector's in that image


def one_observation(
    image: Pixels, goal: GoalPixels | None, ee_position: NDArray[np.floating], channels: int
) -> Observation:
    """Make a batch of one from an image, a goal and the end effector's position (3,) [m].

    DataError if the network takes other inputs.
    """
    pixels = image if goal is None else np.concatenate([image, goal.pixels])  # (C, H, W)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or len(pixels) != channels:
        raise DataError(
            f"image{'' if goal is None else ' and goal'} are {pixels.dtype} {pixels.shape} "
            f"together, expected uint8 ({channels}, H, W): a goal belongs to a policy with goals, "
            "and only to it"
        )

    position = np.asarray(ee_position, np.float32)
    if position.shape != (3,) or not np.isfinite(position).all():
        raise DataError(f"the end-effector position is {position}, expected 3 finite numbers")

    there = (
        None if goal is None else torch.from_numpy(np.asarray(goal.ee_position, np.float32)[None])
    )

    return Observation(torch.from_numpy(pixels[None]), torch.from_numpy(position[None]), there)


def parameters(*modules: nn.Module) -> Iterator[nn.Parameter]:
    """Chain the parameters of several modules, each once."""
    seen: dict[int, nn.Parameter] = {id(p): p for module in modules for p in module.parameters()}
    yield from seen.values()
