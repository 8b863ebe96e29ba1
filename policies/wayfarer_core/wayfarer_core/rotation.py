"""Orientations as unit quaternions xyzw, and turns between them."""

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

_UNIT = 1e-3  # by how much a quaternion's length may differ from 1
_PARALLEL = 1e-9  # rad; below this two orientations are the same


def is_rotation(quaternion: Vector) -> bool:
    """Say whether a quaternion (4,) is one of length 1."""
    return (
        bool(np.isfinite(quaternion).all())
        and abs(float(np.linalg.norm(quaternion)) - 1.0) <= _UNIT
    )


def angle_between(a: Vector, b: Vector) -> float:
    """Return the angle [rad], 0 to pi, of the turn from one unit quaternion (4,) to another."""
    nearer = b if float(a @ b) >= 0.0 else -b
    return 4.0 * float(np.arctan2(np.linalg.norm(nearer - a), np.linalg.norm(nearer + a)))


def turned(a: Vector, b: Vector, longest: float) -> Vector:
    """Return the orientation (4,) that leads from `a` towards `b` by `longest` [rad] at most.

    Where `b` is no further away, it is returned as it is. The way is the shorter great circle
    (Shoemake, "Animating rotation with quaternion curves", SIGGRAPH 1985).
    """
    whole = angle_between(a, b)
    if whole <= max(longest, _PARALLEL):
        return b
    nearer = b if float(a @ b) >= 0.0 else -b
    half, part = whole / 2.0, max(longest, 0.0) / 2.0
    q = (np.sin(half - part) * a + np.sin(part) * nearer) / np.sin(half)
    return np.asarray(q / np.linalg.norm(q))
