"""A policy in another process: it finds the yellow cube and pushes it to the right.

.venv/bin/python examples/policy_server.py 127.0.0.1:5555 & .venv/bin/wayfarer collect --method
external --policy external:127.0.0.1:5555 --steps 20 --out runs/pushes

It needs only wayfarer_serving of Wayfarer, so it can run in any environment with
any libraries: `pip install policies/wayfarer_serving`. docs/external_policies.md has the protocol
for other languages.
"""

import sys

import numpy as np
from numpy.typing import NDArray
from wayfarer_serving.server import Episode, Observation, serve

SCALE = 0.125  # m, displacement of an action of 1 along each axis, as in the control node
# [m per pixel, m] base frame, fitted to the simulator's camera
TO_X, TO_Y = (0.00978, 0.190), (0.00675, -0.284)
# m: left of the cube, and heights of the hand on the way and for the push
BEHIND, ABOVE, LOW = 0.12, 0.03, -0.075
FAR = 0.26  # m, y where the push ends
GENTLE = 0.6  # largest action: a faster hand would ride over the cube
NEAR = 0.02  # m from a way point that count as reached
# standard deviation of the noise, in action units: varied demonstrations show how to correct errors
NOISE = 0.05


class Pusher:
    """Moves behind the cube, down, and then to the right."""

    name, version = "pusher", 1

    def begin(self, episode: Episode) -> None:
        """Forget the last cube; draw the noise from the episode's seed."""
        self._rng = np.random.default_rng(episode.seed)
        self._way: list[NDArray[np.float64]] = []

    def act(self, observation: Observation) -> NDArray[np.float64]:
        """Return one action (1, 3) towards the next way point."""
        if observation.step == 0:
            x, y = cube_in(observation.image)
            self._way = [
                np.array(p) for p in ((x, y - BEHIND, ABOVE), (x, y - BEHIND, LOW), (x, FAR, LOW))
            ]

        hand = np.array(observation.ee_position)
        while self._way and np.abs(self._way[0] - hand).max() < NEAR:
            del self._way[0]

        if not self._way:
            return np.zeros((1, 3))

        action: NDArray[np.float64] = (self._way[0] - hand) / SCALE + self._rng.normal(
            0.0, NOISE, 3
        )

        return np.clip(action, -GENTLE, GENTLE)[None]


def cube_in(image: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the cube's position, x and y [m] in the base frame.

    The middle of the table if no cube is seen.
    """
    red, green, blue = np.moveaxis(image.astype(int), -1, 0)
    row, column = np.nonzero((red > 120) & (green > 120) & (blue < 80))  # its upper face is yellow
    if not len(row):
        return 0.58, 0.0
    return TO_X[0] * float(row.mean()) + TO_X[1], TO_Y[0] * float(column.mean()) + TO_Y[1]


if __name__ == "__main__":
    serve(Pusher(), sys.argv[1])
