"""Board, lens and place of a camera, on pictures that a known camera would have taken."""

from dataclasses import replace
from datetime import date
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
import pytest
from fixtures.boards import DISTORTION, SIZE, VIEWS, K, camera_board, photograph, texture
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from wayfarer_core.calibration import Calibration
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_vision.calibration_report import draw_report
from wayfarer_vision.charuco import Board, View
from wayfarer_vision.lens import Lens, find_lens
from wayfarer_vision.placing import place_by_board, place_by_hand

pytestmark = pytest.mark.slow

BOARD = Board()
TODAY = date(2026, 1, 2)
TRUE = Calibration("2026-01-02", *SIZE, K, DISTORTION, 0.1, 10)


def rigid(
    angles: tuple[float, float, float], place: tuple[float, float, float]
) -> NDArray[np.float64]:
    T = np.eye(4)
    T[:3, :3], T[:3, 3] = Rotation.from_euler("xyz", angles, degrees=True).as_matrix(), place
    return T


T_BASE_CAMERA = rigid((130, 10, 80), (1.0, 0.1, 0.5))
T_HAND_BOARD = rigid((20, -10, 40), (0.01, 0.05, 0.08))


def seen(T_camera_board: NDArray[np.float64]) -> View:
    """What is detected in a picture that was really drawn."""
    view = BOARD.find(photograph(T_camera_board, texture(BOARD)))
    assert view is not None
    return view


@lru_cache
def views() -> tuple[View, ...]:
    return tuple(seen(T) for T in VIEWS)


