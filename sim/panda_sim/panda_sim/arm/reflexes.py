"""External forces on the arm, and the reflexes that stop it: contacts, speeds, limits. Pure."""

from dataclasses import dataclass, field

import numpy as np

from panda_sim.arm.limits import DQ_MAX, DT, Q_MAX, Q_MIN, TAU_MAX, TAU_STEP, Vector
from panda_sim.arm.settings import Thresholds
from panda_sim.protocol.codes import Fault

_CUTOFF = 60.0  # Hz, of the low pass on the estimated external torques; assumed
_SHARE = DT / (DT + 1.0 / (2.0 * np.pi * _CUTOFF))
_SLACK = 1e-6  # N m, for rounding
_SILENT = 1e-6  # N m; smaller torques count as none
_DAMPING = (
    1e-4  # regularises the least-squares estimate of a force from torques at singular postures
)


@dataclass
class Touch:
    """Estimated external torques and forces, with libfranka's sign.

    The force of the arm on its surroundings.
    """

    torques: Vector = field(default_factory=lambda: np.zeros(7))  # tau_ext_hat_filtered [N m]
    base: Vector = field(
        default_factory=lambda: np.zeros(6)
    )  # O_F_ext_hat_K [N, N m], at the stiffness frame
    own: Vector = field(default_factory=lambda: np.zeros(6))  # K_F_ext_hat_K
    joint_contact: Vector = field(default_factory=lambda: np.zeros(7))
    joint_collision: Vector = field(default_factory=lambda: np.zeros(7))
    cartesian_contact: Vector = field(default_factory=lambda: np.zeros(6))
    cartesian_collision: Vector = field(default_factory=lambda: np.zeros(6))

    def feel(self, pushed: Vector, J: Vector, R: Vector, thresholds: Thresholds) -> None:
        """Update the estimate.

        Args:
            pushed: external torques on the joints, (7,) [N m].
            J: Jacobian of the stiffness frame, (6, 7).
            R: its orientation, (3, 3).
            thresholds: of contacts and collisions.

        """
        self.torques += _SHARE * (-pushed - self.torques)
        if np.abs(self.torques).max() < _SILENT:
            for felt in vars(self).values():
                felt[:] = 0.0
            return

        self.base[:] = np.linalg.solve(J @ J.T + _DAMPING * np.eye(6), J @ self.torques)
        self.own[:3], self.own[3:] = R.T @ self.base[:3], R.T @ self.base[3:]
        torques, forces = np.abs(self.torques), np.abs(self.own)
        self.joint_contact[:] = torques > thresholds.torque_contact
        self.joint_collision[:] = torques > thresholds.torque_collision
        self.cartesian_contact[:] = forces > thresholds.force_contact
        self.cartesian_collision[:] = forces > thresholds.force_collision

    @property
    def faults(self) -> list[Fault]:
        """Return the reflexes for the present collisions."""
        found = [Fault.JOINT_REFLEX] if self.joint_collision.any() else []
        return [*found, Fault.CARTESIAN_REFLEX] if self.cartesian_collision.any() else found


def measured_faults(q: Vector, dq: Vector) -> list[Fault]:
    """Return the faults of joint angles (7,) [rad] and velocities (7,) [rad/s].

    An arm beyond a limit may move back.
    """
    found = []
    outwards = ((q < Q_MIN) & (dq < 0.0)) | ((q > Q_MAX) & (dq > 0.0))
    if outwards.any():
        found.append(Fault.JOINT_POSITION_LIMITS_VIOLATION)

    if (np.abs(dq) > DQ_MAX).any():
        found.append(Fault.JOINT_VELOCITY_VIOLATION)

    return found


def torque_faults(tau: Vector, last: Vector) -> list[Fault]:
    """Return the faults of a client's torques, (7,) [N m], compared with the last ones."""
    found = []
    if (np.abs(tau - last) > TAU_STEP + _SLACK).any():
        found.append(Fault.CONTROLLER_TORQUE_DISCONTINUITY)

    if (np.abs(tau) > TAU_MAX).any():
        found.append(Fault.TAU_J_RANGE_VIOLATION)

    return found
