"""Inverse kinematics, step by step along a motion."""

import numpy as np

from panda_sim.arm.limits import Vector
from panda_sim.arm.model_library import Model
from panda_sim.arm.rotations import difference

_CLOSE = 1e-11  # m and rad; a smaller error counts as zero
_ITERATIONS = 4
# squared damping of the least-squares inverse: far below the singular values of a good posture
_DAMPING = 1e-8
SINGULAR = (
    0.02  # smallest singular value of the Jacobian at which a Cartesian motion may begin; assumed
)


def follow(model: Model, q: Vector, T: Vector, F_T_EE: Vector, q3: float | None) -> Vector:
    """Return joint angles (7,) [rad] for a pose (4, 4), near to `q`.

    `q3` [rad], if given, is the angle of joint 3.

    Without it the joints move as little as possible. For a pose out of reach the result comes as
    near as possible.
    """
    q = np.array(q)
    for _ in range(_ITERATIONS):
        error = difference(T, model.pose(q, F_T_EE))
        rows = model.jacobian(q, F_T_EE)
        if q3 is not None:
            error = np.append(error, q3 - q[2])
            rows = np.vstack([rows, np.eye(7)[2]])

        if float(np.abs(error).max()) < _CLOSE:
            break

        q = q + rows.T @ np.linalg.solve(rows @ rows.T + _DAMPING * np.eye(len(rows)), error)

    return q


def is_singular(model: Model, q: Vector, F_T_EE: Vector) -> bool:
    """Say whether the hand cannot move along, or turn about, some axis."""
    return float(np.linalg.svd(model.jacobian(q, F_T_EE), compute_uv=False)[-1]) < SINGULAR