@lru_cache
def lens() -> Lens:
    return find_lens(views(), BOARD, TODAY)


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_the_board_is_drawn_in_true_size(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"board{suffix}"
    BOARD.draw(path)
    if suffix == ".pdf":
        points = 72 / 25.4  # per mm; the page is the board of 270 x 180 mm and 12 mm of margin
        box = path.read_bytes().split(b"/MediaBox [ ")[1].split(b" ]")[0].split()
        np.testing.assert_allclose(
            [float(v) for v in box], [0, 0, 294 * points, 204 * points], atol=1e-3
        )

        return

    page = cv2.imread(str(path))
    view = BOARD.find(np.ascontiguousarray(page[..., ::-1]))
    assert view is not None
    assert len(view.ids) == 40
    mm = (view.pixels + 0.5) / 300 * 25.4 - 12.0
    np.testing.assert_allclose(mm, 1e3 * BOARD.corners(view.ids)[:, :2], atol=0.1)


def test_a_board_or_file_that_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must end with \.pdf or \.png"):
        BOARD.draw(tmp_path / "board.docx")

    with pytest.raises(ConfigError, match="smaller markers"):
        Board(marker=0.03)

    with pytest.raises(ConfigError, match="3 at least"):
        Board(columns=2)


def test_a_picture_without_the_board_shows_none() -> None:
    assert BOARD.find(np.full((480, 640, 3), 170, np.uint8)) is None


def test_a_part_of_the_board_is_enough() -> None:
    view = seen(camera_board(0.16, 0.0, 0.35, 20, 30))
    assert 8 <= len(view.ids) < 40


def test_the_lens_is_found_as_it_is() -> None:
    found = lens().calibration
    np.testing.assert_allclose(found.camera_matrix, K, atol=1.5)
    np.testing.assert_allclose(found.distortion[:2], DISTORTION[:2], atol=0.02)
    assert found.reprojection_error < 0.2
    assert (found.width, found.height, found.views, found.date) == (640, 480, 10, "2026-01-02")
    assert lens().doubt < 0.005
    residuals = np.concatenate(lens().residuals)
    assert np.sqrt(np.square(residuals).sum(axis=1).mean()) == pytest.approx(
        found.reprojection_error, rel=1e-3
    )


def test_too_few_views_are_refused() -> None:
    with pytest.raises(DataError, match="seen in 7 pictures, must be in 8 or more"):
        find_lens(views()[:7], BOARD, TODAY)


def test_views_that_leave_most_of_the_picture_out_are_refused() -> None:
    small = [replace(v, pixels=300 + 0.2 * (v.pixels - 300)) for v in views()]
    with pytest.raises(
        DataError, match=r"covers \d+ % of the picture over all views, must be 40 %"
    ):
        find_lens(small, BOARD, TODAY)


def test_views_that_are_all_alike_are_refused() -> None:
    flat = [
        projected(camera_board(x, y, 0.3, 0.1, 0))
        for x in (-0.1, 0.0, 0.1)
        for y in (-0.06, 0.0, 0.06)
    ]
    with pytest.raises(DataError, match="too alike to tell the focal length"):
        find_lens(flat, BOARD, TODAY)


def test_views_that_do_not_fit_are_refused() -> None:
    rng = np.random.default_rng(0)
    noisy = [
        replace(v, pixels=v.pixels + rng.normal(scale=3.0, size=v.pixels.shape)) for v in views()
    ]
    with pytest.raises(DataError, match="do not fit together"):
        find_lens(noisy, BOARD, TODAY)


def test_pictures_of_several_sizes_are_refused() -> None:
    with pytest.raises(DataError, match="several sizes: 320x240, 640x480"):
        find_lens([*views(), replace(views()[0], width=320, height=240)], BOARD, TODAY)


def projected(T_camera_board: NDArray[np.float64]) -> View:
    """What a perfect detector would see."""
    ids = np.arange(40, dtype=np.int32)
    R, p = T_camera_board[:3, :3], T_camera_board[:3, 3]
    points, _ = cv2.projectPoints(BOARD.corners(ids), cv2.Rodrigues(R)[0], p, K, DISTORTION)
    return View(ids, points.reshape(-1, 2), *SIZE)


def test_a_board_at_a_known_place_tells_where_the_camera_is_and_the_table() -> None:
    T_base_board = T_BASE_CAMERA @ VIEWS[0]
    placed = place_by_board(TRUE, views()[:1], BOARD, T_base_board).calibration
    assert placed.T_base_camera is not None
    np.testing.assert_allclose(placed.T_base_camera[:3, 3], T_BASE_CAMERA[:3, 3], atol=2e-3)
    np.testing.assert_allclose(placed.T_base_camera[:3, :3], T_BASE_CAMERA[:3, :3], atol=5e-3)
    assert placed.table_height == T_base_board[2, 3]
    assert placed.pose_error is not None
    assert placed.pose_error < 0.3


def test_a_board_in_the_hand_tells_where_the_camera_is() -> None:
    hands = [T_BASE_CAMERA @ T @ np.linalg.inv(T_HAND_BOARD) for T in VIEWS]
    placed = place_by_hand(lens().calibration, views(), BOARD, hands, -0.09).calibration
    assert placed.T_base_camera is not None
    np.testing.assert_allclose(placed.T_base_camera[:3, 3], T_BASE_CAMERA[:3, 3], atol=2e-3)
    np.testing.assert_allclose(placed.T_base_camera[:3, :3], T_BASE_CAMERA[:3, :3], atol=3e-3)
    assert placed.table_height == -0.09


def test_hands_that_hardly_turn_or_do_not_belong_to_the_pictures_are_refused() -> None:
    hands = [T_BASE_CAMERA @ T @ np.linalg.inv(T_HAND_BOARD) for T in VIEWS]
    exact = [projected(T) for T in VIEWS]
    with pytest.raises(DataError, match="seen in 4 pictures with a hand pose"):
        place_by_hand(TRUE, exact[:4], BOARD, hands[:4], None)

    with pytest.raises(DataError, match="the hand turned by 0 degrees about a second axis"):
        place_by_hand(
            TRUE,
            exact,
            BOARD,
            [rigid((0, 0, 3 * k), (0.4, 0, 0.3)) for k in range(len(exact))],
            None,
        )

    with pytest.raises(DataError, match="do not fit together"):
        place_by_hand(TRUE, exact, BOARD, [*hands[1:], hands[0]], None)

    with pytest.raises(DataError, match="a picture is 320x240"):
        place_by_board(TRUE, [replace(exact[0], width=320, height=240)], BOARD, np.eye(4))

    with pytest.raises(DataError, match="seen in no picture"):
        place_by_board(TRUE, [], BOARD, np.eye(4))


def test_the_report_is_a_picture(tmp_path: Path) -> None:
    draw_report(
        tmp_path / "report.png", "lens", [str(k) for k in range(10)], views(), lens().residuals
    )
    picture = cv2.imread(str(tmp_path / "report.png"))
    assert picture.shape == (500, 1500, 3)
    assert picture.std() > 5
