"""What every learning algorithm here shares: the labelled batch it learns from and the guard around a gradient step."""

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from wayfarer_common.errors import ConfigError, DataError, WayfarerError

from wayfarer_policies.checkpoint import State

M = TypeVar("M", bound=nn.Module)
Pixels = NDArray[np.uint8]  # (C, H, W)


class LearningError(WayfarerError):
    """Learning has gone wrong (a loss or gradient that is not finite); the weights are as before that step."""


@dataclass(frozen=True)
class Observation:
    """What a policy sees: the image, with the goal image behind it on the channel axis where there is a goal."""

    pixels: Tensor  # (B, C, H, W) uint8
    ee_positions: Tensor  # (B, 3) float32 [m]; networks without that input ignore it

    def to(self, device: torch.device) -> "Observation":
        """Move to a device."""
        return Observation(self.pixels.to(device), self.ee_positions.to(device))


@dataclass(frozen=True)
class LabelledBatch:
    """Transitions with a reward: what one update learns from."""

    observations: Observation
    actions: Tensor  # (B, 3) float32 or (B,) int64
    rewards: Tensor  # (B,) float32
    next_observations: Observation
    terminated: Tensor  # (B,) bool: no value after this; a time limit alone is not one

    def to(self, device: torch.device) -> "LabelledBatch":
        """Move to a device."""
        return LabelledBatch(
            self.observations.to(device),
            self.actions.to(device),
            self.rewards.to(device),
            self.next_observations.to(device),
            self.terminated.to(device),
        )


class Algorithm(Protocol):
    """A learner of the contract suite: one update from a labelled batch, one action from one observation."""

    @property
    def updates(self) -> int:
        """Number of updates made."""

    def update(self, batch: LabelledBatch) -> dict[str, float]:
        """Learn from one batch and return losses and values."""

    def act(
        self, image: Pixels, goal: Pixels | None, ee_position: NDArray[np.float32], explore: bool
    ) -> NDArray[np.generic]:
        """Choose an action for images (C, H, W) uint8; `explore` adds the method's noise and counts a step."""

    def state(self) -> State:
        """Return everything that is needed to continue bit for bit."""

    def restore(self, state: State) -> None:
        """Continue from a state; DataError if it belongs to other shapes, and nothing is changed then."""


def positive(name: str, value: float) -> None:
    """Check a parameter; ConfigError unless it is finite and above 0."""
    if not (np.isfinite(value) and value > 0):
        raise ConfigError(f"{name} is {value}: it must be a finite number above 0")


def within(name: str, value: float, low: float, high: float) -> None:
    """Check a parameter; ConfigError unless low <= value <= high."""
    if not low <= value <= high:
        raise ConfigError(f"{name} is {value}: it must lie in [{low}, {high}]")


def frozen_copy(module: M) -> M:
    """Return a target network: a copy that no optimiser moves."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def follow(target: nn.Module, source: nn.Module, tau: float) -> None:
    """Move a target network by the share `tau` towards its source: w' <- tau w + (1 - tau) w'."""
    torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), tau)


def guarded_step(optimizer: torch.optim.Optimizer, loss: Tensor, name: str) -> None:
    """One gradient step, unless the loss or a gradient is not finite: then LearningError, before any weight moves."""
    if not torch.isfinite(loss):
        raise LearningError(f"{name} is {loss.item()}: the batch or the weights hold numbers that are not finite")
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss)
    norm = torch.nn.utils.get_total_norm(gradients(optimizer))
    if not torch.isfinite(norm):
        optimizer.zero_grad(set_to_none=True)
        raise LearningError(f"the gradient of {name} is not finite (loss {loss.item()})")
    optimizer.step()


def gradients(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    """Return the gradients an optimiser is about to follow."""
    return [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]


def check_batch(batch: LabelledBatch, channels: int, action: Iterable[int]) -> None:
    """Check shapes against what the networks take; DataError names the first that does not fit."""
    size = len(batch.rewards)
    for name, value, shape in (
        ("observations", batch.observations.pixels, (size, channels)),
        ("next_observations", batch.next_observations.pixels, (size, channels)),
        ("actions", batch.actions, (size, *action)),
        ("terminated", batch.terminated, (size,)),
    ):
        found = tuple(value.shape)
        if found[: len(shape)] != shape or (len(found) != len(shape) and not name.endswith("observations")):
            raise DataError(f"batch: {name} have the shape {found}, expected {shape} for {size} rewards")


def one_observation(image: Pixels, goal: Pixels | None, ee_position: NDArray[np.float32], channels: int) -> Observation:
    """Make a batch of one from what the camera and the arm say; DataError if the network takes something else."""
    pixels = image if goal is None else np.concatenate([image, goal])  # (C, H, W)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or len(pixels) != channels:
        raise DataError(
            f"image{'' if goal is None else ' and goal'} are {pixels.dtype} {pixels.shape} together, expected uint8 "
            f"({channels}, H, W): a goal belongs to a policy with goals, and only to it"
        )
    position = np.asarray(ee_position, np.float32)
    if position.shape != (3,) or not np.isfinite(position).all():
        raise DataError(f"the end-effector position is {position}, expected 3 finite numbers")
    return Observation(torch.from_numpy(pixels[None]), torch.from_numpy(position[None]))


def parameters(*modules: nn.Module) -> Iterator[nn.Parameter]:
    """Chain the parameters of several modules, each once."""
    seen: dict[int, nn.Parameter] = {id(p): p for module in modules for p in module.parameters()}
    yield from seen.values()
