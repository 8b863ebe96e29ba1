"""The paper's offline tasks: reward and success of cube poses.

They do not know images, nor where poses come from.

Poses are (..., 7): position [m] in the base frame and quaternion xyzw. An unknown pose is NaN and
has neither a reward nor a success. A task never ends an episode: each state has its reward, for as
long as the state lasts.
"""

from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from wayfarer_core.cube import FACES, top_faces
from wayfarer_core.errors import ConfigError

Poses = NDArray[np.float64]  # (..., 7)


class Task(Protocol):
    """A task with the cube."""

    @property
    def name(self) -> str:
        """Its name on the command line and in checkpoints."""

    def reward(self, poses: Poses) -> NDArray[np.float64]:
        """Return the reward of each state (...,); NaN if the pose is unknown."""

    def success(self, poses: Poses) -> NDArray[np.bool_]:
        """Say for each state whether the task is done (...,).

        False if the pose is unknown.
        """


@dataclass(frozen=True)
class Flip:
    """Turn the cube until a colour is up: reward 1 while it is up, else 0."""

    colour: str

    def __post_init__(self) -> None:
        if self.colour not in FACES:
            raise ConfigError(f"colour {self.colour!r}: choose from {', '.join(FACES)}")

    @property
    def name(self) -> str:
        """For example flip-green."""
        return f"flip-{self.colour}"

    def reward(self, poses: Poses) -> NDArray[np.float64]:
        """Return 1 or 0 (...,)."""
        return np.where(_known(poses), self.success(poses).astype(np.float64), np.nan)

    def success(self, poses: Poses) -> NDArray[np.bool_]:
        """Say whether the colour is up (...,)."""
        up = top_faces(np.nan_to_num(poses[..., 3:])) == FACES.index(self.colour)
        return np.asarray(_known(poses) & up)


@dataclass(frozen=True)
class Push:
    """Push the cube into the region at the right of the picture: y >= T_y in the base
    frame.

    The paper prints r = 1 - tanh(rho (cube_y - T_y)), which falls towards positive y. In our base
    frame y grows to the right of the picture, so we reverse the difference: r = 1 - tanh(rho
    (T_y - cube_y)). It grows with every millimetre to the right: 0.05 at the table's middle, 1 on
    the region's border, 1.94 at the workspace's edge.
    """

    border: float = 0.18  # [m] T_y
    slope: float = 10.0  # [1/m] rho

    def __post_init__(self) -> None:
        if not (np.isfinite([self.border, self.slope]).all() and self.slope > 0):
            raise ConfigError(f"push needs a finite border and a slope above 0, not {self}")

    @property
    def name(self) -> str:
        """Always push."""
        return "push"

    def reward(self, poses: Poses) -> NDArray[np.float64]:
        """Return the reward, 0 to 2 (...,)."""
        return np.where(
            _known(poses), 1.0 - np.tanh(self.slope * (self.border - poses[..., 1])), np.nan
        )

    def success(self, poses: Poses) -> NDArray[np.bool_]:
        """Say whether the cube's centre is in the region (...,)."""
        return np.asarray(_known(poses) & (poses[..., 1] >= self.border))


@dataclass(frozen=True)
class PushAndFlip:
    """Push and flip: the sum of the rewards; success if both are done in the same state."""

    flip: Flip
    push: Push = field(default_factory=Push)

    @property
    def name(self) -> str:
        """For example push-flip-green."""
        return f"push-{self.flip.name}"

    def reward(self, poses: Poses) -> NDArray[np.float64]:
        """Return the reward, 0 to 3 (...,)."""
        return self.push.reward(poses) + self.flip.reward(poses)

    def success(self, poses: Poses) -> NDArray[np.bool_]:
        """Say whether both are done (...,)."""
        return self.push.success(poses) & self.flip.success(poses)


_ALL: tuple[Task, ...] = (
    *map(Flip, FACES),
    Push(),
    *(PushAndFlip(Flip(colour)) for colour in FACES),
)
TASKS: dict[str, Task] = {task.name: task for task in _ALL}


def task(name: str) -> Task:
    """Return the task of that name; ConfigError lists the names."""
    if name not in TASKS:
        raise ConfigError(f"task {name!r}: choose from {', '.join(TASKS)}")
    return TASKS[name]


def _known(poses: Poses) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(poses).all(axis=-1))
