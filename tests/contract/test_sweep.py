"""The sweep in the simulator, behind the safety gate.

A cube that lies anywhere comes to the middle of the table.
"""

import numpy as np
import pytest
from wayfarer_core.safety import Limits, Pose, Situation, decide
from wayfarer_policies.acting.policy import RobotState, Start
from wayfarer_policies.acting.scripts import Box, ScriptedPolicy, steps_needed
from wayfarer_sim.cube_world import CubeWorld

BOX = Box((0.36, -0.35, -0.08), (0.80, 0.35, 0.388), 0.125)  # as launch/config/sim.yaml
DOWN = (1.0, 0.0, 0.0, 0.0)  # xyzw
LIMITS = Limits(
    0.125, 0.22, 0.45, 1.0, BOX.low, BOX.high, DOWN, control_period=0.5, max_age=0.25, silence=0.75
)
MIDDLE = np.array([0.58, 0.0])  # m, base frame
NEAR = 0.10  # m
TRIALS, ENOUGH = 12, 9  # 52 of 60 came nearer than NEAR; fewer than 9 of 12 would then be rare


def sweep(world: CubeWorld) -> None:
    policy = ScriptedPolicy("sweep", BOX)
    policy.begin_episode(Start(np.random.default_rng(0), explore=False))
    last = -np.inf

    for step in range(steps_needed("sweep", BOX)):
        now, pose = 0.5 * step, Pose(*world.ee_pose)
        action = policy.act(np.zeros((84, 84, 3), np.uint8), RobotState(pose.position)).astype(
            float
        )
        if not action.any():
            return

        decision = decide(LIMITS, action, now, Situation(now, pose, False, False, last))
        assert decision.target is not None
        last = now
        world.advance(decision.target.position, 0.5)

    raise AssertionError("the sweep did not come to its end in the steps it said it needs")


@pytest.mark.slow
def test_a_cube_anywhere_in_the_box_is_pushed_to_the_middle() -> None:
    world = CubeWorld()
    rng = np.random.default_rng(1)
    before, after = [], []

    for trial in range(TRIALS):
        world.reset(trial)
        start, turn = rng.uniform([0.40, -0.31], [0.76, 0.31]), rng.uniform(0.0, np.pi / 2)
        world.place_cube(
            np.array([*start, -0.067]), np.array([0.0, 0.0, np.sin(turn / 2), np.cos(turn / 2)])
        )
        sweep(world)
        before.append(np.linalg.norm(start - MIDDLE))
        after.append(np.linalg.norm(world.cube_pose[0][:2] - MIDDLE))

    world.close()
    assert np.sum(np.array(before) < NEAR) < ENOUGH / 2, "else this would show nothing"
    assert np.sum(np.array(after) < NEAR) >= ENOUGH, np.round(after, 3)
