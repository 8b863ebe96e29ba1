"""Steps of 0.5 s with an 84x84 frame.

The cube world against robosuite's own `env.step` of the same scene.

Both take turns in one run, so that other work on the machine slows them alike. Run: python
tests/benchmarks/world.py
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from wayfarer_sim.control_loop import R_SITE_EE, R_WORLD_EE_DOWN
from wayfarer_sim.cube_env import TABLE_TOP, CubeEnv
from wayfarer_sim.cube_world import CubeWorld

SIDE = 84  # [pixel]
STEP = 0.5  # [s] of simulated time
TURN = 0.5  # [s] of the clock before the other one's turn
TARGET_BOX = np.array([[-0.2, -0.3, 0.0], [0.2, 0.3, 0.3]])  # [m] about the table's centre

Step = Callable[[NDArray[np.float64]], None]


def measure(seconds: float = 5.0) -> dict[str, float]:
    """Time both worlds for about `seconds` altogether: steps per second each, and their ratio."""
    worlds = {"world_steps_per_s": own_step(), "stock_robosuite_steps_per_s": stock_step()}
    count, spent = dict.fromkeys(worlds, 0), dict.fromkeys(worlds, 0.0)
    for step in worlds.values():
        step(np.zeros(3))  # opens GL, compiles

    targets = random_targets()
    while sum(spent.values()) < seconds:
        for name, step in worlds.items():
            start = time.perf_counter()
            while (elapsed := time.perf_counter() - start) < TURN:
                step(next(targets))
                count[name] += 1

            spent[name] += elapsed

    rates = {name: count[name] / spent[name] for name in worlds}

    return rates | {
        "world_ratio": rates["world_steps_per_s"] / rates["stock_robosuite_steps_per_s"]
    }


def random_targets() -> Iterator[NDArray[np.float64]]:
    """Yield targets of the hand about the table's centre, (3,) [m]."""
    rng = np.random.default_rng(0)
    while True:
        yield rng.uniform(*TARGET_BOX)


def own_step() -> Step:
    world = CubeWorld()

    def step(p_table_target: NDArray[np.float64]) -> None:
        world.advance(world.table_centre + p_table_target, STEP)
        world.render(SIDE, SIDE)

    return step


def stock_step() -> Step:
    """robosuite as it comes: its meshes, 2 ms timestep, OSC_POSE, off-screen camera."""
    env = CubeEnv(control_freq=1 / STEP, camera_heights=SIDE, camera_widths=SIDE, ignore_done=True)
    env.reset()
    rotation = Rotation.from_matrix(R_WORLD_EE_DOWN @ R_SITE_EE.T).as_rotvec()

    def step(p_table_target: NDArray[np.float64]) -> None:
        p_world_target = p_table_target + np.array([0.0, 0.0, TABLE_TOP])
        env.step(np.concatenate([p_world_target, rotation, [1.0]]))

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=5.0, help="how long to measure (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    options = parser.parse_args()
    result = measure(options.seconds)

    for name, value in result.items():
        print(f"{name:30} {value:8.1f}")

    if options.json:
        print(json.dumps(result))


if __name__ == "__main__":
    main()
