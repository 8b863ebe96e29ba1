"""Finds the six-coloured cube on the table.

It gives position, orientation and top colour from one picture of a calibrated camera.

Coloured blobs give a rough position. Then a model of the cube is moved until it explains the
picture best. The cube must lie flat; one on an edge or under the hand gets a low confidence or
none.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation
from wayfarer_core.cube import EDGE
from wayfarer_core.errors import ConfigError

from wayfarer_vision.camera import Array, Camera
from wayfarer_vision.cube_colours import orientation
from wayfarer_vision.cube_model import COLOURED, Look, Patch, turned

TRUSTED = 0.5  # confidence, 0 to 1, from which on a pose counts as a label
_SEARCH = 160  # pixels, longest side of the picture for the search of blobs
_WHITE = 99.0  # percentile of the brightness of table and cube that counts as white
_UNLIKE_TABLE = 45.0  # least colour distance from the table, without brightness
_LEAST_BLOB = 0.12  # area of a blob, in areas of a face of the cube
_BLOBS = 3  # number of blobs tried, the largest first
_NEAR, _FAR = 0.2, 1.0  # m, horizontal distances from the robot's base between which to search
# m, starts in front of and behind a blob's middle, seen from the camera:
_ALONG = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) * EDGE
_ACROSS = np.array([-0.5, 0.0, 0.5]) * EDGE  # and beside it: the blob may be the top or a side
_YAWS = np.radians([0.0, 22.5, 45.0, 67.5])
_STARTS = 3  # number of starts that are followed, the best first
# m, m, rad
_SIMPLEX = np.array([[0.0, 0.0, 0.0], [0.005, 0.0, 0.0], [0.0, 0.005, 0.0], [0.0, 0.0, 0.2]])
_STILL = 1.05  # if the cost grows by less than this factor, the cube has not moved


@dataclass(frozen=True, eq=False)
class CubeSighting:
    """A pose of the cube, base frame."""

    position: Array  # (3,) m, its centre
    quaternion: Array  # (4,) xyzw
    top_face: str  # one of wayfarer_core.cube.FACES
    # 0 to 1: share of the cube that looks as modelled, times certainty of its top
    confidence: float

    @property
    def pose(self) -> Array:
        """Position and quaternion (7,)."""
        return np.concatenate([self.position, self.quaternion])


@dataclass(frozen=True, eq=False)
class _Fit:
    place: Array  # (3,) x [m], y [m], yaw [rad]
    look: Look
    white: float  # brightness of something white in the picture


class CubeTracker:
    """Finds the cube in the pictures of one camera.

    Call it with an episode's images to label all of them.
    """

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        scale = min(1.0, _SEARCH / max(camera.width, camera.height))
        self._small = camera.resized(round(camera.width * scale), round(camera.height * scale))
        v, u = np.mgrid[0 : self._small.height, 0 : self._small.width]
        table = self._small.at_height(
            np.column_stack([u.ravel(), v.ravel()]).astype(float), camera.table_height
        )
        away = np.hypot(table[:, 0], table[:, 1]).reshape(u.shape)
        self._region = (away > _NEAR) & (away < _FAR)  # NaN is outside
        if not self._region.any():
            raise ConfigError(
                "the camera does not see the table within a metre of the robot: wrong "
                "T_base_camera?"
            )

    def __call__(self, images: NDArray[np.uint8]) -> Array:
        """Return the cube's poses (T + 1, 7) in an episode's images (T + 1, H, W, 3).

        NaN where it is not found.
        """
        poses = np.full((len(images), 7), np.nan)
        last: _Fit | None = None
        for k, pixels in enumerate(images):
            last = self._find(pixels, last)
            sighting = self._sighting(last)
            if sighting is not None and sighting.confidence >= TRUSTED:
                poses[k] = sighting.pose

        return poses

    def track(self, pixels: NDArray[np.uint8]) -> CubeSighting | None:
        """Find the cube in a picture (H, W, 3) RGB.

        None if nothing on the table looks like it.
        """
        return self._sighting(self._find(pixels, None))

    def _find(self, pixels: NDArray[np.uint8], last: _Fit | None) -> _Fit | None:
        """Return the pose that explains the picture best; try the last picture's pose
        first.
        """
        if pixels.shape != (self._camera.height, self._camera.width, 3):
            raise ConfigError(
                f"picture of {pixels.shape[1]}x{pixels.shape[0]} pixels from a camera of "
                f"{self._camera.width}x{self._camera.height}"
            )

        small = cv2.resize(
            pixels, (self._small.width, self._small.height), interpolation=cv2.INTER_AREA
        )
        table = np.median(small[self._region], axis=0)  # (3,)
        white = float(np.percentile(small[self._region].max(axis=1), _WHITE))
        blobs = self._blobs(small.astype(np.float32), table)

        if last is not None and blobs:
            still = self._patch(pixels, last.place, table, white).look(*last.place)
            if still.cost <= _STILL * last.look.cost and still.clear >= last.look.clear - 0.02:
                return _Fit(last.place, still, white)

        places = [
            _fit(self._patch(pixels, blob, table, white), blob, self._ahead(blob)) for blob in blobs
        ]
        fits = [_Fit(place, look, white) for place, look in places]
        if not fits:
            return None

        place = max(fits, key=lambda fit: fit.look.gain).place

        # evaluated like the next picture's
        return _Fit(place, self._patch(pixels, place, table, white).look(*place), white)

    def _patch(self, pixels: NDArray[np.uint8], place: Array, table: Array, white: float) -> Patch:
        centre = np.array([place[0], place[1], self._camera.table_height + EDGE / 2])
        return Patch(pixels, self._camera, centre, table, white)

    def _ahead(self, place: Array) -> Array:
        """Return the horizontal direction (2,) from the camera to a position.

        Any direction if it is straight below.
        """
        level = place[:2] - self._camera.T_base_camera[:2, 3]
        length = float(np.linalg.norm(level))
        return np.asarray(level / length) if length > EDGE else np.array([1.0, 0.0])

    def _blobs(self, small: NDArray[np.float32], table: Array) -> list[Array]:
        """Return positions (x, y, z) [m] of coloured blobs on the table, the largest first."""
        hue = small - small.mean(axis=2, keepdims=True)
        unlike = np.linalg.norm(hue - (table - table.mean()), axis=2)
        coloured = (
            (small.max(axis=2) - small.min(axis=2) > COLOURED)
            & (unlike > _UNLIKE_TABLE)
            & self._region
        )
        count, _, stats, middles = cv2.connectedComponentsWithStats(
            coloured.astype(np.uint8), connectivity=8
        )
        found = []

        for k in range(1, count):
            place = self._small.at_height(middles[k][None], self._camera.table_height + EDGE / 2)[0]
            distance = np.linalg.norm(place - self._camera.T_base_camera[:3, 3])
            face = (self._small.K[0, 0] * EDGE / distance) ** 2  # pixels
            if stats[k, cv2.CC_STAT_AREA] >= max(_LEAST_BLOB * face, 1.0):
                found.append((int(stats[k, cv2.CC_STAT_AREA]), place))

        return [place for _, place in sorted(found, key=lambda it: -it[0])[:_BLOBS]]

    def _sighting(self, fit: _Fit | None) -> CubeSighting | None:
        """Turn a fit into a sighting; None if it is no cube."""
        if fit is None or fit.look.gain <= 0.0:
            return None

        look, (x, y, yaw) = fit.look, fit.place
        quarter = np.array(look.sides) * np.pi / 2
        normals = np.array(
            [[0.0, 0.0, 1.0], *np.column_stack([np.cos(quarter), np.sin(quarter), 0 * quarter])]
        )
        turn, top, sure = orientation(look.colours, normals, look.areas, fit.white)
        R = turned(np.eye(3), yaw).T @ turn

        return CubeSighting(
            position=np.array([x, y, self._camera.table_height + EDGE / 2]),
            quaternion=Rotation.from_matrix(R).as_quat(),
            top_face=top,
            confidence=look.clear * sure,
        )


def _fit(patch: Patch, blob: Array, ahead: Array) -> tuple[Array, Look]:
    """Return the pose (3,) near a blob that explains a patch best.

    `ahead` (2,) is the camera's horizontal direction.
    """
    starts = []
    for along in _ALONG:
        for across in _ACROSS:
            x, y = blob[:2] + along * ahead + across * np.array([-ahead[1], ahead[0]])
            starts.append(min((patch.look(x, y, yaw).cost, x, y, yaw) for yaw in _YAWS))

    slid = [_slide(patch, np.array(start[1:])) for start in sorted(starts)[:_STARTS]]
    place = min(slid, key=lambda it: it[1])[0]

    return place, patch.look(*place)


def _slide(patch: Patch, start: Array) -> tuple[Array, float]:
    """Return a local minimum (3,) from a start, and its cost."""
    options = {"xatol": 1e-4, "fatol": 20.0, "initial_simplex": start + _SIMPLEX, "maxiter": 70}
    found = minimize(
        lambda place: patch.look(*place).cost, start, method="Nelder-Mead", options=options
    )

    return np.asarray(found.x), float(found.fun)
