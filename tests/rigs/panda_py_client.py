"""Tests a simulated Panda with a real client of libfranka 0.9.2; prints JSON.

    .venv/bin/panda-sim --lockstep --console 127.0.0.1:1339 &
    .venv/bin/python tests/rigs/panda_py_client.py 127.0.0.1 tour --targets 200

It is a separate process: panda_py ends its process if a connection is lost
(docs/parity.md).
"""

import argparse
import json
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import panda_py
from panda_py import controllers, libfranka
from panda_sim.servers.console import ask
from panda_sim.simulation import HOME

CONSOLE_PORT = 1339
Result = dict[str, Any]


class Client:
    """A panda_py.Panda and the console of the simulator it is connected to."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.panda = panda_py.Panda(host)

    def tell(self, line: str) -> Any:
        return ask((self.host, CONSOLE_PORT), line)

    def wait(self, condition: Callable[[], Any], seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise AssertionError("waited in vain")
            time.sleep(0.01)

    def mode(self) -> str:
        return str(self.tell("state")["mode"])

    def error(self, work: Callable[[], Any]) -> str:
        """Return libfranka's error of a call that must fail."""
        try:
            work()
        except RuntimeError as error:
            return str(error)

        raise AssertionError("it did not fail")

    def what_ended(self) -> str:
        """Return libfranka's error at the end of a motion, once its thread has read the
        answer.
        """
        said: list[str] = []

        def is_told() -> bool:
            try:
                self.panda.raise_error()
            except RuntimeError as error:
                said.append(str(error))

            return bool(said)

        self.wait(is_told)

        return said[0]


def tour(client: Client, targets: int) -> Result:
    """Connect, read, go home, track at three rates, stop, reflex, recover, home, reconnect."""
    panda = client.panda
    times = []
    for _ in range(100):
        times.append(panda.get_robot().read_once().time.to_msec())

    assert panda.move_to_joint_position(np.array(HOME), speed_factor=0.3)
    lost = {"home": client.tell("state")["answers_lost"]}
    ends = {}

    for rate in (2.0, 10.0, 20.0):
        ends[f"{rate:g} Hz"] = track(panda, targets, rate)
        lost[f"{rate:g} Hz"] = client.tell("state")["answers_lost"]

    panda.start_controller(
        controllers.CartesianImpedance(impedance=np.diag([1500.0] * 3 + [100.0] * 3))
    )
    client.wait(lambda: client.tell("state")["commanded"])
    client.tell("push 0 0 200 0.5")
    client.wait(lambda: client.mode() == "REFLEX")
    said = client.what_ended()
    panda.stop_controller()
    client.tell("push 0 0 0 0")
    panda.recover()
    assert client.mode() == "IDLE"
    assert panda.move_to_joint_position(np.array(HOME), speed_factor=0.3)
    del panda
    client.panda = None
    client.panda = panda_py.Panda(client.host)
    home = float(np.abs(client.panda.get_robot().read_once().q - np.array(HOME)).max())

    return {
        "reads": len(set(times)),
        "answers_lost": lost,
        "end_error_mm": ends,
        "reflex": said,
        "home_error_rad": home,
    }


def track(panda: Any, targets: int, rate: float) -> float:
    """Follow targets that move like the bridge's.

    Return the median distance to them after each period [mm].
    """
    controller = controllers.CartesianImpedance(impedance=np.diag([1500.0] * 3 + [100.0] * 3))
    panda.start_controller(controller)
    begin, orientation = panda.get_position(), panda.get_orientation()
    rng = np.random.default_rng(0)
    here, errors, due = begin.copy(), [], time.monotonic()

    for _ in range(targets):
        goal = begin + rng.uniform(-1.0, 1.0, 3) * min(0.05, 0.1 / rate)
        steps = max(1, round(100 / rate))
        for k in range(1, steps + 1):
            share = 0.5 - 0.5 * math.cos(math.pi * min(1.0, 2.0 * k / steps))
            controller.set_control(here + share * (goal - here), orientation, np.array(HOME))
            due += 0.01
            time.sleep(max(0.0, due - time.monotonic()))

        here = goal
        errors.append(1e3 * float(np.linalg.norm(panda.get_position() - goal)))

    panda.stop_controller()
    panda.raise_error()

    return float(np.median(errors))


def generators(client: Client, _: int) -> Result:
    """Drive each motion generator, with each controller, through libfranka's rate limits."""
    robot = client.panda.get_robot()
    robot.set_collision_behavior([50.0] * 7, [50.0] * 7, [50.0] * 6, [50.0] * 6)
    found: Result = {}

    for mode in (
        libfranka.ControllerMode.kJointImpedance,
        libfranka.ControllerMode.kCartesianImpedance,
    ):
        name = str(mode).rpartition(".")[2]
        found[f"joint position, {name}"] = joint_position(robot, mode)
        found[f"joint velocity, {name}"] = joint_velocity(robot, mode)
        found[f"pose, {name}"] = cartesian_pose(robot, mode)
        found[f"twist, {name}"] = cartesian_velocity(robot, mode)

    found["torques"] = torques(robot)
    found["answers_lost"] = client.tell("state")["answers_lost"]

    return found


def _swing(seconds: float, t: float) -> float:
    """Return a share that moves from 0 to 1 and back smoothly."""
    return (0.5 - 0.5 * math.cos(2.0 * math.pi * min(t / seconds, 1.0))) ** 2


SECONDS = 2.0


