import numpy as np
from wayfarer_core.cube import FACES
from wayfarer_sim.cube_env import FACE_COLOURS, camera_quaternion
from wayfarer_sim.cube_world import CubeWorld
from wayfarer_sim.meshes import mesh_directory


def test_the_table_and_the_cube_are_the_authors(world: CubeWorld) -> None:
    np.testing.assert_allclose(2 * world.model.geom("table_collision").size, (0.84, 1.25, 0.05))
    np.testing.assert_allclose(world.data.geom("table_collision").xpos[2] + 0.025, 0.82)
    np.testing.assert_allclose(2 * world.model.geom("cube_g0").size, (0.05, 0.05, 0.05))


def test_the_cube_has_six_colours_in_the_order_of_its_faces(world: CubeWorld) -> None:
    texture = world.model.texture("cube_faces")
    start = int(texture.adr[0])
    pixels = world.model.tex_data[
        start : start + 3 * int(texture.height[0] * texture.width[0])
    ].reshape(6, -1, 3)
    np.testing.assert_array_equal(pixels[:, 0], [FACE_COLOURS[face] for face in FACES])
    np.testing.assert_array_equal(pixels[:, -1], [FACE_COLOURS[face] for face in FACES])


def test_only_the_visible_meshes_are_thinned(world: CubeWorld) -> None:
    model = world.model
    visible = (model.geom_dataid >= 0) & (model.geom_contype == 0) & (model.geom_conaffinity == 0)
    assert mesh_directory().is_dir()
    assert 10_000 < model.mesh_facenum[model.geom_dataid[visible]].sum() < 25_000
    # robosuite's own, of which the hull collides
    assert model.mesh_facenum[model.mesh("robot0_link1").id] == 12_516


def test_the_camera_quaternion_is_a_rotation() -> None:
    np.testing.assert_allclose(np.linalg.norm(camera_quaternion()), 1.0)
