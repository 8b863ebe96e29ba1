"""Exploration noise and its schedule over steps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wayfarer_core.errors import ConfigError

from wayfarer_policies.algorithms.algorithm import within


@dataclass(frozen=True)
class LinearSchedule:
    """A straight line from `start` at step 0 to `end` at step `steps`, constant afterwards."""

    start: float
    end: float
    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1 or not np.isfinite([self.start, self.end]).all():
            raise ConfigError(f"a schedule needs finite ends and at least 1 step, not {self}")

    def __call__(self, step: int) -> float:
        """Return the value at a step."""
        share = min(max(step, 0) / self.steps, 1.0)
        return self.start + share * (self.end - self.start)


@dataclass(frozen=True)
class GaussianNoise:
    """Additive exploration noise whose standard deviation, in action units, follows a schedule."""

    std: LinearSchedule

    def __post_init__(self) -> None:
        within("noise standard deviation", min(self.std.start, self.std.end), 0.0, np.inf)

    def __call__(
        self,
        action: NDArray[np.float32],  # (A,)
        bounds: tuple[NDArray[np.float32], NDArray[np.float32]],
        step: int,
        rng: np.random.Generator,
    ) -> NDArray[np.float32]:
        """Return the action with the noise of this step, clipped to the bounds (A,)."""
        noise = rng.normal(0.0, self.std(step), size=action.shape)
        return np.clip(action + noise, *bounds).astype(np.float32)
