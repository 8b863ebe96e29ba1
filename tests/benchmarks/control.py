"""The control node alone over DDS.

From an action to its target, and from the last action to the hold.

    .venv/bin/python tests/benchmarks/control.py [--actions 2000] [--json]

The robot's pose comes at 100 Hz, as from the bridge. Actions come at 50 Hz, 2.5 times the highest
rate of collections, in turns to control and to a node that only answers: what that one takes is the
way through DDS and rclpy.

Then the same with a gamepad's Joy and a camera's image in front: teleop node, actor and control. A
person holds the dead man at every other image, at the others the policy acts.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import rclpy
from control_echo import ANSWERED, ASKED
from fixtures.graph import COMMANDS_DOMAIN, node_process
from fixtures.rigs import ended
from fixtures.shipped import CONTROL
from franka_msgs.msg import FrankaRobotState
from geometry_msgs.msg import PoseStamped
from rclpy.action import ActionClient
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image, Joy
from wayfarer_common import contract, qos
from wayfarer_common.conversions import array_to_image, base_pose, to_stamp
from wayfarer_core import names
from wayfarer_msgs.action import RunEpisode
from wayfarer_msgs.msg import Acknowledgement, Action
from wayfarer_teleop.params import JOY, LAYOUTS

RATE, POSE_RATE, STATE_EVERY = 50.0, 100.0, 4  # Hz, Hz, poses
HOLD_RATES, HOLDS = (2.0, 10.0), 10  # Hz, silences at each
DEADLINE = 10.0  # s
PAD, STRAIGHT = LAYOUTS["gamepad"], 1e-6  # where its stick is; m
HOME, DOWN = np.array([0.5, 0.0, 0.2]), np.array([1.0, 0.0, 0.0, 0.0])


class Bench:
    """Robot and policy of a control node, in one thread.

    It sends, and waits in the executor for what comes.
    """

    def __init__(self) -> None:
        self.node, self._executor = Node("bench", enable_rosout=False), EventsExecutor()
        self._executor.add_node(self.node)
        make = self.node.create_publisher
        self._pose, self._state, self._control = (
            make(topic.type, topic.name, topic.qos)
            for topic in (contract.CURRENT_POSE, contract.ROBOT_STATE, contract.POLICY_ACTION)
        )
        self._echo = make(Action, ASKED, qos.STEP)
        self._arrived: dict[str, float] = {}  # by topic, when the newest came

        for name in (contract.TARGET_POSE.name, ANSWERED):
            self.node.create_subscription(
                PoseStamped, name, lambda m, n=name: self._hear(n, m), qos.STEP
            )

        self._bridge = make(Acknowledgement, contract.ACKNOWLEDGEMENT.name, qos.STEP)
        self.answer: Any = None  # what was heard last
        self._poses, self._due, self._stamp = 0, time.perf_counter(), 0

    def close(self) -> None:
        """Leave ROS."""
        self.node.destroy_node()

    def _hear(self, name: str, message: PoseStamped) -> None:
        self._arrived[name] = time.perf_counter()
        self.answer = message
        if name == contract.TARGET_POSE.name:
            self._bridge.publish(Acknowledgement(header=message.header, taken=True))

    def wait_connected(self, echo: bool) -> None:
        """Wait until whoever is measured listens. Raises TimeoutError."""
        publishers = [self._pose, self._state, self._control, *([self._echo] if echo else [])]
        end = time.perf_counter() + DEADLINE
        while not all(p.get_subscription_count() for p in publishers):
            if time.perf_counter() > end:
                raise TimeoutError("the nodes under test do not listen")
            self._executor.spin_once(timeout_sec=0.01)

        self.live(0.5)

    def live(self, seconds: float, until: str = "") -> None:
        """Let the robot tell its pose at its rate, until some time has passed or something was
        heard.
        """
        end = time.perf_counter() + seconds
        while (now := time.perf_counter()) < end and until not in self._arrived:
            if now >= self._due:
                self._tell()
                self._due = max(self._due + 1.0 / POSE_RATE, now)

            self._executor.spin_once(
                timeout_sec=max(min(self._due, end) - time.perf_counter(), 0.0)
            )

    def _tell(self) -> None:
        self._stamp = time.time_ns()
        self._pose.publish(base_pose(HOME, DOWN, self._stamp))
        if self._poses % STATE_EVERY == 0:
            self._state.publish(FrankaRobotState(robot_mode=FrankaRobotState.ROBOT_MODE_MOVE))
        self._poses += 1

    def ask(self, echo: bool = False) -> tuple[float, float]:
        """Act on the newest pose; return when that was and how long the answer took [s].

        Raises TimeoutError.
        """
        message = Action(action=np.array([0.1, 0.0, 0.0], dtype=np.float32))
        message.header.stamp = to_stamp(self._stamp)
        publisher, answer = (
            (self._echo, ANSWERED) if echo else (self._control, contract.TARGET_POSE.name)
        )
        self._arrived.clear()
        sent = time.perf_counter()
        publisher.publish(message)
        self.live(DEADLINE, until=answer)

        return sent, self.heard(answer) - sent

    def heard(self, name: str) -> float:
        """Return when it was heard. Raises TimeoutError."""
        if name not in self._arrived:
            raise TimeoutError(f"nothing on {name} for {DEADLINE} s")
        return self._arrived[name]

    def silence(self, rate: float) -> float:
        """Act a few times, and then no more.

        Return the time from the last action to the hold, in control periods.
        """
        for _ in range(3):
            sent, took = self.ask()
            self.rest(1.0 / rate - took)

        self._arrived.clear()
        self.live(DEADLINE, until=contract.TARGET_POSE.name)

        return (self.heard(contract.TARGET_POSE.name) - sent) * rate

    def rest(self, seconds: float) -> None:
        """Let the robot live, whatever it hears."""
        self._arrived.clear()
        self.live(seconds)


class Person(Bench):
    """Camera, robot and gamepad of an actor and a control node; the collector, too."""

    def __init__(self) -> None:
        super().__init__()
        command = contract.TELEOP_COMMAND
        make = self.node.create_publisher
        self._camera = make(Image, contract.OBSERVATION_IMAGE.name, qos.STEP)
        self._joy = make(Joy, JOY, qos_profile_sensor_data)
        self.node.create_subscription(
            command.type, command.name, lambda m: self._hear(command.name, m), command.qos
        )
        self._client = ActionClient(self.node, RunEpisode, names.RUN_EPISODE)
        self._picture = array_to_image(np.zeros((84, 84, 3), np.uint8), to_stamp(0), "camera")

    def begin(self, steps: int) -> None:
        """Begin an episode once everybody listens. Raises TimeoutError."""
        end = time.perf_counter() + DEADLINE
        listened = self._camera, self._joy, self._control
        while not (
            all(p.get_subscription_count() for p in listened) and self._client.server_is_ready()
        ):
            if time.perf_counter() > end:
                raise TimeoutError("the nodes under test do not listen")
            self._executor.spin_once(timeout_sec=0.01)

        self.live(0.5)
        accepted = self._client.send_goal_async(RunEpisode.Goal(steps=steps))
        while not accepted.done():
            if time.perf_counter() > end + DEADLINE:
                raise TimeoutError("the actor does not take the episode")
            self._executor.spin_once(timeout_sec=0.01)

        self.live(0.5)

    def push(self, held: bool) -> float:
        """Push the stick forward, with the dead man held or not; return how long the wish took [s].

        Raises TimeoutError.
        """
        axes, buttons = np.zeros(8, np.float32), np.zeros(11, np.int32)
        axes[PAD.axes[0]], buttons[PAD.buttons[0]] = 1.0, held
        name = contract.TELEOP_COMMAND.name
        self._arrived.clear()
        sent = time.perf_counter()
        self._joy.publish(Joy(axes=axes.tolist(), buttons=buttons.tolist()))
        self.live(DEADLINE, until=name)

        return self.heard(name) - sent

    def show(self, held: bool) -> float:
        """Show a picture; return how long the target took that answers it [s].

        NaN where it is not of whom it should be: the picture overtook the wish. Raises
        TimeoutError.
        """
        name = contract.TARGET_POSE.name
        self._picture.header.stamp = to_stamp(self._stamp)
        self._arrived.clear()
        sent = time.perf_counter()
        self._camera.publish(self._picture)
        self.live(DEADLINE, until=name)
        took = self.heard(name) - sent
        by_hand = abs(self.answer.pose.position.y - HOME[1]) < STRAIGHT  # a policy's is anywhere

        return took if by_hand == held else math.nan


@contextmanager
def control(rate: float, silence: float = 1.5) -> Iterator[None]:
    """Run the node under test.

    As the configs have it, it holds after one and a half periods of silence.
    """
    told = CONTROL | {"control_period": 1.0 / rate, "silence": silence / rate}
    with node_process("wayfarer_control", "control", **told):
        yield


@contextmanager
def measuring(echo: bool) -> Iterator[Bench]:
    """Be connected to what is measured."""
    with closing(Bench()) as bench:
        bench.wait_connected(echo)
        yield bench


def latency(actions: int) -> dict[str, float]:
    """Return what control takes from action to target, beside a node that only answers [ms]."""
    command = [sys.executable, str(Path(__file__).with_name("control_echo.py"))]
    took: dict[bool, list[float]] = {False: [], True: []}
    with (
        control(RATE, silence=50.0),  # no hold is to be taken for an answer
        ended(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)),
        measuring(echo=True) as bench,
    ):
        for _ in range(actions):
            for echo, times in took.items():
                times.append(1e3 * bench.ask(echo)[1])
                bench.rest(0.5 / RATE - 1e-3 * times[-1])

    ours, other = np.array(took[False]), np.array(took[True])

    return {
        "actions": actions,
        "rate_hz": RATE,
        "target_ms_p50": float(np.percentile(ours, 50)),
        "target_ms_p99": float(np.percentile(ours, 99)),
        "target_ms_max": float(ours.max()),
        "echo_ms_p50": float(np.percentile(other, 50)),
        "echo_ms_p99": float(np.percentile(other, 99)),
        "echo_ms_max": float(other.max()),
    }


def hand(pictures: int) -> dict[str, float]:
    """Return what a person's Joy and the picture behind it take to the target, beside a policy
    [ms].
    """
    took: dict[str, list[float]] = {"joy": [], "hand": [], "policy": []}
    actor = {"method": "random", "teleop_device": "gamepad", "observation_timeout": 60.0}
    with (
        control(RATE, silence=50.0),
        node_process("wayfarer_actor", "actor", **actor),
        node_process("wayfarer_teleop", "teleop", device="gamepad"),
        closing(Person()) as bench,
    ):
        bench.begin(2 * pictures)
        for _ in range(pictures):
            for whose in ("hand", "policy"):
                took["joy"].append(1e3 * bench.push(held=whose == "hand"))
                bench.rest(0.25 / RATE)
                took[whose].append(1e3 * bench.show(held=whose == "hand"))
                bench.rest(0.75 / RATE)

    kept = {what: np.array(times)[np.isfinite(times)] for what, times in took.items()}
    of = {"p50": lambda t: np.percentile(t, 50), "p99": lambda t: np.percentile(t, 99)}
    figures = {
        f"{what}_ms_{name}": float(measure(times))
        for what, times in kept.items()
        for name, measure in (of | {"max": np.max}).items()
    }

    return figures | {"overtaken": 2 * pictures - len(kept["hand"]) - len(kept["policy"])}


def main() -> None:
    """Measure, print a table, and with --json one line for other programs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--actions", type=int, default=2000)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    given = parser.parse_args()
    os.environ |= {
        "ROS_DOMAIN_ID": str(COMMANDS_DOMAIN),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    rclpy.init()
    figures = latency(given.actions) | hand(given.actions)
    figures["hand_to_echo_p50"] = figures["hand_ms_p50"] / figures["echo_ms_p50"]
    figures["hand_to_echo_p99"] = figures["hand_ms_p99"] / figures["echo_ms_p99"]

    for rate in HOLD_RATES:
        with control(rate), measuring(echo=False) as bench:
            periods = [bench.silence(rate) for _ in range(HOLDS)]
        figures |= {f"hold_periods_median_{rate:g}hz": float(np.median(periods))}
        figures |= {f"hold_periods_max_{rate:g}hz": max(periods)}

    figures["load"] = os.getloadavg()[0]
    for name, value in figures.items():
        print(f"{name:32} {value:10.2f}")

    if given.json:
        print(json.dumps(figures))

    rclpy.shutdown()


if __name__ == "__main__":
    main()
