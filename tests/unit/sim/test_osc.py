"""The controller's own algebra, and its agreement with robosuite's."""

import mujoco
import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from wayfarer_sim.control_loop import JOINTS, R_SITE_EE, R_WORLD_EE_DOWN
from wayfarer_sim.cube_env import CubeEnv
from wayfarer_sim.cube_world import SITE, CubeWorld, CubeWorldConfig
from wayfarer_sim.osc import cholesky, orientation_error, solve

# Twelve half-second targets as offsets from home [m]: free motion to and fro, along the table, and
# onto it.
OFFSETS = [
    (0.0, 0.0, 0.0),
    (0.1, 0.0, 0.0),
    (0.1, 0.1, 0.0),
    (-0.02, 0.1, 0.1),
    (-0.1, -0.1, 0.1),
    (0.05, -0.2, 0.05),
    (0.15, -0.2, -0.1),
    (0.15, 0.15, -0.1),
    (0.0, 0.2, 0.2),
    (0.0, 0.0, 0.2),
    (-0.05, 0.05, 0.0),
    (0.1, 0.05, -0.05),
]


@pytest.mark.slow
def test_the_hand_moves_as_under_robosuites_own_controller() -> None:
    world = CubeWorld(CubeWorldConfig(timestep=0.002))
    env = CubeEnv(
        has_offscreen_renderer=False,
        use_camera_obs=False,
        hard_reset=False,
        ignore_done=True,
        control_freq=2,
    )
    env.reset()
    model, data = env.sim.model._model, env.sim.data._data
    data.qpos[:] = world.data.qpos
    rotation = Rotation.from_matrix(R_WORLD_EE_DOWN @ R_SITE_EE.T).as_rotvec()
    errors = []

    for offset in OFFSETS:
        target = world.home_ee_position + offset  # (3,) base frame
        world.advance(target, 0.5)
        env.step(np.concatenate([target + data.body("robot0_base").xpos, rotation, [1.0]]))
        mujoco.mj_kinematics(model, data)
        errors.append(np.abs(data.site(SITE).xpos - world.data.site(SITE).xpos).max())

    assert len(errors) == 12
    assert max(errors) < 1e-6
    assert np.abs(data.qpos[:JOINTS] - world.joint_positions).max() < 1e-5


def test_a_solution_of_a_positive_definite_system_solves_it() -> None:
    root = np.random.default_rng(0).normal(size=(6, 6))
    A = root @ root.T + np.eye(6)
    b = np.arange(6.0)
    np.testing.assert_allclose(A @ solve(A, b), b, atol=1e-10)


def test_a_singular_matrix_gives_finite_factors() -> None:
    A = np.outer(np.arange(1.0, 7.0), np.arange(1.0, 7.0))
    assert np.isfinite(cholesky(A)).all()


def test_the_orientation_error_is_the_rotation_vector_of_a_small_turn() -> None:
    turn = np.array([0.01, -0.02, 0.005])  # [rad]
    R = Rotation.from_euler("xyz", [0.3, -1.0, 2.0]).as_matrix()
    R_target = Rotation.from_rotvec(turn).as_matrix() @ R
    np.testing.assert_allclose(orientation_error(R_target, R), turn, atol=1e-5)
