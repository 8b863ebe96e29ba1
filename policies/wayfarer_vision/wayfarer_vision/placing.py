"""A camera's pose in the robot's base frame.

It comes from a board at a known place, or from a board in the hand.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation
from wayfarer_core.calibration import Calibration
from wayfarer_core.errors import DataError

from wayfarer_vision.camera import Array
from wayfarer_vision.charuco import Board, View

MIN_HELD = 5  # views of a board in the hand
MIN_TURN = 15.0  # degree by which the hand must have turned, about two axes
MAX_ERROR = 3.0  # pixels


@dataclass(frozen=True, eq=False)
class Placed:
    """A calibration with its pose, and the residuals of each view."""

    calibration: Calibration
    residuals: tuple[Array, ...]  # (n, 2) pixels each: seen minus expected


def place_by_board(
    lens: Calibration, views: Sequence[View], board: Board, T_base_board: Array
) -> Placed:
    """Return the camera's pose from views of a board that lies at a known place on the table.

    The table's height becomes that of the board. Raises DataError if no view shows it, or the views
    do not agree.
    """
    if not views:
        raise DataError("the board is seen in no picture")

    T_board_camera = np.linalg.inv(_pose(lens, views[0], board))

    return _refined(
        lens,
        views,
        board,
        [np.eye(4)] * len(views),
        T_base_board @ T_board_camera,
        T_base_board,
        False,
    )


def place_by_hand(
    lens: Calibration,
    views: Sequence[View],
    board: Board,
    hands: Sequence[Array],
    table_height: float | None,
) -> Placed:
    """Return the camera's pose from views of a board that is fixed to the hand, with
    T_base_hand (4, 4) for each.

    Raises DataError if the views are too few, the hand hardly turned, or they do not agree.
    """
    if len(views) < MIN_HELD:
        raise DataError(
            f"the board is seen in {len(views)} pictures with a hand pose, must be in {MIN_HELD} "
            "or more"
        )

    turns = Rotation.from_matrix(
        [np.linalg.inv(hands[0])[:3, :3] @ hand[:3, :3] for hand in hands]
    ).as_rotvec()
    spread = np.degrees(np.linalg.svd(turns - turns.mean(axis=0))[1][1] / np.sqrt(len(turns)) * 2)
    if spread < MIN_TURN:
        raise DataError(
            f"the hand turned by {spread:.0f} degrees about a second axis, must be "
            f"{MIN_TURN:.0f}: turn it more, about two different axes"
        )

    seen = [_pose(lens, view, board) for view in views]
    T_base_camera, T_hand_board = _by_hand(hands, seen)
    found = _refined(lens, views, board, hands, T_base_camera, T_hand_board, True)

    return replace(found, calibration=replace(found.calibration, table_height=table_height))


def _pose(lens: Calibration, view: View, board: Board) -> Array:
    """Return T_camera_board (4, 4)."""
    if (view.width, view.height) != (lens.width, lens.height):
        raise DataError(
            f"a picture is {view.width}x{view.height}, the calibration is of "
            f"{lens.width}x{lens.height}"
        )

    points, K = board.corners(view.ids), lens.camera_matrix
    _, turn, shift = cv2.solvePnP(points, view.pixels, K, lens.distortion, flags=cv2.SOLVEPNP_IPPE)
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = cv2.Rodrigues(turn)[0], np.ravel(shift)

    return T


def _by_hand(hands: Sequence[Array], seen: Sequence[Array]) -> tuple[Array, Array]:
    """Solve T_base_hand T_hand_board = T_base_camera T_camera_board for all views.

    Rotations first, then translations.
    """
    rows = [np.kron(h[:3, :3], np.eye(3)) for h in hands]
    other = [-np.kron(np.eye(3), s[:3, :3].T) for s in seen]
    _, _, v = np.linalg.svd(np.vstack([np.hstack(pair) for pair in zip(rows, other, strict=True)]))

    # of the board in the hand, of the camera; up to a scale
    Y, X = v[-1][:9].reshape(3, 3), v[-1][9:].reshape(3, 3)
    sign = np.sign(np.linalg.det(X))
    R_camera, R_board = (_nearest_rotation(sign * M) for M in (X, Y))
    A = np.vstack([np.hstack([h[:3, :3], -np.eye(3)]) for h in hands])
    b = np.concatenate([R_camera @ s[:3, 3] - h[:3, 3] for h, s in zip(hands, seen, strict=True)])
    shifts = np.linalg.lstsq(A, b, rcond=None)[0]

    return _transform(R_camera, shifts[3:]), _transform(R_board, shifts[:3])


def _refined(
    lens: Calibration,
    views: Sequence[View],
    board: Board,
    hands: Sequence[Array],
    T_base_camera: Array,
    T_hand_board: Array,
    board_is_free: bool,
) -> Placed:
    """Adjust the camera's pose, and the board's in the hand if that is unknown, to minimise the
    reprojection error.
    """
    start = np.concatenate([_vector(T_base_camera), _vector(T_hand_board)])
    free = 12 if board_is_free else 6

    def residuals(vector: Array) -> list[Array]:
        whole = np.concatenate([vector, start[free:]])
        T_camera_base, T_board = np.linalg.inv(_matrix(whole[:6])), _matrix(whole[6:])
        found = []

        for view, hand in zip(views, hands, strict=True):
            T = T_camera_base @ hand @ T_board
            points, _ = cv2.projectPoints(
                board.corners(view.ids),
                cv2.Rodrigues(T[:3, :3])[0],
                T[:3, 3],
                lens.camera_matrix,
                lens.distortion,
            )
            found.append(view.pixels - points.reshape(-1, 2))

        return found

    best = least_squares(
        lambda v: np.concatenate(residuals(v)).ravel(), start[:free], loss="soft_l1"
    ).x
    left = residuals(best)
    error = float(np.sqrt(np.square(np.concatenate(left)).sum(axis=1).mean()))
    if not error < MAX_ERROR:
        raise DataError(
            f"the views do not fit together: {error:.1f} pixels of reprojection error, must be "
            f"below {MAX_ERROR}: has the camera or the board moved in between, are all poses of "
            "the same pictures, in metres and xyzw?"
        )

    T = _matrix(best[:6])
    table = None if board_is_free else float(T_hand_board[2, 3])

    return Placed(replace(lens, T_base_camera=T, pose_error=error, table_height=table), tuple(left))


def _nearest_rotation(M: Array) -> Array:
    u, _, v = np.linalg.svd(M)
    return np.asarray(u @ np.diag([1.0, 1.0, np.linalg.det(u @ v)]) @ v)


def _transform(R: Array, p: Array) -> Array:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = R, p
    return T


def _vector(T: Array) -> Array:
    """Return rotation vector and place (6,)."""
    return np.concatenate([Rotation.from_matrix(T[:3, :3]).as_rotvec(), T[:3, 3]])


def _matrix(vector: Array) -> Array:
    return _transform(Rotation.from_rotvec(vector[:3]).as_matrix(), vector[3:])
