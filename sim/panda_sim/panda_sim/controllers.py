"""The box's own controllers: springs between the reference and the arm. Torques without gravity. Pure."""

from dataclasses import dataclass

import numpy as np

from panda_sim.limits import Vector
from panda_sim.model_library import Model
from panda_sim.reference import Reference
from panda_sim.rotations import difference
from panda_sim.settings import Settings

_DAMPING_RATIO = 0.7
_NULLSPACE = (
    10.0  # N m/rad, of the pull towards the reference's posture that leaves the hand where it is
)


@dataclass(frozen=True)
class Motion:
    """Where the arm is: angles (7,) [rad], speeds (7,) [rad/s], and the end effector, (4, 4)."""

    q: Vector
    dq: Vector
    T: Vector


def joint_impedance(arm: Motion, reference: Reference, K: Vector, model: Model) -> Vector:
    """Return torques (7,) of a spring K (7,) [N m/rad] on each joint, damped by the inertia that it moves."""
    joints, M = reference.joints, model.mass_matrix(arm.q)
    D = 2.0 * _DAMPING_RATIO * np.sqrt(K * np.diag(M))
    spring = K * (joints.x - arm.q) + D * (joints.v - arm.dq)
    return np.asarray(spring + M @ joints.a + model.coriolis(arm.q, arm.dq))


def cartesian_impedance(
    arm: Motion,
    reference: Reference,
    settings: Settings,
    model: Model,
    stiffness: Vector,
    nullspace: bool = True,
) -> Vector:
    """Return torques (7,) of a spring (6,) [N/m, N m/rad] on the end effector, along the axes of the stiffness frame.

    A weak spring on the joints keeps the posture, where `nullspace` says so.
    """
    J = model.jacobian(arm.q, settings.F_T_EE)
    M_inverse = np.linalg.inv(model.mass_matrix(arm.q))
    inertia = np.linalg.inv(J @ M_inverse @ J.T + 1e-6 * np.eye(6))  # as the hand feels it
    R = arm.T[:3, :3] @ settings.EE_T_K[:3, :3]
    turn = np.zeros((6, 6))
    turn[:3, :3] = turn[3:, 3:] = R
    T_d = model.pose(reference.joints.x, settings.F_T_EE)
    error = turn.T @ difference(T_d, arm.T)
    speed = turn.T @ (J @ (reference.joints.v - arm.dq))
    D = 2.0 * _DAMPING_RATIO * np.sqrt(stiffness * np.diag(turn.T @ inertia @ turn))
    wrench = turn @ (stiffness * error + D * speed)
    K_n = _NULLSPACE if nullspace else 0.0
    posture = K_n * (reference.joints.x - arm.q) - 2.0 * np.sqrt(K_n) * arm.dq
    through = np.eye(7) - J.T @ (inertia @ J @ M_inverse)  # torques that do not accelerate the hand
    return np.asarray(J.T @ wrench + through @ posture + model.coriolis(arm.q, arm.dq))
