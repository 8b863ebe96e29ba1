import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from wayfarer_core.cube import EDGE, FACE_NORMALS, FACES
from wayfarer_core.errors import ConfigError, DeviceError
from wayfarer_sim import rendering
from wayfarer_sim.cube_env import FACE_COLOURS
from wayfarer_sim.cube_world import CubeWorld, CubeWorldConfig

UP = (0.0, 0.0, 1.0)
UPRIGHT = np.array([0.0, 0.0, 0.0, 1.0])
ASIDE = np.array([0.0, 0.2, 0.1])  # [m]
# The authors' workspace about the table's centre [m].
# [m]
TABLE_IN_VIEW = [
    (-0.22, 0.35),
    (-0.22, -0.35),
    (0.0, 0.28),
    (0.0, -0.28),
    (0.22, 0.2),
    (0.22, -0.2),
]


def project(world: CubeWorld, p_base: np.ndarray, side: int) -> np.ndarray:
    """Pixel (column, row) of a point (3,) in the base frame."""
    p_camera = np.linalg.inv(world.T_base_camera) @ np.append(p_base, 1.0)  # (4,)
    pixel = world.camera_intrinsics(side, side) @ p_camera[:3]
    return np.array(pixel[:2] / pixel[2])


def yellow_centre(frame: np.ndarray) -> np.ndarray:
    """Mean pixel (column, row) of what is yellow."""
    red, green, blue = (frame[..., i].astype(int) for i in range(3))
    rows, columns = np.nonzero((red > 150) & (green > 130) & (blue < 80))
    assert len(rows) > 10
    return np.array([columns.mean(), rows.mean()])


def test_the_cube_is_seen_where_the_camera_model_puts_it() -> None:
    world = CubeWorld(CubeWorldConfig(hide_robot=True))
    seen = {}
    for offset in [(0.0, 0.0), (0.1, 0.0), (-0.1, 0.0), (0.0, 0.2), (0.0, -0.2), (0.15, 0.2)]:
        world.place_cube(world.table_centre + np.array([*offset, EDGE / 2]), UPRIGHT)
        top = world.table_centre + np.array([*offset, EDGE])
        seen[offset] = yellow_centre(world.render(480, 480))
        np.testing.assert_allclose(seen[offset], project(world, top, 480), atol=1.5)

    assert len(seen) == 6

    # nearer the camera is lower in an upright picture
    assert seen[0.1, 0.0][1] > seen[0.0, 0.0][1] + 20

    # the camera faces the robot: its left is our right
    assert seen[0.0, 0.2][0] > seen[0.0, 0.0][0] + 50
    world.close()


def test_the_table_the_arm_works_on_is_in_the_picture(world: CubeWorld) -> None:
    for x, y in TABLE_IN_VIEW:
        assert (np.abs(project(world, world.table_centre + [x, y, 0.0], 84) - 41.5) < 42).all()


def test_a_hidden_robot_leaves_no_trace_in_the_pixels() -> None:
    world = CubeWorld(CubeWorldConfig(hide_robot=True))
    home = world.render(84, 84)
    world.advance(world.home_ee_position + ASIDE, 0.5)
    np.testing.assert_array_equal(world.render(84, 84), home)
    world.close()


def test_the_robot_shows_unless_hidden(world: CubeWorld) -> None:
    home = world.render(84, 84)
    world.advance(world.home_ee_position + ASIDE, 0.5)
    assert (world.render(84, 84) != home).any(axis=-1).sum() > 300


@pytest.mark.parametrize("face", FACES)
def test_each_face_of_the_cube_has_its_own_colour(world: CubeWorld, face: str) -> None:
    q, _ = Rotation.align_vectors([UP], [FACE_NORMALS[face]])
    world.place_cube(world.table_centre + np.array([0.1, 0.0, EDGE / 2]), q.as_quat())
    assert world.top_face == face
    column, row = (
        project(world, world.table_centre + np.array([0.1, 0.0, EDGE]), 480).round().astype(int)
    )
    seen = world.render(480, 480)[row, column].astype(int)
    distances = {name: np.abs(seen - colour).sum() for name, colour in FACE_COLOURS.items()}
    assert min(distances, key=lambda name: distances[name]) == face


def test_frames_of_any_size_follow_one_another(world: CubeWorld) -> None:
    small = world.render(84, 84)
    assert world.render(320, 240).shape == (240, 320, 3)
    assert world.render(1000, 600).shape == (600, 1000, 3)
    np.testing.assert_array_equal(world.render(84, 84), small)
    assert small.dtype == np.uint8


def test_a_closed_renderer_opens_again(world: CubeWorld) -> None:
    frame = world.render(84, 84)
    world.close()
    np.testing.assert_array_equal(world.render(84, 84), frame)


def test_a_frame_of_no_or_too_many_pixels_is_refused(world: CubeWorld) -> None:
    with pytest.raises(ConfigError, match="0 x 84"):
        world.render(0, 84)
    with pytest.raises(ConfigError, match="5000"):
        world.render(84, 5000)


def test_an_unknown_backend_is_refused_with_the_choices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUJOCO_GL", "glfw")
    with pytest.raises(DeviceError, match="egl, osmesa"):
        rendering.open_gl()


def test_a_backend_that_does_not_load_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(f"no {name}")

    monkeypatch.setattr(rendering, "import_module", missing)
    monkeypatch.setenv("MUJOCO_GL", "egl")
    with pytest.raises(DeviceError, match=r"libegl1 .* libosmesa6 and set MUJOCO_GL=osmesa"):
        rendering.open_gl()


def test_the_camera_in_the_hand_sees_the_cube_where_its_pose_and_lens_put_it(
    world: CubeWorld,
) -> None:
    world.reset(seed=0)
    for offset in ([0.0, 0.0, 0.1], [0.03, 0.05, 0.12], [-0.04, -0.05, 0.15]):
        world.advance(world.home_ee_position + offset, 1.0)
        p, q = world.ee_pose
        T_base_ee = np.eye(4)
        T_base_ee[:3, :3], T_base_ee[:3, 3] = Rotation.from_quat(q).as_matrix(), p
        top = np.append(world.table_centre + [0.0, 0.0, EDGE], 1.0)
        ray = world.wrist_intrinsics(480, 480) @ np.linalg.inv(T_base_ee @ world.T_ee_wrist)[:3]
        u, v, w = ray @ top
        found = yellow_centre(world.render_wrist(480, 480))
        np.testing.assert_allclose(found, [u / w, v / w], atol=1.5)


def test_the_camera_in_the_hand_leaves_the_other_picture_and_the_physics_alone(
    world: CubeWorld,
) -> None:
    def walk(with_wrist: bool) -> list[np.ndarray]:
        world.reset(seed=0)
        seen = []
        for k in range(4):
            world.advance(world.home_ee_position + [0.02 * k, 0.0, 0.05], 0.5)
            if with_wrist:
                world.render_wrist(84, 84)
            seen += [world.render(84, 84), world.state()]

        return seen

    for plain, other in zip(walk(with_wrist=False), walk(with_wrist=True), strict=True):
        np.testing.assert_array_equal(plain, other)
