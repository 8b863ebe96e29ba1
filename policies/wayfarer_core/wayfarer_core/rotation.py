"""Orientations as unit quaternions xyzw, and rotations between them."""

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_UNIT = 1e-3  # allowed deviation of a quaternion's length from 1
_PARALLEL = 1e-9  # rad; below this two orientations are the same


def is_rotation(quaternion: Vector) -> bool:
    """Say whether a quaternion (4,) has length 1."""
    return (
        bool(np.isfinite(quaternion).all())
        and abs(float(np.linalg.norm(quaternion)) - 1.0) <= _UNIT
    )


def quaternion_of_matrix(R: Vector) -> Vector:
    """Return a rotation matrix (3, 3) as a unit quaternion (4,) with w >= 0.

    Four expressions exist; it uses the one with the largest divisor
    (Shepperd, "Quaternion from rotation matrix", Journal of Guidance and Control 1, 1978).
    """
    trace = float(np.trace(R))
    squares = np.array([*(2.0 * np.diag(R) - trace), trace]) + 1.0  # four times those of x, y, z, w
    largest = int(np.argmax(squares))

    if largest == 3:
        q = np.array([R[2, 1] - R[1, 2], R[0, 2] - R[2, 0], R[1, 0] - R[0, 1], squares[3]])
    else:
        i, j, k = largest, (largest + 1) % 3, (largest + 2) % 3
        q = np.empty(4)
        q[[i, j, k, 3]] = squares[i], R[i, j] + R[j, i], R[k, i] + R[i, k], R[k, j] - R[j, k]

    q /= np.linalg.norm(q)

    return np.asarray(q if q[3] >= 0.0 else -q)


def angle_between(a: Vector, b: Vector) -> float:
    """Return the angle [rad], 0 to pi, of the rotation from one unit quaternion (4,) to another."""
    nearer = b if float(a @ b) >= 0.0 else -b
    return 4.0 * float(np.arctan2(np.linalg.norm(nearer - a), np.linalg.norm(nearer + a)))


def turned(a: Vector, b: Vector, longest: float) -> Vector:
    """Return orientation `a` rotated towards `b` by at most `longest` [rad], (4,).

    If `b` is no further away, return `b`. The way is the shorter great circle
    (Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985).
    """
    whole = angle_between(a, b)
    if whole <= max(longest, _PARALLEL):
        return b

    nearer = b if float(a @ b) >= 0.0 else -b
    half, part = whole / 2.0, max(longest, 0.0) / 2.0
    q = (np.sin(half - part) * a + np.sin(part) * nearer) / np.sin(half)

    return np.asarray(q / np.linalg.norm(q))
