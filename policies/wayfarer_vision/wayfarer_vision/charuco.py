"""The printed calibration board.

It is a chessboard with a marker in each white square, so that a part of it suffices.
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from wayfarer_core.errors import ConfigError

from wayfarer_vision.camera import Array

MIN_CORNERS = 8  # seen in one picture
FORMATS = (".pdf", ".png")
_MM = 1.0 / 25.4  # inch
_DPI = 300
_MARGIN = 12.0  # mm around the board, white
_BITS = 7  # cells along a marker, with its black frame
_RULER = 100  # mm

POSES = "poses.csv"  # the hand's poses for pictures of a board in the hand
COLUMNS = ("file", "x", "y", "z", "qx", "qy", "qz", "qw")  # of that table


@dataclass(frozen=True)
class Board:
    """A ChArUco board; the default fits an A4 sheet.

    Its frame: origin at the top left corner, x right, y down, z into the paper.
    """

    columns: int = 9  # squares
    rows: int = 6  # squares
    square: float = 0.03  # m
    marker: float = 0.022  # m

    def __post_init__(self) -> None:
        if self.columns < 3 or self.rows < 3 or self.columns * self.rows > 200:
            raise ConfigError(
                f"board of {self.columns}x{self.rows} squares: 3 at least each way, 200 at most "
                "in all"
            )
        if not 0.0 < self.marker < self.square <= 0.5:
            raise ConfigError(
                f"board with squares of {self.square} m and markers of {self.marker} m: smaller "
                "markers"
            )

    @property
    def size(self) -> tuple[float, float]:
        """Width and height [m]."""
        return self.columns * self.square, self.rows * self.square

    def corners(self, ids: NDArray[np.int32]) -> Array:
        """Return the positions (n, 3) [m] of inner corners by their numbers, board frame."""
        return np.asarray(self._charuco().getChessboardCorners(), dtype=np.float64)[ids]

    def find(self, pixels: NDArray[np.uint8]) -> "View | None":
        """Find the board in a picture (H, W, 3) RGB.

        None if fewer than MIN_CORNERS corners are seen.
        """
        found, ids, _, _ = cv2.aruco.CharucoDetector(self._charuco()).detectBoard(
            cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        )
        if ids is None or len(ids) < MIN_CORNERS:
            return None

        numbers = np.asarray(ids, dtype=np.int32).ravel()
        if (
            np.linalg.matrix_rank(
                self.corners(numbers)[:, :2] - self.corners(numbers)[0, :2], tol=1e-6
            )
            < 2
        ):
            return None  # all on one line: they span no plane

        height, width = pixels.shape[:2]

        return View(numbers, np.asarray(found, dtype=np.float64).reshape(-1, 2), width, height)

    def draw(self, path: Path) -> None:
        """Write a page in true size, PDF or PNG. Raises ConfigError for another kind of file."""
        from matplotlib.figure import Figure  # slow to import, and every command imports this file
        from matplotlib.patches import Rectangle

        if path.suffix.lower() not in FORMATS:
            raise ConfigError(f"board {path}: its name must end with {' or '.join(FORMATS)}")

        width, height = (1e3 * v for v in self.size)  # mm
        page = (width + 2 * _MARGIN, height + 2 * _MARGIN)
        figure = Figure(figsize=(page[0] * _MM, page[1] * _MM), dpi=_DPI)
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set(xlim=(-_MARGIN, width + _MARGIN), ylim=(height + _MARGIN, -_MARGIN))
        axes.axis("off")

        for left, top, edge in self._black():
            axes.add_patch(
                Rectangle((left, top), edge, edge, color="black", linewidth=0.0, antialiased=False)
            )

        axes.plot((0, _RULER), (height + 4, height + 4), color="black", linewidth=0.8)
        sizes = f"squares {1e3 * self.square:g} mm, markers {1e3 * self.marker:g} mm"
        note = f"line: {_RULER} mm when printed at 100 %; {sizes}"
        axes.text(0, height + 9, note, fontsize=7)

        try:
            figure.savefig(path, dpi=_DPI)
        except OSError as error:
            raise ConfigError(f"cannot write {path}: {error.strerror}") from error

    def _black(self) -> list[tuple[float, float, float]]:
        """Return the black squares of the page: left, top, edge [mm]."""
        charuco = self._charuco()
        marked, black = set(), []
        cell = 1e3 * self.marker / _BITS

        for corners, number in zip(charuco.getObjPoints(), np.ravel(charuco.getIds()), strict=True):
            left, top = (1e3 * float(v) for v in np.min(corners, axis=0)[:2])
            marked.add((int(left / self.square / 1e3), int(top / self.square / 1e3)))
            bits = cv2.aruco.generateImageMarker(charuco.getDictionary(), int(number), _BITS)
            black += [
                (left + x * cell, top + y * cell, cell)
                for y, x in np.argwhere(np.asarray(bits) == 0)
            ]

        edge = 1e3 * self.square
        for y in range(self.rows):
            black += [
                (x * edge, y * edge, edge) for x in range(self.columns) if (x, y) not in marked
            ]

        return black

    def _charuco(self) -> "cv2.aruco.CharucoBoard":
        dictionary = cv2.aruco.getPredefinedDictionary(cv2.aruco.DICT_5X5_100)
        return cv2.aruco.CharucoBoard(
            (self.columns, self.rows), self.square, self.marker, dictionary
        )


@dataclass(frozen=True, eq=False)
class View:
    """The board's corners in one picture."""

    ids: NDArray[np.int32]  # (n,)
    pixels: Array  # (n, 2)
    width: int
    height: int
