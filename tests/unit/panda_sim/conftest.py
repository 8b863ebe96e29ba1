"""A simulated Panda without sockets, for whoever looks into it."""

import mujoco
import pytest
from panda_sim.arm.box import ControlBox
from panda_sim.arm.model_library import Model, build
from panda_sim.simulation import HOME
from panda_sim.world.scene import F_T_NE, HAND_PAYLOAD, TABLE, compose, links
from panda_sim.world.world import World


@pytest.fixture(scope="session")
def compiled() -> mujoco.MjModel:
    return compose(TABLE, HOME).compile()


@pytest.fixture(scope="session")
def library(compiled: mujoco.MjModel) -> bytes:
    return build(links(compiled))


@pytest.fixture
def model(library: bytes) -> Model:
    return Model(library)


@pytest.fixture
def world(compiled: mujoco.MjModel) -> World:
    return World(compiled, HOME)


@pytest.fixture
def box(world: World, model: Model) -> ControlBox:
    return ControlBox(world, model, HAND_PAYLOAD, F_T_NE)
