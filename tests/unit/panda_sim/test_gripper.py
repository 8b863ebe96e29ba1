"""The hand with its simulated fingers, an object between them or not."""

from typing import Any

import mujoco
import numpy as np
import pytest
from panda_sim.arm.gripper import WIDEST, Gripper
from panda_sim.arm.model_library import Model
from panda_sim.protocol.codes import GripperCommand, GripperStatus
from panda_sim.protocol.wire import GRIPPER_REQUESTS
from panda_sim.simulation import HOME
from panda_sim.world.world import World


class Hand:
    """A gripper and the world in which its fingers are; the arm is held where it is."""

    def __init__(self, world: World, model: Model, width: float = 0.0) -> None:
        self.world, self.model, self.gripper = world, model, Gripper(width)
        world.set_finger_width(width)

    def ask(self, command: GripperCommand, *values: float) -> Any:
        kind = GRIPPER_REQUESTS[command]
        given = np.array([values], kind)[0] if values else np.zeros(1, kind)[0]
        return self.gripper.request(command, 1, given)

    def end(self, cycles: int = 8000) -> GripperStatus:
        """Let time pass until what runs has ended."""
        for _ in range(cycles):
            self.cycle()
            if self.gripper.ended:
                return self.gripper.ended.pop().status

        raise AssertionError("it does not end")

    def cycle(self) -> None:
        world = self.world
        force = self.gripper.cycle(world.finger_width, world.finger_speed)
        hold = 3000.0 * (np.array(HOME) - world.q) - 60.0 * world.dq
        world.step(hold + self.model.gravity(world.q), force)


@pytest.fixture
def hand(world: World, model: Model) -> Hand:
    return Hand(world, model)


def put_cube_between_fingers(world: World) -> None:
    """Where it hangs free: gravity is off."""
    world.model.opt.gravity[:] = 0.0
    cube = world.model.joint("cube_joint").qposadr[0]
    mujoco.mj_forward(world.model, world.data)
    ends = [world.data.body(f"hand_panda_{side}finger") for side in ("left", "right")]
    middle = (ends[0].xpos + ends[1].xpos) / 2 - [0.0, 0.0, 0.045]
    world.data.qpos[cube : cube + 3] = middle
    axis = ends[0].xpos - ends[1].xpos
    half = np.arctan2(axis[1], axis[0]) / 2
    world.data.qpos[cube + 3 : cube + 7] = [np.cos(half), 0.0, 0.0, np.sin(half)]
    mujoco.mj_forward(world.model, world.data)


def test_it_moves_to_a_width_at_a_speed(hand: Hand) -> None:
    assert hand.ask(GripperCommand.MOVE, 0.06, 0.05) is None
    cycles = 0
    while not hand.gripper.ended:
        hand.cycle()
        cycles += 1
        assert cycles < 5000

    assert hand.gripper.ended.pop().status == GripperStatus.SUCCESS
    assert hand.world.finger_width == pytest.approx(0.06, abs=0.001)
    assert cycles == pytest.approx(1200, abs=200), "0.06 m at 0.05 m/s"


def test_homing_finds_how_wide_it_opens(hand: Hand) -> None:
    hand.gripper.max_width = 0.0
    assert hand.ask(GripperCommand.HOMING) is None
    assert hand.end() == GripperStatus.SUCCESS
    assert hand.gripper.max_width == pytest.approx(WIDEST, abs=0.001)


def test_grasping_nothing_is_unsuccessful(hand: Hand) -> None:
    hand.ask(GripperCommand.MOVE, 0.07, 0.1)
    hand.end()
    assert hand.ask(GripperCommand.GRASP, 0.05, 0.005, 0.005, 0.1, 30.0) is None
    assert hand.end() == GripperStatus.UNSUCCESSFUL
    assert not hand.gripper.is_grasped


def test_a_cube_is_grasped_and_held(compiled: mujoco.MjModel, model: Model) -> None:
    world = World(compiled.__copy__(), HOME)
    hand = Hand(world, model, 0.07)
    put_cube_between_fingers(world)
    model._gravity[:] = 0.0
    assert hand.ask(GripperCommand.GRASP, 0.05, 0.005, 0.005, 0.1, 30.0) is None
    assert hand.end() == GripperStatus.SUCCESS
    assert hand.gripper.is_grasped

    for _ in range(300):
        hand.cycle()

    assert hand.gripper.is_grasped
    assert hand.world.finger_width == pytest.approx(0.05, abs=0.005)


def test_a_stop_ends_what_runs(hand: Hand) -> None:
    hand.ask(GripperCommand.MOVE, 0.08, 0.02)
    for _ in range(200):
        hand.cycle()

    answer = hand.ask(GripperCommand.STOP)
    assert answer.status == GripperStatus.SUCCESS
    assert hand.gripper.ended.pop().status == GripperStatus.ABORTED
    stopped = hand.world.finger_width

    for _ in range(500):
        hand.cycle()

    assert hand.world.finger_width == pytest.approx(stopped, abs=0.002)


def test_a_new_task_takes_the_place_of_the_one_that_runs(hand: Hand) -> None:
    hand.ask(GripperCommand.MOVE, 0.08, 0.02)
    assert hand.ask(GripperCommand.MOVE, 0.02, 0.1) is None
    assert hand.gripper.ended.pop(0).status == GripperStatus.ABORTED
    assert hand.end() == GripperStatus.SUCCESS


@pytest.mark.parametrize(
    ("command", "values"),
    [
        (GripperCommand.MOVE, (0.09, 0.1)),
        (GripperCommand.MOVE, (-0.01, 0.1)),
        (GripperCommand.MOVE, (0.05, 0.0)),
        (GripperCommand.MOVE, (np.nan, 0.1)),
        (GripperCommand.GRASP, (0.05, 0.005, 0.005, 0.1, -1.0)),
        (GripperCommand.GRASP, (0.05, 0.005, 0.005, np.inf, 1.0)),
    ],
)
def test_what_the_hand_cannot_do_fails(
    hand: Hand, command: GripperCommand, values: tuple[float, ...]
) -> None:
    assert hand.ask(command, *values).status == GripperStatus.FAIL
    assert hand.gripper.ended == []


def test_a_hand_whose_client_is_gone_stops(hand: Hand) -> None:
    hand.ask(GripperCommand.MOVE, 0.08, 0.02)
    for _ in range(300):
        hand.cycle()

    hand.gripper.lose_client()
    assert hand.gripper.ended == []
    width = hand.world.finger_width

    for _ in range(500):
        hand.cycle()

    assert hand.world.finger_width == pytest.approx(width, abs=0.002)
