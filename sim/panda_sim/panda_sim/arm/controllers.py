"""The box's own controllers: springs between the reference and the arm.

Torques without gravity. Pure.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from panda_sim.arm.limits import Vector
from panda_sim.arm.model_library import Model
from panda_sim.arm.reference import Reference
from panda_sim.arm.rotations import difference
from panda_sim.arm.settings import Settings

_DAMPING_RATIO = 0.7
_POSTURE = 10.0  # N m/rad, stiffness of the joints towards their reference
_ANEW = 0.05  # rad; when a joint has turned further, the damping is computed again
_SINGULAR = 1e-6  # 1/kg, keeps the hand's inertia finite


@dataclass(frozen=True)
class Motion:
    """Joint angles (7,) [rad], velocities (7,) [rad/s], and the end effector's pose (4, 4)."""

    q: Vector
    dq: Vector
    T: Vector


class Damping:
    """Gives each mode of springs on inertias the same damping ratio.

    D = 2 zeta L sqrt(L^-1 K L^-T) L^T with M = L L^T.

    It is a matrix, because joints with nearly parallel axes can turn against each other with little
    inertia. It is computed again only if the posture or the springs have changed.
    """

    def __init__(self) -> None:
        self._q, self._K = np.full(7, np.inf), np.zeros(0)
        self._D = np.zeros((0, 0))

    def of(self, q: Vector, K: Vector, inertia: Callable[[], Vector]) -> Vector:
        """Return D, (n, n), for springs (n,) on an inertia (n, n) at the posture q (7,)."""
        if len(K) != len(self._K) or np.abs(q - self._q).max() > _ANEW or (K != self._K).any():
            L = np.linalg.cholesky(inertia())
            L_inverse = np.linalg.inv(L)
            values, vectors = np.linalg.eigh(L_inverse @ np.diag(K) @ L_inverse.T)
            root = vectors @ np.diag(np.sqrt(np.maximum(values, 0.0))) @ vectors.T
            self._D = 2.0 * _DAMPING_RATIO * L @ root @ L.T
            self._q, self._K = q.copy(), K.copy()

        return self._D


class JointImpedance:
    """A spring K (7,) [N m/rad] on each joint."""

    def __init__(self, model: Model) -> None:
        self._model, self._damping = model, Damping()

    def torques(self, arm: Motion, reference: Reference, K: Vector) -> Vector:
        """Return torques (7,) that pull the joints to their reference."""
        joints, M = reference.joints, self._model.mass_matrix(arm.q)
        D = self._damping.of(arm.q, K, lambda: M)
        coriolis = self._model.coriolis(arm.q, arm.dq)

        return np.asarray(
            K * (joints.x - arm.q) + D @ (joints.v - arm.dq) + M @ joints.a + coriolis
        )


class CartesianImpedance:
    """A spring K (6,) [N/m, N m/rad] on the end effector, along the axes of the stiffness frame."""

    def __init__(self, model: Model) -> None:
        self._model, self._damping = model, Damping()

    def torques(
        self, arm: Motion, reference: Reference, settings: Settings, K: Vector, keeps_posture: bool
    ) -> Vector:
        """Return torques (7,).

        With `keeps_posture` a weak spring on the joints keeps the posture.
        """
        model, joints = self._model, reference.joints
        J = model.jacobian(arm.q, settings.F_T_EE)
        M_inverse = np.linalg.inv(model.mass_matrix(arm.q))
        inertia = np.linalg.inv(J @ M_inverse @ J.T + _SINGULAR * np.eye(6))  # as the hand feels it
        turn = np.zeros((6, 6))
        turn[:3, :3] = turn[3:, 3:] = arm.T[:3, :3] @ settings.EE_T_K[:3, :3]
        error = difference(model.pose(joints.x, settings.F_T_EE), arm.T)
        D = self._damping.of(arm.q, K, lambda: turn.T @ inertia @ turn)
        wrench = turn @ (K * (turn.T @ error) + D @ (turn.T @ (J @ (joints.v - arm.dq))))
        K_n = _POSTURE if keeps_posture else 0.0
        posture = K_n * (joints.x - arm.q) - 2.0 * np.sqrt(K_n) * arm.dq
        through = np.eye(7) - J.T @ (
            inertia @ J @ M_inverse
        )  # torques that do not accelerate the hand

        return np.asarray(J.T @ wrench + through @ posture + model.coriolis(arm.q, arm.dq))
