from collections.abc import Iterator

import pytest
from wayfarer_sim.cube_world import CubeWorld


@pytest.fixture(scope="session")
def shared_world() -> Iterator[CubeWorld]:
    world = CubeWorld()
    yield world
    world.close()


@pytest.fixture
def world(shared_world: CubeWorld) -> CubeWorld:
    """A world at home; built once, for building takes seconds."""
    shared_world.reset(seed=0)
    return shared_world
