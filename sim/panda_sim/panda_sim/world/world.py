"""The moving world.

MuJoCo steps the arm, the hand and loose objects; one step is a millisecond.
"""

from collections.abc import Sequence
from pathlib import Path

import mujoco
import numpy as np

from panda_sim.arm.limits import TAU_MAX, Vector
from panda_sim.arm.model_library import Link
from panda_sim.errors import PandaSimError
from panda_sim.world.scene import ARM_JOINTS, FINGER_JOINTS, HAND, flange_jacobian, links


class World:
    """An arm that takes torques and returns angles and external torques.

    Args:
        model: see scene.compose.
        home: joint angles at the start, (7,) [rad].

    Raises:
        PandaSimError: the scene's joints come before the arm's in the model.

    """

    def __init__(self, model: mujoco.MjModel, home: Sequence[float]) -> None:
        self.model = model
        self.data = mujoco.MjData(self.model)
        arm = [int(self.model.joint(name).dofadr[0]) for name in ARM_JOINTS]
        if arm != list(range(7)):
            raise PandaSimError("the arm's joints must come first in the world")

        fingers = [self.model.joint(name) for name in FINGER_JOINTS]
        self._finger_positions = [int(joint.qposadr[0]) for joint in fingers]
        self._finger_speeds = [int(joint.dofadr[0]) for joint in fingers]
        self._hand = self.model.body(HAND).id
        self._push_ends = 0.0  # s
        self.q, self.dq = (
            self.data.qpos[:7],
            self.data.qvel[:7],
        )  # (7,) [rad], [rad/s]: views that stay valid
        self.pushed = np.zeros(
            7
        )  # N m, external torques on the joints: contacts, and pushes by hand
        self._home = np.array(home)
        self.place(None)

    @property
    def links(self) -> list[Link]:
        """The arm's links, as simulated."""
        return links(self.model)

    def step(self, tau: Vector, finger_force: float) -> None:
        """Advance by a millisecond.

        Args:
            tau: of the motors, with gravity compensation, (7,) [N m]; limited to the motors'
                range.
            finger_force: on each finger, positive opens [N].

        """
        data = self.data
        data.qfrc_applied[:7] = np.clip(tau, -TAU_MAX, TAU_MAX)
        data.qfrc_applied[self._finger_speeds] = finger_force
        pushing = data.time < self._push_ends

        if not pushing:
            data.xfrc_applied[self._hand] = 0.0

        mujoco.mj_step(self.model, data)
        self._feel(pushing)

    def _feel(self, pushing: bool) -> None:
        """Compute the external torques on the joints.

        Contacts are the last rows of MuJoCo's constraints.
        """
        data = self.data
        first = data.ne + data.nf + data.nl
        if first < data.nefc:
            J = data.efc_J.reshape(data.nefc, -1)[first:, :7]
            self.pushed[:] = data.efc_force[first:] @ J
        else:
            self.pushed[:] = 0.0

        if pushing:
            self.pushed += flange_jacobian(self.model, data).T @ data.xfrc_applied[self._hand]

    def push(self, force: Sequence[float], seconds: float) -> None:
        """Push the hand: a force (3,) [N], base frame, at its centre of mass, for a while."""
        self.data.xfrc_applied[self._hand, :3] = force
        self._push_ends = self.data.time + seconds

    def place(self, q: Sequence[float] | None) -> None:
        """Place the arm, at rest: angles (7,) [rad]; None: its initial posture."""
        self.q[:] = self._home if q is None else q
        self.dq[:] = 0.0
        mujoco.mj_forward(self.model, self.data)

    @property
    def finger_width(self) -> float:
        """Distance between the fingers [m]."""
        return float(self.data.qpos[self._finger_positions].sum())

    @property
    def finger_speed(self) -> float:
        """Speed at which the fingers open [m/s]."""
        return float(self.data.qvel[self._finger_speeds].sum())

    def set_finger_width(self, width: float) -> None:
        """Place the fingers, at rest [m]."""
        self.data.qpos[self._finger_positions] = width / 2
        self.data.qvel[self._finger_speeds] = 0.0
        mujoco.mj_forward(self.model, self.data)

    def save(self, path: Path) -> None:
        """Write the compiled world (MJB), for viewers with the same MuJoCo."""
        mujoco.mj_saveModel(self.model, str(path), None)
