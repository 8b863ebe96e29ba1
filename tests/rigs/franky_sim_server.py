"""An FR3 that a real libfranka client connects to: franky-sim with our table and cube in its world.

Runs in `.venv/rig`, knows no ROS. Where its state is written, `camera.py` draws it from another process. Usage:

    .venv/rig/bin/python tests/rigs/franky_sim_server.py --host 127.0.0.11 --folder DIRECTORY
"""

import argparse
import contextlib
import mmap
import os
import select
import signal
import struct
import time
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import franky_sim
import mujoco
from franky_sim.franka_robot_server import ControlMode
from franky_sim.mujoco_simulator import MujocoSimulator

HOME = (0.0, 0.27652513678279866, 0.0, -2.4624608341966336, 0.0, 2.7389859697547383, 0.7858533022745215)  # [rad]
TABLE_CENTRE, TABLE_SIZE, TABLE_TOP = (0.58, 0.0), (0.84, 1.25, 0.05), -0.092  # [m] base frame, as in the simulator
FLOOR = -0.912  # [m]
CUBE_EDGE = 0.05  # [m]
CAMERA = {"name": "agentview", "pos": "1.08 0 0.438", "fovy": "45", "xyaxes": "0 1 0 -0.70710678 0 0.70710678"}
STATE_EVERY = 20  # ticks between two states for the camera
PATIENCE = 0.02  # s
LATE = 0.05  # s behind its time table at which the server starts a new one instead of hurrying


def build_world(simulator: MujocoSimulator) -> None:
    """Put table, cube and camera where wayfarer_sim has them, relative to the robot's base."""
    world = simulator.worldbody
    ground = world.find("geom[@name='ground']")
    ground.set("pos", f"0 0 {FLOOR}")
    ground.set("group", "1")
    x, y = TABLE_CENTRE
    half = " ".join(str(edge / 2) for edge in TABLE_SIZE)
    grey = {"rgba": "0.75 0.75 0.72 1", "group": "1"}
    ET.SubElement(
        world,
        "geom",
        name="table",
        type="box",
        size=half,
        pos=f"{x} {y} {TABLE_TOP - TABLE_SIZE[2] / 2}",
        friction="1 0.005 0.0001",
        **grey,
    )
    ET.SubElement(
        world,
        "geom",
        name="pedestal",
        type="box",
        size=f"0.1 0.1 {-FLOOR / 2}",
        pos=f"-0.05 0 {FLOOR / 2}",
        contype="0",
        conaffinity="0",
        rgba="0.3 0.3 0.3 1",
        group="1",
    )
    cube = ET.SubElement(world, "body", name="cube", pos=f"{x} {y} {TABLE_TOP + CUBE_EDGE / 2}")
    ET.SubElement(cube, "freejoint", name="cube_joint")
    ET.SubElement(
        cube,
        "geom",
        name="cube",
        type="box",
        size=" ".join([str(CUBE_EDGE / 2)] * 3),
        mass="0.1",
        rgba="0.98 0.86 0 1",
        friction="1 0.005 0.0001",
        group="1",
    )
    for axis, (low, high) in enumerate((("red", "white"), ("blue", "green"), ("cyan", "yellow"))):
        for sign, name in ((-1, low), (1, high)):
            thin = [CUBE_EDGE / 2] * 3
            thin[axis] = 0.0002
            centre = [0.0] * 3
            centre[axis] = sign * CUBE_EDGE / 2
            ET.SubElement(
                cube,
                "geom",
                type="box",
                size=" ".join(map(str, thin)),
                pos=" ".join(map(str, centre)),
                rgba=FACES[name],
                contype="0",
                conaffinity="0",
                mass="0",
                group="1",
            )
    ET.SubElement(world, "camera", **CAMERA)


FACES = {
    "white": "1 1 1 1",
    "red": "0.9 0.08 0.08 1",
    "green": "0.08 0.7 0.16 1",
    "blue": "0.08 0.24 0.9 1",
    "yellow": "0.98 0.86 0 1",
    "cyan": "0 0.82 0.86 1",
}


class StateFile:
    """Where a camera reads how the world stands: a counter, the wall clock [ns], and all joint positions.

    The counter is odd while it is being written, so that a reader takes nothing half new.
    """

    def __init__(self, path: Path, positions: int) -> None:
        self._size = 8 * (2 + positions)
        path.write_bytes(bytes(self._size))
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), self._size)
        self._count = 0

    def write(self, qpos: Any) -> None:
        """Write a state."""
        self._memory[:8] = struct.pack("q", self._count + 1)
        self._memory[8 : self._size] = struct.pack("q", time.time_ns()) + qpos.tobytes()
        self._count += 2
        self._memory[:8] = struct.pack("q", self._count)


class Pace:
    """Absolute deadlines at 1 kHz, so that a late tick is caught up and the arm's time keeps to the wall's."""

    def __init__(self) -> None:
        self._due = time.perf_counter()

    def wait(self) -> None:
        """Wait for the next tick; start a new time table where the old one is out of reach."""
        self._due += 0.001
        ahead = self._due - time.perf_counter()
        if ahead > 0.0:
            time.sleep(ahead)
        elif ahead < -LATE:
            self._due = time.perf_counter()


def wait_for_command(robot: Any) -> None:
    """Wait for the torques that answer the last state, for a while.

    A torque controller whose client was held up by a busy machine would otherwise act on an old state, and swing. The
    real arm has a real-time client; with this the simulated one only goes slower. franky-sim has no public access.
    """
    udp = robot._FrankaServer__udp_socket
    if udp is not None and robot._FrankaRobotServer__control_mode == ControlMode.TORQUE:
        select.select([udp], [], [], PATIENCE)


def serve(server: franky_sim.SimulationServer, simulator: MujocoSimulator, folder: Path) -> None:
    """Run at 1 kHz until SIGTERM or SIGINT."""
    ended: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda caught, _frame: ended.append(caught))
    state, pace, tick = StateFile(folder / "state", simulator.model.nq), Pace(), 0
    (folder / "ready").touch()
    while not ended:
        wait_for_command(server.robot_servers[0])
        try:
            server.run_once(realtime=False)
        except TimeoutError:  # the client is gone without a word; franky-sim itself would end here
            server.robot_servers[0].reset_state()
        if tick % STATE_EVERY == 0:
            state.write(simulator.data.qpos)
        tick += 1
        pace.wait()


def hurry() -> None:
    """Take precedence over what else the machine does, where that is allowed."""
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
            mujoco.mj_saveLastXML(str(given.folder / "world.xml"), simulator.model)
            serve(server, simulator, given.folder)


if __name__ == "__main__":
    main()
