from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation
from wayfarer_core.calibration import Calibration
from wayfarer_core.errors import ConfigError
from wayfarer_vision.camera import Camera, camera_of, observation_camera

T = np.eye(4)
T[:3, :3] = Rotation.from_euler("xyz", (170, 20, 60), degrees=True).as_matrix()
T[:3, 3] = (0.9, 0.1, 0.6)
K = np.array([[600.0, 0.0, 330.0], [0.0, 590.0, 220.0], [0.0, 0.0, 1.0]])
CAMERA = Camera(K, T, 640, 480, table_height=-0.09)
CALIBRATION = Calibration("2026-01-01", 640, 480, K, np.zeros(5), 0.2, 12, T, 0.3, -0.09)
PIXELS = np.array([[3.0, 5.0], [600.0, 40.0], [320.0, 470.0]])


def test_a_pixel_s_place_on_the_table_is_seen_at_that_pixel() -> None:
    places = CAMERA.at_height(PIXELS, -0.09)
    np.testing.assert_allclose(places[:, 2], -0.09)
    np.testing.assert_allclose(CAMERA.project(places), PIXELS, atol=1e-9)


def test_above_the_horizon_there_is_no_table() -> None:
    level = replace(
        CAMERA,
        T_base_camera=np.array([[0, 0, -1, 1.0], [1, 0, 0, 0], [0, -1, 0, 0.4], [0, 0, 0, 1.0]]),
    )
    assert np.isnan(level.at_height(np.array([[320.0, 100.0]]), 0.0)).all()
    assert np.isfinite(level.at_height(np.array([[320.0, 400.0]]), 0.0)).all()


@settings(max_examples=50)
@given(st.integers(0, 100), st.integers(0, 100), st.integers(100, 300), st.integers(0, 3))
def test_crops_turns_and_sizes_move_pixels_as_they_move_pictures(
    left: int, top: int, edge: int, turns: int
) -> None:
    marked = np.zeros((480, 640))
    u, v = left + edge // 3, top + edge // 5
    marked[v, u] = 1.0
    place = CAMERA.at_height(np.array([[u, v]], dtype=float), 0.0)
    picture = np.rot90(marked[top : top + edge, left : left + edge], turns)
    camera = CAMERA.cropped(left, top, edge, edge).turned(turns)
    row, column = np.argwhere(picture)[0]
    np.testing.assert_allclose(camera.project(place)[0], (column, row), atol=1e-6)

    # a pixel becomes four, its middle their common corner
    larger = camera.resized(2 * edge, 2 * edge)
    np.testing.assert_allclose(
        larger.project(place)[0], (2 * column + 0.5, 2 * row + 0.5), atol=1e-6
    )


def test_observations_are_cropped_as_the_camera_node_does() -> None:
    largest = observation_camera(CALIBRATION)
    assert (largest.width, largest.height) == (84, 84)
    np.testing.assert_allclose(largest.K[0, 0], 600 * 84 / 480)
    chosen = observation_camera(
        CALIBRATION, {"crop_left": 80, "crop_top": 60, "crop_size": 420, "source": "v4l2"}
    )
    np.testing.assert_allclose(chosen.K[:2, 2], ((330.5 - 80) / 5 - 0.5, (220.5 - 60) / 5 - 0.5))


def test_what_does_not_fit_or_is_not_known_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"crop of 500 from \(0, 0\) does not fit 640x480"):
        observation_camera(CALIBRATION, {"crop_size": 500})
    for lacking in ({"T_base_camera": None}, {"table_height": None}):
        with pytest.raises(ConfigError, match="wayfarer calibrate camera pose"):
            camera_of(replace(CALIBRATION, **lacking))
