"""Detects problems of a camera: no images or too few, unusable, frozen, black or stale ones.

Pure.

Time counts on a separate clock. It runs only while the node's ROS clock and the steady clock both
run, and by at most MAX_TICK at once. With a real camera nothing is missed. In lock-step simulated
time stands still while the learner works, and jumps at a reset: neither causes a false alarm. A
delay of the node itself does not count against the camera.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAX_TICK = 0.25  # s
_BLACK_EVERY = 4  # every fourth row and column suffices to detect a dark image


@dataclass(frozen=True)
class Thresholds:
    """When a camera counts as faulty.

    See the camera node's parameters of the same names.
    """

    silence: float  # s
    min_rate: float  # Hz
    rate_window: float  # s
    frozen_after: float  # s; 0: identical images are never a fault
    black_level: float  # mean of all pixels, 0 to 255
    black_after: float  # s
    max_stamp_age: float  # s
    stale_after: float  # s


class Health:
    """Watches one camera. Call `tick` often, and `picture` for each image.

    `problem` returns the present problem.
    """

    def __init__(self, thresholds: Thresholds) -> None:
        self._limits = thresholds
        self._now = 0.0  # s, on this module's clock
        self._ros: float | None = None  # s, at the last tick
        self._steady = 0.0  # s, at the last tick
        self._last_picture = 0.0  # s
        self._last_change, self._last_light, self._last_fresh = 0.0, 0.0, 0.0  # s
        self._frozen = self._black = self._stale = False  # state of the newest image

        # problem of the first unusable image since the last usable one
        self._unusable = ""
        self._previous: NDArray[np.uint8] | None = None
        self._arrivals: deque[float] = deque()  # s, those within the window

    def tick(self, ros: float, steady: float) -> None:
        """Advance to these readings of the ROS clock and the steady clock [s]."""
        if self._ros is not None:
            self._now += min(max(ros - self._ros, 0.0), steady - self._steady, MAX_TICK)
        self._ros, self._steady = ros, steady

    def picture(self, pixels: NDArray[np.uint8], stamp: float, ros: float, steady: float) -> None:
        """Take an image (H, W, 3) with the stamp `stamp` [s, ROS clock]. The caller must not change
        its pixels afterwards.
        """
        self.tick(ros, steady)
        if not self._arrivals and self._previous is None:
            self._last_change = self._last_light = self._last_fresh = self._now

        self._last_picture = self._now
        self._unusable = ""
        self._arrivals.append(self._now)
        self._frozen = self._previous is not None and np.array_equal(pixels, self._previous)
        self._black = (
            float(pixels[::_BLACK_EVERY, ::_BLACK_EVERY].mean()) < self._limits.black_level
        )
        self._stale = ros - stamp > self._limits.max_stamp_age
        self._previous = pixels
        self._last_change = self._last_change if self._frozen else self._now
        self._last_light = self._last_light if self._black else self._now
        self._last_fresh = self._last_fresh if self._stale else self._now

    def unusable(self, why: str, ros: float, steady: float) -> None:
        """Note an unusable image and the reason; it counts as no image."""
        self.tick(ros, steady)
        self._unusable = self._unusable or why

    def problem(self) -> str:
        """Return the present problem; the text changes only when the problem does.

        Empty if there is none.
        """
        limits, now = self._limits, self._now
        if now - self._last_picture > limits.silence:
            what = f"no picture of use ({self._unusable})" if self._unusable else "no picture"
            return f"{what} for more than {limits.silence:g} s"

        problems = []
        if self._frozen and 0.0 < limits.frozen_after < now - self._last_change:
            problems.append(
                f"frozen: all pictures identical for more than {limits.frozen_after:g} s "
                "(simulated? frozen_after: 0)"
            )

        if self._black and now - self._last_light > limits.black_after:
            problems.append(
                f"black: pictures darker than {limits.black_level:g} for more than "
                f"{limits.black_after:g} s"
            )

        if self._stale and now - self._last_fresh > limits.stale_after:
            problems.append(
                f"stale: stamps older than {limits.max_stamp_age:g} s by the node's clock for "
                f"more than {limits.stale_after:g} s (clocks of two machines apart?)"
            )

        if self._too_few():
            problems.append(
                f"slow: less than {limits.min_rate:g} pictures a second over "
                f"{limits.rate_window:g} s"
            )

        return "; ".join(problems)

    def _too_few(self) -> bool:
        """Say whether the last full window had too few images."""
        window = self._limits.rate_window
        while self._arrivals and self._now - self._arrivals[0] > window:
            self._arrivals.popleft()
        return self._now > window and len(self._arrivals) < self._limits.min_rate * window - 1e-9
