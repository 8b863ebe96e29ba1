import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_core.errors import ConfigError
from wayfarer_sim.pixel_world import ACTIONS, ANGLES, PixelWorld, PixelWorldConfig

UP, DOWN, LEFT, RIGHT, CLOCKWISE, COUNTER = range(6)


def test_the_papers_world_has_84_by_84_by_12_states() -> None:
    world = PixelWorld()
    assert world.state_shape == (84, 84, 12)
    assert world.reset().shape == world.frame_shape == (1, 84, 84)
    assert len(ACTIONS) == world.actions == 6


def test_an_image_is_a_white_object_on_black() -> None:
    frame = PixelWorld().reset()
    assert frame.dtype == np.uint8
    assert set(np.unique(frame)) == {0, 255}
    assert 100 < (frame == 255).sum() < 500


def test_the_twelve_angles_look_different() -> None:
    world = PixelWorld()
    x, y, _ = world.centre
    assert len({world.render((x, y, angle)).tobytes() for angle in range(ANGLES)}) == 12


def test_neighbouring_places_look_different() -> None:
    world = PixelWorld(PixelWorldConfig(size=40, object_size=11))
    seen = {world.render((x, y, 4)).tobytes() for x in range(5, 35) for y in range(5, 35)}
    assert len(seen) == 900


@pytest.mark.parametrize(
    ("action", "change"),
    [(UP, (0, -1, 0)), (DOWN, (0, 1, 0)), (LEFT, (-1, 0, 0)), (RIGHT, (1, 0, 0))],
)
def test_a_move_shifts_the_image_by_one_pixel(action: int, change: tuple[int, int, int]) -> None:
    world = PixelWorld()
    before = world.reset()
    after = world.step(action)
    assert world.state == tuple(a + b for a, b in zip(world.centre, change, strict=True))
    assert (after == np.roll(before, change[:2], axis=(2, 1))).all()


def test_a_turn_is_30_degrees_and_twelve_make_a_circle() -> None:
    world = PixelWorld()
    first = world.reset()
    for _ in range(3):
        quarter = world.step(CLOCKWISE)

    assert world.state[2] == 3
    centre = world.centre[0]
    cut = slice(centre - 20, centre + 21)

    # rot90(-1) turns clockwise
    assert (np.rot90(first[0, cut, cut], -1) == quarter[0, cut, cut]).mean() > 0.98

    for _ in range(9):
        last = world.step(CLOCKWISE)

    assert (last == first).all()
    world.step(COUNTER)
    assert world.state[2] == 11


def test_the_edge_stops_the_object_and_part_of_it_stays_visible() -> None:
    world = PixelWorld(PixelWorldConfig(size=36, object_size=11))
    world.reset()
    for _ in range(100):
        frame = world.step(RIGHT)

    for _ in range(100):
        frame = world.step(UP)

    assert world.state[:2] == (35, 0)
    assert frame.any()


@given(st.lists(st.integers(0, 5), max_size=60))
def test_the_world_is_deterministic_and_stays_in_its_states(actions: list[int]) -> None:
    config = PixelWorldConfig(size=36, object_size=9, stride=2)
    one, other = PixelWorld(config), PixelWorld(config)
    for action in actions:
        assert (one.step(action) == other.step(action)).all()
        assert all(
            0 <= part < count for part, count in zip(one.state, one.state_shape, strict=True)
        )
        assert (one.render(one.state) == other.render(other.state)).all()

    one.reset()
    assert one.state == one.centre


def test_a_frame_handed_out_stays_as_it_was() -> None:
    world = PixelWorld()
    first = world.reset()
    copy = first.copy()
    world.step(RIGHT)
    assert (first == copy).all()


def test_wrong_actions_and_sizes_are_refused() -> None:
    with pytest.raises(ConfigError, match="choose 0 to 5"):
        PixelWorld().step(6)

    with pytest.raises(ConfigError, match="object_size is 90"):
        PixelWorldConfig(object_size=90)

    with pytest.raises(ConfigError, match="stride is 0"):
        PixelWorldConfig(stride=0)
