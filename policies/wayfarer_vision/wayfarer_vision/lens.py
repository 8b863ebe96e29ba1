"""A camera's intrinsics from pictures of the board; refused if these do not determine them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import cv2
import numpy as np
from wayfarer_core.calibration import Calibration
from wayfarer_core.errors import DataError

from wayfarer_vision.camera import Array
from wayfarer_vision.charuco import MIN_CORNERS, Board, View

MIN_VIEWS = 8
MIN_COVERED = 0.4  # share of the picture's area that all corners together span
MIN_TILT = 15.0  # degree between the board's normals in the two views that differ most
MAX_ERROR = 1.0  # pixels
MAX_DOUBT = 0.02  # standard deviation of the focal length, as a share of it


@dataclass(frozen=True, eq=False)
class Lens:
    """Intrinsics, and the residuals of each view."""

    calibration: Calibration
    residuals: tuple[Array, ...]  # (n, 2) pixels each: seen minus expected
    doubt: float  # standard deviation of the focal length, as a share of it


def find_lens(views: Sequence[View], board: Board, today: date) -> Lens:
    """Return the intrinsics.

    Raises DataError if the views are too few, too similar or do not fit together.
    """
    width, height = _same_size(views)
    covered = cv2.contourArea(
        cv2.convexHull(np.concatenate([v.pixels for v in views]).astype(np.float32))
    )
    if covered < MIN_COVERED * width * height:
        raise DataError(
            f"the board covers {100 * covered / width / height:.0f} % of the picture over all "
            f"views, must be {100 * MIN_COVERED:.0f} %: also hold it into the corners"
        )

    points = [board.corners(view.ids).astype(np.float32) for view in views]
    seen = [view.pixels.astype(np.float32) for view in views]
    error, K, distortion, turns, shifts, doubts, *_ = cv2.calibrateCameraExtended(
        points, seen, (width, height), None, None
    )
    if not np.isfinite(K).all() or error > MAX_ERROR:
        raise DataError(
            f"the views do not fit together: {error:.2f} pixels of reprojection error, must be "
            f"below {MAX_ERROR}: is the printed square as long as was said, the board flat, the "
            "focus fixed, every picture sharp?"
        )

    normals = np.array([cv2.Rodrigues(turn)[0][:, 2] for turn in turns])  # (views, 3)
    tilt = np.degrees(np.arccos(np.clip((normals @ normals.T).min(), -1.0, 1.0)))
    doubt = float(np.max(np.ravel(doubts)[:2] / (K[0, 0], K[1, 1])))
    if tilt < MIN_TILT or doubt > MAX_DOUBT:
        raise DataError(
            f"the views are too alike to tell the focal length (uncertain by {100 * doubt:.1f} %, "
            f"tilts differ by {tilt:.0f} degrees, must be {MIN_TILT:.0f}): also hold the board "
            "aslant, to all sides"
        )

    residuals = tuple(
        s - cv2.projectPoints(p, turn, shift, K, distortion)[0].reshape(-1, 2)
        for s, p, turn, shift in zip(seen, points, turns, shifts, strict=True)
    )
    lens = Calibration(
        today.isoformat(), width, height, K, np.ravel(distortion)[:5], float(error), len(views)
    )

    return Lens(lens, residuals, doubt)


def _same_size(views: Sequence[View]) -> tuple[int, int]:
    if len(views) < MIN_VIEWS:
        raise DataError(
            f"the board is seen in {len(views)} pictures, must be in {MIN_VIEWS} or more, each "
            f"with {MIN_CORNERS} corners or more"
        )

    sizes = sorted({(view.width, view.height) for view in views})
    if len(sizes) > 1:
        raise DataError(
            f"the pictures are of several sizes: {', '.join(f'{w}x{h}' for w, h in sizes)}"
        )

    return sizes[0]
