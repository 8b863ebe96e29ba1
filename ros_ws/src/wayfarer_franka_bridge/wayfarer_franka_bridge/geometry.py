"""Reach of a Franka's hand, and the conversion between its tool points. Pure."""

import numpy as np

from wayfarer_franka_bridge.drivers.driver import Vector

# m, base frame: intersection of the axes of joints 1 and 2 (Franka's DH table)
_SHOULDER = np.array([0.0, 0.0, 0.333])
_FLANGE = 0.107  # m from joint 7's origin to the flange
_HAND = 0.1034  # m from the flange to libfranka's nominal end effector
_WRIST = 0.088  # m between the axes of joints 6 and 7
_NEAREST = 0.25  # m from the shoulder; nearer, the arm would fold into itself


def rotation(quaternion: Vector) -> Vector:
    """Return the matrix (3, 3) of a unit quaternion xyzw (4,)."""
    x, y, z, w = quaternion

    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def quaternion(R: Vector) -> Vector:
    """Return the unit quaternion xyzw (4,) of a rotation (3, 3); its largest part is positive."""
    xx, yy, zz = np.diag(R)

    # 4 x^2, y^2, z^2, w^2
    squares = np.array([1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz, 1 + xx + yy + zz])
    largest = int(np.argmax(squares))
    p, m = R + R.T, R - R.T
    rows = (
        (squares[0], p[0, 1], p[0, 2], m[2, 1]),
        (p[0, 1], squares[1], p[1, 2], m[0, 2]),
        (p[0, 2], p[1, 2], squares[2], m[1, 0]),
        (m[2, 1], m[0, 2], m[1, 0], squares[3]),
    )
    q = np.array(rows[largest])

    return np.asarray(q / np.linalg.norm(q))


def out_of_reach(position: Vector, quaternion: Vector, reach: float) -> str:
    """Say why libfranka's end effector cannot reach a pose; empty if it can.

    The quaternion has length 1.

    The wrist's centre lies on a circle around the hand's axis, and must be within `reach` [m] of
    the shoulder.
    """
    axis = rotation(quaternion)[:, 2]
    flange_to_shoulder = position - (_HAND + _FLANGE) * axis - _SHOULDER
    along = float(flange_to_shoulder @ axis)
    across = float(np.linalg.norm(flange_to_shoulder - along * axis))
    near, far = (float(np.hypot(along, abs(across - s * _WRIST))) for s in (1.0, -1.0))
    if near > reach:
        return (
            f"{np.round(position, 3).tolist()} m is out of reach: {near:.3f} m for the wrist, at "
            f"most {reach}"
        )
    if far < _NEAREST:
        return (
            f"{np.round(position, 3).tolist()} m is too near to the shoulder: {far:.3f} m, at "
            f"least {_NEAREST}"
        )

    return ""


def from_tool(position: Vector, quaternion: Vector, offset: Vector) -> Vector:
    """Return the position (3,) of libfranka's end effector for a position of the tool point."""
    return np.asarray(position - rotation(quaternion) @ offset)


def to_tool(T_base_ee: Vector, offset: Vector) -> Vector:
    """Return the position (3,) of the tool point for a pose (4, 4) of libfranka's end effector."""
    return np.asarray(T_base_ee[:3, 3] + T_base_ee[:3, :3] @ offset)
