"""A pinhole camera that looks at a table.

It converts between pixels and metres, also for cropped, turned and resized pictures.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from wayfarer_core import names
from wayfarer_core.calibration import Calibration
from wayfarer_core.errors import ConfigError

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera without distortion.

    Whole pixel numbers are the centres of pixels; z points into the picture.
    """

    K: Array  # (3, 3) pixels
    T_base_camera: Array  # (4, 4) metres
    width: int  # pixels
    height: int  # pixels
    table_height: float  # m, top of the table in the base frame

    def project(self, p_base: Array) -> Array:
        """Project points (n, 3) [m], base frame, to pixels (n, 2) (u, v)."""
        R, p = self.T_base_camera[:3, :3], self.T_base_camera[:3, 3]
        seen = (p_base - p) @ R @ self.K.T  # (n, 3)
        return np.asarray(seen[:, :2] / seen[:, 2:])

    def at_height(self, pixels: Array, z: float) -> Array:
        """Return the points (n, 3) [m] at height z [m] for pixels (n, 2).

        NaN above the horizon.
        """
        rays = (
            np.column_stack([pixels, np.ones(len(pixels))])
            @ np.linalg.inv(self.K).T
            @ self.T_base_camera[:3, :3].T
        )
        p = self.T_base_camera[:3, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            along = (z - p[2]) / rays[:, 2]

        return np.asarray(p + np.where(along > 0, along, np.nan)[:, None] * rays)

    def cropped(self, left: int, top: int, width: int, height: int) -> "Camera":
        """Return the camera of a cropped picture."""
        K = self.K.copy()
        K[:2, 2] -= (left, top)
        return replace(self, K=K, width=width, height=height)

    def resized(self, width: int, height: int) -> "Camera":
        """Return the camera of a resized picture."""
        K = self.K.copy()
        K[:2, 2] += 0.5  # resizing keeps pixels' corners, not centres
        K[0] *= width / self.width
        K[1] *= height / self.height
        K[:2, 2] -= 0.5

        return replace(self, K=K, width=width, height=height)

    def turned(self, quarter_turns: int) -> "Camera":
        """Return the camera of the picture turned counter-clockwise, as numpy's rot90 does."""
        if quarter_turns % 4 == 0:
            return self

        K = np.array(
            [
                [self.K[1, 1], 0.0, self.K[1, 2]],
                [0.0, self.K[0, 0], self.width - 1 - self.K[0, 2]],
                [0, 0, 1],
            ]
        )
        turn = np.eye(4)
        turn[:2, :2] = [[0.0, -1.0], [1.0, 0.0]]
        once = replace(
            self, K=K, T_base_camera=self.T_base_camera @ turn, width=self.height, height=self.width
        )

        return once.turned(quarter_turns - 1)


def camera_of(calibration: Calibration) -> Camera:
    """Return the camera of rectified full pictures.

    Raises ConfigError if the pose or the table's height is unknown.
    """
    if calibration.T_base_camera is None or calibration.table_height is None:
        raise ConfigError(
            "the calibration knows no camera pose or no table: `wayfarer calibrate camera pose` "
            "finds both"
        )

    return Camera(
        calibration.camera_matrix,
        calibration.T_base_camera,
        calibration.width,
        calibration.height,
        calibration.table_height,
    )


def observation_camera(calibration: Calibration, crop: Mapping[str, Any] | None = None) -> Camera:
    """Return the camera of the observations.

    `crop` are the camera node's parameters, as run.yaml has them under configuration/camera. Only
    crop_left, crop_top, crop_size and quarter_turns count; a missing one is 0, the node's
    default.
    """
    given = crop or {}
    left, top, size, turns = (
        int(given.get(key, 0)) for key in ("crop_left", "crop_top", "crop_size", "quarter_turns")
    )
    whole = camera_of(calibration)
    edge = size or min(whole.height - top, whole.width - left)
    if edge < 1 or top + edge > whole.height or left + edge > whole.width:
        raise ConfigError(
            f"crop of {size} from ({left}, {top}) does not fit {whole.width}x{whole.height} pixels"
        )

    return (
        whole.cropped(left, top, edge, edge)
        .turned(turns)
        .resized(names.OBSERVATION_SIZE, names.OBSERVATION_SIZE)
    )
