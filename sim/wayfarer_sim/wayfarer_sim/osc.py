"""Operational-space control of the arm.

A position and orientation spring at the hand, in compiled code.

The equations are those of O. Khatib, "A unified approach for motion and force control of robot
manipulators: the operational space formulation", 1987, with position and orientation decoupled from
each other and a posture spring in the null space. Gains and choices are robosuite's (OSC_POSE), so
that the world behaves as the authors' did.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Function = TypeVar("Function", bound=Callable[..., Any])

STIFFNESS = 150.0  # [1/s^2] of hand position and orientation: the authors' kp
DAMPING = 2.0 * math.sqrt(STIFFNESS)  # [1/s] damping ratio 1, the authors' value
POSTURE_STIFFNESS = 10.0  # [1/s^2] of the joints in the null space, robosuite's value
POSTURE_DAMPING = 2.0 * math.sqrt(POSTURE_STIFFNESS)  # [1/s] damping ratio 1
# smallest pivot relative to the largest diagonal entry, so that a singular arm stays finite
PIVOT_FLOOR = 1e-12


def compiled(function: Function) -> Function:
    """Compile a function with numba and keep the result beside the source.

    Its type stays visible.
    """
    return cast(Function, njit(cache=True)(function))


@compiled
def osc_torques(
    p_error: Array,  # (3,)
    R_ee: Array,  # (3, 3)
    R_target: Array,  # (3, 3)
    J: Array,  # (6, 7)
    M: Array,  # (7, 7)
    bias: Array,  # (7,)
    q: Array,  # (7,)
    dq: Array,  # (7,)
    q_home: Array,  # (7,)
    torque_range: Array,  # (7, 2)
) -> Array:
    """Return the joint torques that pull the hand to a pose and, in the remaining freedom, the
    joints home.

    Args:
        p_error: target minus hand position, in the world frame [m].
        R_ee: orientation of the hand in the world frame.
        R_target: wanted orientation.
        J: Jacobian of the hand, linear rows first, world frame.
        M: mass matrix of the arm [kg m^2].
        bias: gravity, Coriolis and centrifugal torques [N m].
        q: joint positions [rad].
        dq: joint velocities [rad/s].
        q_home: posture of the null-space spring [rad].
        torque_range: lowest and highest torque of each joint [N m].

    Returns:
        Torques within their range, (7,) [N m].
    """
    twist = times(J, dq)  # (6,)
    acceleration = np.empty(6)
    acceleration[:3] = STIFFNESS * p_error - DAMPING * twist[:3]
    acceleration[3:] = STIFFNESS * orientation_error(R_target, R_ee) - DAMPING * twist[3:]
    posture = POSTURE_STIFFNESS * (q_home - q) - POSTURE_DAMPING * dq  # (7,)

    inverse_inertia = operational_inverse_inertia(M, J)  # (6, 6)
    wrench = np.empty(6)
    wrench[:3] = solve(inverse_inertia[:3, :3], acceleration[:3])
    wrench[3:] = solve(inverse_inertia[3:, 3:], acceleration[3:])

    # the part of the posture torque that would move the hand
    wrench -= solve(inverse_inertia, times(J, posture))

    torques = times(J.T, wrench) + times(M, posture) + bias  # (7,)

    return np.minimum(np.maximum(torques, torque_range[:, 0]), torque_range[:, 1])


@compiled
def orientation_error(R_target: Array, R: Array) -> Array:
    """Return the small rotation vector from R to R_target, (3,) [rad].

    Half the sum of the axes' cross products.
    """
    error = np.zeros(3)
    for axis in range(3):
        a, b = R[:, axis], R_target[:, axis]
        error[0] += 0.5 * (a[1] * b[2] - a[2] * b[1])
        error[1] += 0.5 * (a[2] * b[0] - a[0] * b[2])
        error[2] += 0.5 * (a[0] * b[1] - a[1] * b[0])

    return error


@compiled
def operational_inverse_inertia(M: Array, J: Array) -> Array:
    """Return J M^-1 J^T, (6, 6): Khatib's inverse of the inertia felt at the hand."""
    L = cholesky(M)  # (7, 7)
    n, rows = M.shape[0], J.shape[0]
    Y = np.empty((n, rows))  # L Y = J^T

    for row in range(rows):
        for i in range(n):
            value = J[row, i]
            for k in range(i):
                value -= L[i, k] * Y[k, row]
            Y[i, row] = value / L[i, i]

    product = np.zeros((rows, rows))
    for i in range(rows):
        for j in range(rows):
            for k in range(n):
                product[i, j] += Y[k, i] * Y[k, j]

    return product


@compiled
def times(A: Array, x: Array) -> Array:
    """Return A x; at this size plain loops are faster than a library call."""
    y = np.zeros(A.shape[0])
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            y[i] += A[i, j] * x[j]

    return y


@compiled
def cholesky(A: Array) -> Array:
    """Return the lower triangle L of A = L L^T, pivots held above PIVOT_FLOOR of the largest
    diagonal entry.
    """
    n = A.shape[0]
    floor = PIVOT_FLOOR * np.max(np.diag(A))
    L = np.zeros((n, n))

    for i in range(n):
        for j in range(i + 1):
            value = A[i, j]
            for k in range(j):
                value -= L[i, k] * L[j, k]
            L[i, j] = math.sqrt(max(value, floor)) if i == j else value / L[j, j]

    return L


@compiled
def solve(A: Array, b: Array) -> Array:
    """Return x of A x = b for a symmetric positive definite A."""
    L = cholesky(A)
    n = A.shape[0]
    x = np.empty(n)

    for i in range(n):
        x[i] = b[i]
        for k in range(i):
            x[i] -= L[i, k] * x[k]
        x[i] /= L[i, i]

    for i in range(n - 1, -1, -1):
        for k in range(i + 1, n):
            x[i] -= L[k, i] * x[k]
        x[i] /= L[i, i]

    return x
