"""The camera calibration file, which `wayfarer calibrate camera` writes.

It is YAML, so that people can read it, correct it and keep it under version control.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from wayfarer_core import plain_yaml
from wayfarer_core.errors import ConfigError

Matrix = NDArray[np.float64]

FORMAT = "wayfarer camera calibration 1"
_KEYS = (
    "format",
    "date",
    "image_size",
    "camera_matrix",
    "distortion",
    "reprojection_error",
    "views",
)
_POSE_KEYS = ("T_base_camera", "pose_error", "table_height")


@dataclass(frozen=True, eq=False)
class Calibration:
    """The intrinsics of one camera at one image size, and its pose if that is known.

    Whole pixel numbers are the centres of pixels. The camera's frame is OpenCV's: x right, y down,
    z into the picture.
    """

    date: str  # ISO 8601, day of the intrinsics
    width: int  # pixels
    height: int  # pixels
    camera_matrix: Matrix  # (3, 3) pixels
    distortion: Matrix  # (5,) OpenCV's k1, k2, p1, p2, k3: ROS's plumb_bob
    reprojection_error: float  # pixels, root mean square over all corners
    views: int  # number of pictures of the board behind the intrinsics
    T_base_camera: Matrix | None = None  # (4, 4) metres
    pose_error: float | None = None  # pixels, root mean square over all corners
    table_height: float | None = None  # m, top of the table in the base frame

    def matrix_for(self, width: int, height: int) -> Matrix:
        """Return the camera matrix (3, 3) of the same picture at another size [pixels].

        Raises ConfigError if that size has another aspect ratio.
        """
        if abs(width * self.height - height * self.width) > max(self.width, self.height):
            raise ConfigError(
                f"the calibration is of a {self.width}x{self.height} camera: {width}x{height} has "
                "another shape"
            )

        scale = np.diag([width / self.width, height / self.height, 1.0])

        # OpenCV counts from pixel centres: shift to corners, scale, shift back
        half = np.array([[0.0, 0.0, 0.5], [0.0, 0.0, 0.5], [0.0, 0.0, 0.0]])

        return np.asarray(scale @ (self.camera_matrix + half) - half, dtype=np.float64)


def load_calibration(path: Path) -> Calibration:
    """Read a calibration file. Raises ConfigError naming the file and what is wrong in it."""
    try:
        content = plain_yaml.parse(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"no calibration at {path} ({error.strerror}): `wayfarer calibrate camera` writes one"
        ) from error
    except ValueError as error:
        raise ConfigError(f"calibration {path} is no YAML: {error}") from error

    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ConfigError(f"{path} is no camera calibration: its `format` must be {FORMAT!r}")

    wrong = sorted({*_KEYS, *_POSE_KEYS} ^ content.keys())
    if wrong:
        raise ConfigError(
            f"calibration {path}: {wrong[0]} is {'unknown' if wrong[0] in content else 'missing'}"
        )

    pose, pose_error, table = (content[key] for key in _POSE_KEYS)
    width, height = _numbers(path, content, "image_size", (2,)).astype(int).tolist()
    calibration = Calibration(
        date=str(content["date"]),
        width=width,
        height=height,
        camera_matrix=_numbers(path, content, "camera_matrix", (3, 3)),
        distortion=_numbers(path, content, "distortion", (5,)),
        reprojection_error=float(_numbers(path, content, "reprojection_error", ())),
        views=int(_numbers(path, content, "views", ())),
        T_base_camera=None if pose is None else _numbers(path, content, "T_base_camera", (4, 4)),
        pose_error=None if pose_error is None else float(_numbers(path, content, "pose_error", ())),
        table_height=None if table is None else float(_numbers(path, content, "table_height", ())),
    )
    _check(path, calibration)

    return calibration


def load_optional(path: str) -> Calibration | None:
    """Read the calibration that a parameter names; an empty name means none.

    Raises ConfigError as `load_calibration` does.
    """
    return load_calibration(Path(path)) if path else None


def save_calibration(calibration: Calibration, path: Path) -> None:
    """Write a calibration file, whole or not at all.

    Raises ConfigError if that is not possible.
    """
    c = calibration
    content = {
        "format": FORMAT,
        "date": c.date,
        "image_size": [c.width, c.height],
        "camera_matrix": c.camera_matrix.tolist(),
        "distortion": c.distortion.tolist(),
        "reprojection_error": c.reprojection_error,
        "views": c.views,
        "T_base_camera": None if c.T_base_camera is None else c.T_base_camera.tolist(),
        "pose_error": c.pose_error,
        "table_height": c.table_height,
    }
    part = path.with_name(path.name + ".part")

    try:
        part.write_text(yaml.safe_dump(content, sort_keys=False, default_flow_style=None))
        part.replace(path)
    except OSError as error:
        raise ConfigError(f"cannot write the calibration {path}: {error.strerror}") from error


def _numbers(path: Path, content: dict[str, Any], key: str, shape: tuple[int, ...]) -> Matrix:
    """Return finite numbers of the given shape."""
    try:
        numbers = np.array(content[key], dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.array(np.nan)

    if numbers.shape != shape or not np.isfinite(numbers).all():
        kind = " x ".join(str(n) for n in shape) + " finite numbers" if shape else "a finite number"
        raise ConfigError(f"calibration {path}: {key} must be {kind}, is {content[key]!r}")

    return numbers


def _check(path: Path, c: Calibration) -> None:
    K, T = c.camera_matrix, c.T_base_camera
    if c.width < 1 or c.height < 1:
        raise ConfigError(f"calibration {path}: image_size must be two positive numbers")
    if (
        min(K[0, 0], K[1, 1]) <= 0
        or K[0, 1] != 0
        or K[1, 0] != 0
        or K[2].tolist() != [0.0, 0.0, 1.0]
    ):
        raise ConfigError(
            f"calibration {path}: camera_matrix must be [[fx, 0, cx], [0, fy, cy], [0, 0, 1]]"
        )
    if T is not None and not (
        np.allclose(T[:3, :3] @ T[:3, :3].T, np.eye(3), atol=1e-4)
        and np.linalg.det(T[:3, :3]) > 0
        and T[3].tolist() == [0.0, 0.0, 0.0, 1.0]
    ):
        raise ConfigError(f"calibration {path}: T_base_camera must be a rotation and a translation")
