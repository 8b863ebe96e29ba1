from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from wayfarer_core.calibration import Calibration
from wayfarer_core.cube import EDGE
from wayfarer_core.errors import ConfigError
from wayfarer_sim.cube_world import CubeWorld, CubeWorldConfig
from wayfarer_vision.camera import camera_of

# A camera that nobody would build: unlike focal lengths, principal point far off the middle, turned
# about all axes.
T = np.eye(4)
T[:3, :3] = (
    np.array([[0.0, 0.7, -0.7], [1.0, 0.0, 0.0], [0.0, -0.7, -0.7]])
    @ Rotation.from_euler("xyz", (5, -8, 12), degrees=True).as_matrix()
)
T[:3, :3] = Rotation.from_matrix(T[:3, :3]).as_matrix()
T[:3, 3] = (1.0, 0.1, 0.5)
K = np.array([[600.0, 0.0, 350.0], [0.0, 580.0, 200.0], [0.0, 0.0, 1.0]])
CALIBRATION = Calibration("2026-01-01", 640, 480, K, np.zeros(5), 0.2, 12, T, 0.3, -0.092)


@pytest.mark.slow
def test_a_matched_camera_sees_the_cube_where_the_calibration_says() -> None:
    world = CubeWorld(CubeWorldConfig(camera=CALIBRATION, hide_robot=True))
    np.testing.assert_allclose(world.T_base_camera, T, atol=1e-12)
    np.testing.assert_array_equal(world.camera_intrinsics(640, 480), K)
    camera = camera_of(CALIBRATION)
    corners = np.array([[i, j, k] for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]) * EDGE / 2

    for width, height in ((640, 480), (320, 240)):
        for dx, dy in ((0.0, 0.0), (0.1, 0.12), (-0.1, -0.15)):
            p = world.table_centre + np.array([dx, dy, EDGE / 2])
            world.place_cube(p, np.array([0.0, 0.0, 0.0, 1.0]))
            picture = world.render(width, height).astype(int)
            expected = camera.resized(width, height).project(p + corners)

            # leaves the wooden floor out
            left, top = np.maximum(expected.min(axis=0).astype(int) - 30, 0)
            window = picture[top : top + 130, left : left + 130]
            v, u = np.nonzero(window.max(axis=2) - window.min(axis=2) > 50)  # coloured
            assert len(v) > 100
            np.testing.assert_allclose(
                (u.min() + left, v.min() + top), expected.min(axis=0), atol=2.5
            )
            np.testing.assert_allclose(u.max() + left, expected[:, 0].max(), atol=2.5)

    with pytest.raises(ConfigError, match="84x84 has another shape"):
        world.render(84, 84)

    world.close()


def test_a_calibration_without_a_pose_cannot_be_matched() -> None:
    with pytest.raises(ConfigError, match="no T_base_camera"):
        CubeWorld(CubeWorldConfig(camera=replace(CALIBRATION, T_base_camera=None)))
