"""A model of a cube on the table.

It explains a patch of a picture by the cube's position, yaw and face colours.

A pixel's modelled colour is the table's, plus, for each visible face, its share of the pixel times
the face's colour. So a pose can be fitted with subpixel accuracy in any
light.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from wayfarer_core.cube import EDGE

from wayfarer_vision.camera import Array, Camera
from wayfarer_vision.cube_colours import whiteness

_PATCH = 40  # pixels at most along a patch; larger ones are shrunk
_REACH = 1.6 * EDGE  # m, half-width of a patch
_FINE = 160  # pixels along the patch when faces are drawn; they are then averaged
_FRACTION = 4  # bits of a pixel's fraction in OpenCV's drawing
# colour distance, 0 to 442, beyond which a pixel shows something else: the arm, a shadow
OUTLIER = 120.0
# least difference between the largest and smallest of R, G, B, 0 to 255, of a coloured face
COLOURED = 45.0
_TABLE = 60.0  # colour distance up to which a pixel shows the table
# colour distance below which a side cannot be told from the table: it then does not count
_UNSEEN = 30.0
# gain per pixel of the silhouette above which there is surely a cube
_EVIDENCE = 0.2 * OUTLIER**2
_GREY = 0.15  # weight of grey pixels: the arm, or a white face in the shade
_RIDGE = 1e-3  # keeps the colour of a barely visible face finite
_QUARTERS = np.arange(4) * np.pi / 2
# Corners of the face whose normal is +x of the turned cube, and of the top; in half edges.
_SIDE = np.array([[1, -1, -1], [1, 1, -1], [1, 1, 1], [1, -1, 1]], dtype=float)  # (4, 3)
_TOP = np.array([[1, 1, 1], [-1, 1, 1], [-1, -1, 1], [1, -1, 1]], dtype=float)  # (4, 3)


@dataclass(frozen=True, eq=False)
class Look:
    """How well one pose explains the patch, and the colours of its faces."""

    # sum over the patch's pixels of the squared colour distance, each at most OUTLIER^2
    cost: float
    gain: float  # by which the cost would be larger without a cube
    # visible sides: k is the side whose normal is k quarter turns from the cube's +x
    sides: tuple[int, ...]
    colours: Array  # (1 + len(sides), 3) RGB, 0 to 255 about; the top first
    areas: Array  # (1 + len(sides),) pixels
    # share of the cube's silhouette that is in the picture, explained, and cube-coloured; reduced
    # if the gain is small
    clear: float


class Patch:
    """A part of a picture around a position on the table."""

    def __init__(
        self, pixels: NDArray[np.uint8], camera: Camera, p_base: Array, table: Array, white: float
    ) -> None:
        """Cut the patch out.

        Args:
            pixels: the picture (H, W, 3) RGB.
            camera: of that picture.
            p_base: approximate position of the cube (3,) m.
            table: colour of the table (3,) RGB.
            white: brightness of something white, 0 to 255.

        """
        centre = camera.project(p_base[None])[0]
        distance = float((p_base - camera.T_base_camera[:3, 3]) @ camera.T_base_camera[:3, 2])
        half = int(np.ceil(_REACH * max(camera.K[0, 0], camera.K[1, 1]) / distance))
        size = 2 * half + 1
        left, top = (int(v) for v in np.round(centre) - half)

        # the fourth channel is the share of a pixel that is inside the picture
        held = np.zeros((size, size, 4), np.float32)
        x0, x1 = max(left, 0), min(left + size, camera.width)
        y0, y1 = max(top, 0), min(top + size, camera.height)

        if x0 < x1 and y0 < y1:
            held[y0 - top : y1 - top, x0 - left : x1 - left, :3] = pixels[y0:y1, x0:x1]
            held[y0 - top : y1 - top, x0 - left : x1 - left, 3] = 1.0

        edge = min(size, _PATCH)
        if edge < size:
            held = cv2.resize(held, (edge, edge), interpolation=cv2.INTER_AREA)

        self._edge, self._fine = edge, edge * max(1, round(_FINE / edge))
        colour = held[..., :3].reshape(-1, 3)  # (n, 3)
        self._rest = colour - table.astype(np.float32)  # (n, 3)
        bare = np.square(self._rest).sum(axis=1)  # (n,)
        self._grey = (np.ptp(colour, axis=1) <= COLOURED) & (bare > _TABLE**2)  # (n,)
        self._inside = (held[..., 3].ravel() > 0.99).astype(np.float32)  # (n,)

        # (n,)
        self._weight = np.where(self._grey, np.float32(_GREY), np.float32(1.0)) * self._inside
        self._bare = float((self._weight * np.minimum(bare, OUTLIER**2)).sum())
        self._table, self._white = table, white
        self._camera = camera.cropped(left, top, size, size).resized(self._fine, self._fine)
        self._height = camera.table_height

    def look(self, x: float, y: float, yaw: float) -> Look:
        """Return how a cube at (x, y) [m], turned by yaw [rad], would explain the patch."""
        sides, cover = self._cover(x, y, yaw)  # (n, 1 + sides)
        weight = self._weight
        for _ in range(2):
            weighted = cover * weight[:, None]
            normal = weighted.T @ cover + _RIDGE * np.eye(cover.shape[1], dtype=np.float32)

            # differences from the table's colour
            colours = np.linalg.solve(normal, weighted.T @ self._rest)
            error = np.square(self._rest - cover @ colours).sum(axis=1)  # (n,)
            good = error < OUTLIER**2
            weight = self._weight * good

        cost = float((self._weight * np.minimum(error, OUTLIER**2)).sum())
        seen = colours.astype(np.float64) + self._table
        silhouette = cover.sum(axis=1)
        area, gain = max(float(silhouette.sum()), 1e-6), self._bare - cost
        counts = np.linalg.norm(colours, axis=1) > _UNSEEN  # (1 + sides,)
        counts[0] = True  # a white top may look like a white table; a side may not
        white = whiteness(seen, self._white) * counts
        fitting = np.where(self._grey, cover @ white, cover @ counts) * good * self._inside
        clear = float(fitting.sum()) / area * min(1.0, max(0.0, gain / (area * _EVIDENCE)))

        return Look(cost, gain, sides, seen, cover.sum(axis=0).astype(np.float64), clear)

    def _cover(self, x: float, y: float, yaw: float) -> tuple[tuple[int, ...], NDArray[np.float32]]:
        """Return the visible sides, and the share of each pixel that the top and each side cover
        (n, 1 + sides).
        """
        centre = np.array([x, y, self._height + EDGE / 2])
        eye = self._camera.T_base_camera[:2, 3] - centre[:2]
        angles = yaw + _QUARTERS
        towards = np.cos(angles) * eye[0] + np.sin(angles) * eye[1]  # (4,) m from the cube's middle
        sides = tuple(int(k) for k in np.flatnonzero(towards > EDGE / 2))
        faces = [turned(_TOP, yaw), *(turned(_SIDE, float(angles[k])) for k in sides)]
        corners = self._camera.project(np.concatenate(faces) * (EDGE / 2) + centre)  # (4 faces, 2)
        points = np.round(corners * (1 << _FRACTION)).astype(np.int32).reshape(-1, 4, 2)
        canvas = np.zeros((self._fine, self._fine, 3), np.uint8)

        for k, outline in enumerate(points):
            colour = [0, 0, 0]
            colour[k] = 255
            cv2.fillConvexPoly(canvas, outline, colour, cv2.LINE_8, _FRACTION)

        small = cv2.resize(canvas, (self._edge, self._edge), interpolation=cv2.INTER_AREA)

        return sides, small.reshape(-1, 3)[:, : len(points)].astype(np.float32) / 255.0


def turned(points: Array, yaw: float) -> Array:
    """Return points (n, 3) turned about the vertical by yaw [rad]."""
    c, s = np.cos(yaw), np.sin(yaw)
    return np.asarray(points @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]]))
