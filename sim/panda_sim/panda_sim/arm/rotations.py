"""Rotations as matrices (3, 3) and as vectors: axis times angle (3,) [rad]. Pure."""

import math

import numpy as np

from panda_sim.arm.limits import Vector

_ORTHONORMAL = 1e-5  # allowed error of a column's or row's length, as in libfranka


def log(R: Vector) -> Vector:
    """Return the rotation vector of a matrix."""
    # The axis, times the sine of the angle.
    w: Vector = 0.5 * np.array([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1]])
    sine, cosine = math.sqrt(float(w @ w)), 0.5 * (R[0, 0] + R[1, 1] + R[2, 2] - 1.0)
    angle = math.atan2(sine, cosine)
    if sine > 1e-7:
        return np.asarray(w * (angle / sine))
    if cosine > 0.0:
        return np.asarray(w)

    square = 0.5 * (R + np.eye(3))  # at half a turn: the axis times its transpose
    column = square[:, int(np.argmax(np.diag(square)))]

    return np.asarray(angle * column / np.linalg.norm(column))


def exp(w: Vector) -> Vector:
    """Return the matrix of a rotation vector (Rodrigues)."""
    angle = math.sqrt(float(w @ w))
    x, y, z = w
    K = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    if angle < 1e-9:
        return np.asarray(np.eye(3) + K)

    return np.asarray(
        np.eye(3) + math.sin(angle) / angle * K + (1.0 - math.cos(angle)) / angle**2 * K @ K
    )


def is_pose(T: Vector) -> bool:
    """Say whether a matrix (4, 4) is a pose: finite, with orthonormal axes, right-handed."""
    if not np.isfinite(T).all() or not np.array_equal(T[3], (0.0, 0.0, 0.0, 1.0)):
        return False
    R = T[:3, :3]
    lengths = np.concatenate([np.linalg.norm(R, axis=0), np.linalg.norm(R, axis=1)])

    return bool(np.abs(lengths - 1.0).max() < _ORTHONORMAL) and float(np.linalg.det(R)) > 0.0


def difference(T_to: Vector, T_from: Vector) -> Vector:
    """Return the displacement from one pose (4, 4) to another, (6,).

    Translation [m], rotation vector [rad]; base axes.
    """
    return np.concatenate([T_to[:3, 3] - T_from[:3, 3], log(T_to[:3, :3] @ T_from[:3, :3].T)])
