"""The toy world of the paper's Figures 2 and 3.

One white rigid object on a black image moves pixel by pixel.

A state is (x, y, angle): the pixel of the object's centre and one of 12 angles, size * size * 12
states in all (84 * 84 * 12 in the paper). The world is deterministic; every state shows a different
image.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wayfarer_core.errors import ConfigError

ANGLES = 12  # of 30 degrees each
ACTIONS = ("up", "down", "left", "right", "clockwise", "counter-clockwise")
# (6, 3) change of x, y, angle
MOVES = np.array([(0, -1, 0), (0, 1, 0), (-1, 0, 0), (1, 0, 0), (0, 0, 1), (0, 0, -1)])

# A capital F without the left half of its upper bar: no rotation or mirror image equals it. Unit
# square, y down. (8, 2)
SHAPE = np.array(
    [(-1, -1), (1, -1), (1, -0.35), (0.1, -0.35), (0.1, 1), (-0.55, 1), (-0.55, 0.1), (-1, 0.1)]
)
SAMPLES = 4  # per pixel and axis, when the turned shape is rasterised


@dataclass(frozen=True)
class PixelWorldConfig:
    """Sizes of the world."""

    size: int = 84  # [pixels] height and width of the image
    object_size: int = 21  # [pixels] edge of the square the upright object fits into
    stride: int = 1  # [pixels] distance of one move

    def __post_init__(self) -> None:
        if not 1 <= self.object_size <= self.size:
            raise ConfigError(
                f"object_size is {self.object_size}: it must lie in [1, size = {self.size}]"
            )
        if not 1 <= self.stride <= self.size // 2:
            raise ConfigError(f"stride is {self.stride}: it must lie in [1, {self.size // 2}]")


FULL = PixelWorldConfig()  # the paper's
SMALL = PixelWorldConfig(size=36, object_size=11)  # for runs that take minutes


class PixelWorld:
    """The world. `state` is only for counting; a policy sees only the frame."""

    actions = len(ACTIONS)

    def __init__(self, config: PixelWorldConfig | None = None) -> None:
        self.config = config or PixelWorldConfig()
        self.size = self.config.size

        # of the centre
        self.places = range(self.size // 2 % self.config.stride, self.size, self.config.stride)
        self._sprites = np.stack(
            [_sprite(self.config.object_size, k * 2 * np.pi / ANGLES) for k in range(ANGLES)]
        )
        self._margin = self._sprites.shape[1] // 2  # [pixels] by which it may leave the image
        side = self.size + 2 * self._margin
        self._canvas = np.zeros((side, side), dtype=np.uint8)
        self.state = self.centre

    @property
    def centre(self) -> tuple[int, int, int]:
        """The initial state of every episode."""
        middle = len(self.places) // 2
        return middle, middle, 0

    @property
    def state_shape(self) -> tuple[int, int, int]:
        """Number of positions along x and y, and of angles; their product is that of states."""
        return len(self.places), len(self.places), ANGLES

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """Shape (C, H, W) of an image."""
        return 1, self.size, self.size

    def reset(self) -> NDArray[np.uint8]:
        """Put the object at the centre and return the image (1, H, W)."""
        self.state = self.centre
        return self.render(self.state)

    def step(self, action: int) -> NDArray[np.uint8]:
        """Move or turn the object and return the image (1, H, W).

        A move out of the image does nothing.
        """
        if not 0 <= action < self.actions:
            raise ConfigError(
                f"action {action}: choose 0 to {self.actions - 1}, that is {', '.join(ACTIONS)}"
            )

        x, y, angle = (int(a + b) for a, b in zip(self.state, MOVES[action], strict=True))
        limit = len(self.places) - 1
        self.state = min(max(x, 0), limit), min(max(y, 0), limit), angle % ANGLES

        return self.render(self.state)

    def render(self, state: Sequence[int]) -> NDArray[np.uint8]:
        """Return the image of a state (1, H, W)."""
        x, y, angle = state
        left, top, edge = self.places[x], self.places[y], self._sprites.shape[1]
        self._canvas[:] = 0
        self._canvas[top : top + edge, left : left + edge] = self._sprites[angle]
        inside = slice(self._margin, self._margin + self.size)

        return self._canvas[inside, inside][None].copy()


def _sprite(object_size: int, angle: float) -> NDArray[np.uint8]:
    """Return the object turned clockwise by an angle [rad], white where at least half a pixel is
    covered: (K, K).
    """
    reach = int(np.ceil(object_size / 2 * np.sqrt(2)))

    # sample positions about the centre
    pixels = (np.arange((2 * reach + 1) * SAMPLES) + 0.5) / SAMPLES - reach - 0.5
    x, y = np.meshgrid(pixels, pixels)
    cos, sin = np.cos(angle), np.sin(angle)

    # turned back into the unit square
    points = np.stack([x * cos + y * sin, -x * sin + y * cos], axis=-1) / (object_size / 2)
    covered = _inside(points, SHAPE)  # (K * SAMPLES, K * SAMPLES)
    share = covered.reshape(2 * reach + 1, SAMPLES, 2 * reach + 1, SAMPLES).mean(axis=(1, 3))

    return np.where(share >= 0.5, 255, 0).astype(np.uint8)


def _inside(points: NDArray[np.float64], polygon: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Say which points (..., 2) lie in a polygon (n, 2): even-odd rule."""
    x, y = points[..., 0], points[..., 1]
    inside = np.zeros(x.shape, dtype=bool)
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if y0 != y1:
            inside ^= ((y0 > y) != (y1 > y)) & (x < x0 + (y - y0) * (x1 - x0) / (y1 - y0))

    return inside
