"""The six-coloured cube: its size, which face is up, and who may know its pose."""

import numpy as np
from numpy.typing import NDArray

EDGE = 0.05  # [m]
TRUTH, TRACKER = "recorded truth", "cube tracker"  # sources of its pose

# Outward normal of each face in the cube's own frame, as the simulator's texture layout places the
# colours.
FACE_NORMALS: dict[str, tuple[int, int, int]] = {
    "white": (1, 0, 0),
    "red": (-1, 0, 0),
    "green": (0, 1, 0),
    "blue": (0, -1, 0),
    "yellow": (0, 0, 1),
    "cyan": (0, 0, -1),
}
FACES = tuple(FACE_NORMALS)
_NORMALS = np.array(list(FACE_NORMALS.values()), dtype=float)  # (6, 3)


def top_faces(quaternions: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the index into FACES of the face that points up most, for orientations xyzw (..., 4)
    -> (...).
    """
    x, y, z, w = np.moveaxis(np.asarray(quaternions, dtype=float), -1, 0)
    # third row of the rotation matrix: the world's z component of each axis of the cube
    # (..., 3)
    up = np.stack([2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)], axis=-1)
    return np.asarray(np.argmax(up @ _NORMALS.T, axis=-1), dtype=np.int64)


def top_face(quaternion: NDArray[np.float64]) -> str:
    """Return the colour of the face that points up most, for one orientation xyzw (4,)."""
    return FACES[int(top_faces(quaternion))]
