"""An FR3 that a real libfranka client connects to: franky-sim with our table and cube in its world.

Runs in `.venv/rig`, knows no ROS. Where its state is written, `camera.py` draws it from another
process. Usage:

    .venv/rig/bin/python tests/rigs/franky_sim_server.py --host 127.0.0.11 --folder DIRECTORY
"""

import argparse
import contextlib
import os
import select
import signal
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import franky_sim
import mujoco
from franky_sim.franka_robot_server import ControlMode
from franky_sim.mujoco_simulator import MujocoSimulator

PANDA_SIM = Path(__file__).parents[2] / "sim" / "panda_sim"
# it is not installed in this environment, and what is used needs nothing else
sys.path.insert(0, str(PANDA_SIM))

from panda_sim.pacing import Pace  # noqa: E402
from panda_sim.world.picture import STATE, WORLD, StateWriter  # noqa: E402

TABLE = PANDA_SIM / "panda_sim" / "world" / "scenes" / "table.xml"
# [rad]
HOME = (
    0.0,
    0.27652513678279866,
    0.0,
    -2.4624608341966336,
    0.0,
    2.7389859697547383,
    0.7858533022745215,
)
STATE_EVERY = 20  # ticks between two states for the camera
PATIENCE = 0.02  # s


def build_world(simulator: MujocoSimulator) -> None:
    """Put panda_sim's table, cube and camera around the arm."""
    world = simulator.worldbody
    world.remove(world.find("geom[@name='ground']"))
    world.extend(ET.parse(TABLE).getroot().find("worldbody"))


def wait_for_command(robot: Any) -> None:
    """Wait some time for the torques that answer the last state.

    If a busy machine delays its client, a torque controller would otherwise act on an old
    state, and the arm would swing. A real arm has a real-time client; with this wait the simulated
    one only runs slower. franky-sim has no public access to it.
    """
    udp = robot._FrankaServer__udp_socket
    if udp is not None and robot._FrankaRobotServer__control_mode == ControlMode.TORQUE:
        select.select([udp], [], [], PATIENCE)


def serve(server: franky_sim.SimulationServer, simulator: MujocoSimulator, folder: Path) -> None:
    """Run at 1 kHz until SIGTERM or SIGINT."""
    ended: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda caught, _frame: ended.append(caught))

    state, pace, tick = StateWriter(folder / STATE, simulator.model.nq), Pace(), 0
    while not ended:
        wait_for_command(server.robot_servers[0])
        try:
            server.run_once(realtime=False)
        except TimeoutError:  # the client has gone silently; franky-sim itself would end here
            server.robot_servers[0].reset_state()

        if tick % STATE_EVERY == 0:
            state.write(simulator.data.qpos)

        tick += 1
        pace.wait()


def hurry() -> None:
    """Take real-time priority, if this is allowed."""
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))


def main() -> None:
    """Serve one robot."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", required=True)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    hurry()
    given.folder.mkdir(parents=True, exist_ok=True)

    with MujocoSimulator() as simulator:
        simulator.add_robot(initial_q=HOME, initial_hand_width=0.0)
        build_world(simulator)
        with franky_sim.SimulationServer(simulator, hostname_candidates=[given.host]) as server:
            mujoco.mj_saveModel(simulator.model, str(given.folder / WORLD), None)
            serve(server, simulator, given.folder)


if __name__ == "__main__":
    main()
