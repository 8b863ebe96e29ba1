from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from wayfarer_core.cube import EDGE, FACES
from wayfarer_core.errors import ConfigError, DeviceError
from wayfarer_sim.cube_world import CubeWorld, CubeWorldConfig

STEP = 0.5  # [s] of the authors' control period
# Turns of the cube that bring each face up.
TURNS = {
    "yellow": (0, 0, 0),
    "cyan": (180, 0, 0),
    "green": (90, 0, 0),
    "blue": (-90, 0, 0),
    "white": (0, -90, 0),
    "red": (0, 90, 0),
}


def walk(world: CubeWorld, seed: int, steps: int = 6) -> list[np.ndarray]:
    """States along a random walk that pushes the cube about."""
    rng = np.random.default_rng(seed)
    states = []
    for _ in range(steps):
        p_cube, _ = world.cube_pose
        world.advance(p_cube + rng.normal(scale=0.02, size=3), STEP)
        states.append(world.state())

    return states


def test_the_hand_starts_above_the_table_pointing_straight_down(world: CubeWorld) -> None:
    p, q = world.ee_pose
    np.testing.assert_allclose(p, (0.48, 0.0, 0.09), atol=1e-9)
    np.testing.assert_allclose(q, (1.0, 0.0, 0.0, 0.0), atol=1e-9)
    assert 0.15 < p[2] - world.table_centre[2] < 0.2


def test_the_hand_is_oriented_as_libfranka_has_it(world: CubeWorld) -> None:
    state = world.state()

    # after the time come the joints
    state[1:8] = (0, -np.pi / 4, 0, -3 * np.pi / 4, 0, np.pi / 2, np.pi / 4)
    world.set_state(state)
    p, q = world.ee_pose
    np.testing.assert_allclose(world.joint_positions, state[1:8])
    np.testing.assert_allclose(Rotation.from_quat(q).as_matrix(), np.diag([1, -1, -1]), atol=1e-3)

    # libfranka's O_T_EE; the grip site is 7 mm higher
    np.testing.assert_allclose(p, (0.307, 0.0, 0.487), atol=0.008)


def test_nothing_moves_after_a_reset(world: CubeWorld) -> None:
    p_cube, _ = world.cube_pose
    assert (world.joint_velocities == 0).all()
    world.advance(world.home_ee_position, STEP)
    np.testing.assert_allclose(world.cube_pose[0], p_cube, atol=1e-5)
    np.testing.assert_allclose(world.ee_pose[0], world.home_ee_position, atol=1e-5)


def test_the_cube_starts_at_the_tables_centre_yellow_up(world: CubeWorld) -> None:
    p_cube, _ = world.cube_pose
    np.testing.assert_allclose(p_cube, world.table_centre + np.array([0, 0, EDGE / 2]), atol=2e-4)
    assert world.top_face == "yellow"


@pytest.mark.parametrize(("face", "turn"), TURNS.items())
def test_the_top_face_is_the_one_that_looks_up(
    world: CubeWorld, face: str, turn: tuple[int, int, int]
) -> None:
    assert face in FACES
    q = Rotation.from_euler("xyz", turn, degrees=True).as_quat()
    world.place_cube(world.table_centre + np.array([0, 0, EDGE / 2]), q)
    assert world.top_face == face


def test_one_centimetre_commanded_is_one_centimetre_moved(world: CubeWorld) -> None:
    for axis in range(3):
        world.reset(seed=0)
        target = world.home_ee_position + 0.01 * np.eye(3)[axis]
        world.advance(target, STEP)
        np.testing.assert_allclose(world.ee_pose[0], target, atol=1e-3)


def test_a_full_step_of_an_eighth_metre_arrives_within_a_centimetre(world: CubeWorld) -> None:
    target = world.home_ee_position + 0.125
    world.advance(target, STEP)
    np.testing.assert_allclose(world.ee_pose[0], target, atol=0.01)
    np.testing.assert_allclose(world.ee_pose[1], (1, 0, 0, 0), atol=0.02)


def test_pushing_the_cube_moves_it(world: CubeWorld) -> None:
    p_cube, _ = world.cube_pose
    for x in (-0.06, -0.06, 0.0, 0.05):
        world.advance(p_cube + np.array([x, 0.0, 0.0]), STEP)

    moved = world.cube_pose[0] - p_cube
    assert moved[0] > 0.03
    assert abs(moved[1]) < 0.03


def test_a_target_out_of_reach_leaves_the_arm_well(world: CubeWorld) -> None:
    for target in ((2.0, 0.0, 1.0), (0.0, 0.0, 0.0), (0.8, 0.35, -0.09), (-1.0, 1.0, -1.0)):
        world.advance(np.array(target), STEP)
        assert np.isfinite(world.state()).all()

    for _ in range(6):
        world.advance(world.home_ee_position, STEP)

    np.testing.assert_allclose(world.ee_pose[0], world.home_ee_position, atol=0.01)