def joint_position(robot: Any, mode: Any) -> float:
    begin: list[float] = []
    passed, worst = [0.0], [0.0]

    def step(state: Any, duration: Any) -> Any:
        begin.extend(state.q_d if not begin else ())
        passed[0] += duration.to_sec()
        q = [b + 0.15 * _swing(SECONDS, passed[0]) for b in begin]
        worst[0] = max(worst[0], float(np.abs(np.array(state.q) - state.q_d).max()))
        made = libfranka.JointPositions(q)
        made.motion_finished = passed[0] > SECONDS + 0.2

        return made

    robot.control_joint_position(step, mode, True, 100.0)

    return worst[0]


def joint_velocity(robot: Any, mode: Any) -> float:
    passed, worst = [0.0], [0.0]

    def step(state: Any, duration: Any) -> Any:
        passed[0] += duration.to_sec()
        speed = (_swing(SECONDS, passed[0] + 5e-4) - _swing(SECONDS, passed[0] - 5e-4)) / 1e-3
        worst[0] = max(worst[0], float(np.abs(np.array(state.q) - state.q_d).max()))
        made = libfranka.JointVelocities([0.15 * speed] * 7)
        made.motion_finished = passed[0] > SECONDS + 0.2

        return made

    robot.control_joint_velocity(step, mode, True, 100.0)

    return worst[0]


def cartesian_pose(robot: Any, mode: Any) -> float:
    begin: list[float] = []
    passed, worst = [0.0], [0.0]

    def step(state: Any, duration: Any) -> Any:
        begin.extend(state.O_T_EE_c if not begin else ())
        passed[0] += duration.to_sec()
        T = list(begin)
        T[13] += 0.1 * _swing(SECONDS, passed[0])
        T[14] += 0.05 * _swing(SECONDS, passed[0])
        away = np.array(state.O_T_EE[12:15]) - state.O_T_EE_c[12:15]
        worst[0] = max(worst[0], float(np.linalg.norm(away)))
        made = libfranka.CartesianPose(T)
        made.motion_finished = passed[0] > SECONDS + 0.2

        return made

    robot.control_cartesian_pose(step, mode, True, 100.0)

    return worst[0]


def cartesian_velocity(robot: Any, mode: Any) -> float:
    passed, worst = [0.0], [0.0]

    def step(state: Any, duration: Any) -> Any:
        passed[0] += duration.to_sec()
        speed = (_swing(SECONDS, passed[0] + 5e-4) - _swing(SECONDS, passed[0] - 5e-4)) / 1e-3
        away = np.array(state.O_T_EE[12:15]) - state.O_T_EE_c[12:15]
        worst[0] = max(worst[0], float(np.linalg.norm(away)))
        made = libfranka.CartesianVelocities(
            [0.0, 0.08 * speed, 0.04 * speed, 0.0, 0.0, 0.2 * speed]
        )
        made.motion_finished = passed[0] > SECONDS + 0.2

        return made

    robot.control_cartesian_velocity(step, mode, True, 100.0)

    return worst[0]


def torques(robot: Any) -> float:
    begin: list[float] = []
    passed, worst = [0.0], [0.0]

    def step(state: Any, duration: Any) -> Any:
        begin.extend(state.q if not begin else ())
        passed[0] += duration.to_sec()
        away = np.array(state.q) - begin
        worst[0] = max(worst[0], float(np.abs(away).max()))
        made = libfranka.Torques(list(-50.0 * away - 5.0 * np.array(state.dq)))
        made.motion_finished = passed[0] > 1.0

        return made

    robot.control(step, True, 100.0)

    return worst[0]


def words(client: Client, _: int) -> Result:
    """Collect libfranka's errors for each fault with a working connection."""
    panda, robot = client.panda, client.panda.get_robot()
    said: Result = {}

    def move() -> None:
        panda.start_controller(controllers.CartesianImpedance())
        client.wait(lambda: client.tell("state")["commanded"])

    def ended() -> str:
        client.wait(lambda: client.mode() != "MOVE")
        text = client.what_ended()
        panda.stop_controller()
        return text

    move()
    said["load"] = client.error(lambda: robot.set_load(1.0, [0.0] * 3, [0.0] * 9))
    client.tell("fault joint_velocity_violation")
    said["reflex"] = ended()
    said["move in reflex"] = client.error(
        lambda: joint_position(robot, libfranka.ControllerMode.kJointImpedance)
    )
    robot.automatic_error_recovery()
    move()
    client.tell("user_stop on")
    said["user stop"] = ended()
    said["recovery in user stop"] = client.error(robot.automatic_error_recovery)
    client.tell("user_stop off")
    move()
    robot.stop()
    said["stopped"] = ended()
    move()
    client.tell("deaf 50")
    said["deaf"] = ended()
    robot.automatic_error_recovery()
    said["second client"] = client.error(lambda: panda_py.Panda(client.host))
    said["bad impedance"] = client.error(lambda: robot.set_joint_impedance([-1.0] * 7))
    robot.set_guiding_mode([True] * 6, True)
    robot.set_k(list(np.eye(4).ravel()))
    said["after all"] = client.mode()

    return said


SCENARIOS = {"tour": tour, "generators": generators, "words": words}


def main() -> None:
    """Run one scenario."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("host")
    parser.add_argument("scenario", choices=SCENARIOS)
    parser.add_argument(
        "--targets", type=int, default=20, help="of the tour, at each of its three rates"
    )
    given = parser.parse_args()
    print(json.dumps(SCENARIOS[given.scenario](Client(given.host), given.targets), indent=2))


if __name__ == "__main__":
    main()
