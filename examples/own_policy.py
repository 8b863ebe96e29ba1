"""Put your own policy behind the safety gate.

It moves in a circle in the plane, in the simulator, and is recorded.

.venv/bin/python examples/own_policy.py runs/circles

Here it replaces the policy of the method `random`, only in this process. For the actor node
write the entry into wayfarer_policies/exploration/making.py; docs/architecture.md says how a
method gets its own name.
"""

import sys
from pathlib import Path

import numpy as np
from wayfarer_in_process.run import collect_in_process
from wayfarer_launch.collection import Collection
from wayfarer_policies.acting.policy import Action, Image, RobotState, Start
from wayfarer_policies.exploration.making import POLICIES


class Circle:
    """Moves the hand along a circle; a network would look at the image."""

    version = 0  # of its weights; it has none
    needs_pose = False  # it does not use the hand's pose
    needs_joints = False  # nor the joints

    def begin_episode(self, start: Start) -> None:
        """Draw the initial position on the circle."""
        self._angle = start.rng.uniform(0.0, 2.0 * np.pi)

    def act(self, image: Image, robot: RobotState) -> Action:  # noqa: ARG002
        """Return the next action, in [-1, 1]^3."""
        self._angle += 0.5
        return np.array([0.5 * np.cos(self._angle), 0.5 * np.sin(self._angle), 0.0], np.float32)


POLICIES["random"] = lambda _: Circle()


def main(folder: str) -> None:
    """Collect two short episodes."""
    wanted = Collection(
        target="sim",
        method="random",
        episodes=2,
        steps=10,
        seed=0,
        out=Path(folder),
        schedule="sequential",
        config=None,
    )
    collect_in_process(wanted)
    print(f"look at it: wayfarer bag info {folder}")


if __name__ == "__main__":
    main(sys.argv[1])