def test_torques_stay_within_what_the_actuators_take(world: CubeWorld) -> None:
    world.advance(np.array([0.5, 0.5, 0.5]), 0.05)
    assert (np.abs(world.joint_torques) <= (80, 80, 80, 80, 80, 12, 12)).all()
    assert np.abs(world.joint_torques).max() > 1.0


def test_the_same_seed_and_targets_give_the_same_states_and_pixels_bit_for_bit(
    world: CubeWorld,
) -> None:
    first, picture = walk(world, seed=1), world.render(84, 84)
    world.reset(seed=0)
    again, same_picture = walk(world, seed=1), world.render(84, 84)
    assert len(first) == len(again) == 6
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)

    np.testing.assert_array_equal(picture, same_picture)


@pytest.mark.slow
def test_a_second_world_is_equal_bit_for_bit_and_seeds_place_the_cube() -> None:
    config = CubeWorldConfig(cube_xy_noise=0.1)
    one, two = CubeWorld(config), CubeWorld(config)
    one.reset(seed=7)
    two.reset(seed=7)

    for a, b in zip(walk(one, seed=2), walk(two, seed=2), strict=True):
        np.testing.assert_array_equal(a, b)

    np.testing.assert_array_equal(one.render(84, 84), two.render(84, 84))
    starts = []
    for seed in range(5):
        one.reset(seed)
        starts.append(one.cube_pose[0] - one.table_centre)
        one.advance(one.home_ee_position, STEP)
        assert np.abs(one.cube_pose[0] - one.table_centre - starts[-1]).max() < 1e-4

    assert len({tuple(start) for start in starts}) == 5
    assert np.abs(np.array(starts)[:, :2]).max() <= 0.1
    one.close()
    two.close()


def test_a_state_set_again_continues_exactly(world: CubeWorld) -> None:
    walk(world, seed=3)
    kept = world.state()
    pose, picture = world.ee_pose, world.render(84, 84)
    after = walk(world, seed=4)
    world.set_state(kept)
    np.testing.assert_array_equal(world.state(), kept)
    np.testing.assert_array_equal(world.ee_pose[0], pose[0])
    np.testing.assert_array_equal(world.render(84, 84), picture)

    for a, b in zip(after, walk(world, seed=4), strict=True):
        np.testing.assert_array_equal(a, b)


def test_time_counts_whole_timesteps(world: CubeWorld) -> None:
    assert world.time == 0.0
    for _ in range(3):
        world.advance(world.home_ee_position, STEP)
    assert world.time == 1.5


def test_a_physics_that_diverged_is_reported_and_a_good_state_heals_it(
    world: CubeWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # MuJoCo writes MUJOCO_LOG.TXT where it runs
    good = world.state()
    bad = good.copy()
    bad[1] = np.nan
    world.set_state(bad)

    with pytest.raises(DeviceError, match="diverged"):
        world.advance(world.home_ee_position, STEP)

    world.set_state(good)
    world.advance(world.home_ee_position, STEP)
    np.testing.assert_allclose(world.ee_pose[0], world.home_ee_position, atol=1e-5)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"timestep": 0.006}, "timestep is 0.006: must be within 0.002..0.005"),
        ({"timestep": float("nan")}, "timestep"),
        ({"cube_xy_noise": -0.01}, "cube_xy_noise is -0.01"),
        ({"cube_xy_noise": 0.2}, "cube_xy_noise is 0.2"),
    ],
)
def test_a_bad_configuration_is_refused_with_its_range(
    values: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        CubeWorldConfig(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("target", [(0.5, 0.0), (0.5, 0.0, float("nan")), ((0.5, 0.0, 0.1),)])
def test_a_bad_target_is_refused(world: CubeWorld, target: tuple[float, ...]) -> None:
    with pytest.raises(ConfigError, match="p_base_target"):
        world.advance(np.array(target), STEP)


@pytest.mark.parametrize("seconds", [0.0, -0.5, 0.0071, float("inf"), float("nan")])
def test_a_duration_that_is_no_whole_number_of_timesteps_is_refused(
    world: CubeWorld, seconds: float
) -> None:
    with pytest.raises(ConfigError, match="whole number of timesteps"):
        world.advance(world.home_ee_position, seconds)


def test_a_bad_seed_or_state_is_refused(world: CubeWorld) -> None:
    with pytest.raises(ConfigError, match="seed is -1"):
        world.reset(seed=-1)
    with pytest.raises(ConfigError, match="state has shape"):
        world.set_state(np.zeros(3))
