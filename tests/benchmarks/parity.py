"""How the robots behind the contract differ.

Step response, image latency, and 200 steps at several rates.

    .venv/bin/python tests/benchmarks/parity.py [--json] [--backend NAME ...] [--steps 200]

Prints the tables of docs/parity.md, or JSON: per back end end_error_mm, lag_s, overshoot_mm,
image_latency_ms and lost_steps.
"""

import argparse
import contextlib
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from fixtures.backends import BACKENDS, PERIOD, Robot, running
from fixtures.graph import COMMANDS_DOMAIN, wait_for
from fixtures.rigs import hurry
from wayfarer_common import contract
from wayfarer_common.conversions import position_of, to_nanoseconds

FINE = 0.02  # s, control period of the lock-step simulator here, so that the way to a target shows
STEP = 0.1  # m
DIRECTIONS = [sign * axis for axis in np.eye(3)[:2] for sign in (1.0, -1.0)]
WATCHED = 1.5  # s after a step
SPEED = 0.25  # m/s: 0.125 m per action unit at 2 Hz, in proportion at other rates
BOX = np.array([[0.40, -0.25, 0.0], [0.62, 0.25, 0.25]])  # m, within every back end's reach
SLOW, FAST = 2.0, (10.0, 20.0)  # Hz
# What suits short steps at high rates: a stiffer spring and a quicker way, whose top speed keeps
# long steps calm.
BRISK = {"franka_bridge": {"stiffness": 2000.0, "quickness": 30.0, "top_speed": 0.4}}


def path_after(robot: Robot, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Send a target; return times [s] since then, (n,), and positions (n, 3)."""
    heard = robot.peer.heard[contract.CURRENT_POSE.name]
    first = len(heard)
    start = (
        robot.stamp(contract.CURRENT_POSE)
        if robot.lockstep
        else robot.peer.node.get_clock().now().nanoseconds
    )
    end = start + int(WATCHED * 1e9)

    if robot.lockstep:
        while (sent := robot.send(target)) < end:
            wait_for(
                lambda sent=sent: robot.stamp(contract.CAMERA_IMAGE) > sent,
                "the image after a target",
            )
    else:
        robot.send(target)

    wait_for(lambda: robot.stamp(contract.CURRENT_POSE) >= end, "the end of the way")
    times = np.array([to_nanoseconds(m.header.stamp) - start for m in heard[first:]]) * 1e-9

    return times, np.array([position_of(m.pose) for m in heard[first:]])


def step_response(robot: Robot) -> dict[str, float]:
    """Return the medians over steps in several directions from home."""
    errors, lags, overshoots = [], [], []
    for direction in DIRECTIONS:
        robot.reset()
        home = robot.position()
        times, positions = path_after(robot, home + STEP * direction)
        along = (positions - home) @ direction
        at_end = positions[np.searchsorted(times, PERIOD)]
        errors.append(1e3 * float(np.linalg.norm(at_end - home - STEP * direction)))
        lags.append(float(times[np.argmax(along > STEP / 2)]))
        overshoots.append(1e3 * max(float(along.max()) - STEP, 0.0))

    return {
        "end_error_mm": float(np.median(errors)),
        "lag_s": float(np.median(lags)),
        "overshoot_mm": float(np.median(overshoots)),
    }


def image_latency(robot: Robot, count: int = 50) -> float:
    """Return the median time [ms] from capture to arrival.

    In lock-step from a target to the image that answers it.
    """
    robot.reset()
    arrived: list[float] = []
    if robot.lockstep:
        for _ in range(count):
            began = time.perf_counter()
            sent = robot.send(robot.position())
            wait_for(
                lambda sent=sent: robot.stamp(contract.CAMERA_IMAGE) > sent,
                "the image after a target",
            )
            arrived.append(time.perf_counter() - began)
    else:
        topic = contract.CAMERA_IMAGE
        listening = robot.peer.node.create_subscription(
            topic.type,
            topic.name,
            lambda m: arrived.append(1e-9 * (time.time_ns() - to_nanoseconds(m.header.stamp))),
            topic.qos,
        )
        wait_for(lambda: len(arrived) >= count, "images")
        robot.peer.node.destroy_subscription(listening)

    return 1e3 * float(np.median(arrived))


def random_steps(robot: Robot, rate: float, steps: int) -> dict[str, float]:
    """Take random steps of the method against the wall clock; return what became of them."""
    robot.reset()
    rng, period = np.random.default_rng(0), 1.0 / rate
    tick, lost, errors = threading.Event(), 0, []
    used, due = cpu_seconds(robot.process.pid), time.monotonic()
    began, refused = due, refusals(robot)

    for _ in range(steps):
        before = len(robot.peer.heard[contract.CURRENT_POSE.name])
        target = np.clip(robot.position() + SPEED * period * rng.uniform(-1.0, 1.0, 3), *BOX)
        robot.send(target)
        due += period
        tick.wait(max(due - time.monotonic(), 0.0))
        lost += len(robot.peer.heard[contract.CURRENT_POSE.name]) == before
        errors.append(1e3 * float(np.linalg.norm(robot.position() - target)))

    wall, used = time.monotonic() - began, cpu_seconds(robot.process.pid) - used
    tick.wait(2.0)  # for the last diagnostics

    return {
        "rate_hz": rate,
        "steps": steps,
        "lost_steps": int(lost + refusals(robot) - refused),
        "end_error_median_mm": float(np.median(errors)),
        "end_error_p95_mm": float(np.percentile(errors, 95)),
        "bridge_cores": used / wall,
    }


def lockstep_steps(robot: Robot, steps: int) -> int:
    """Return how many of many lock-step targets were not answered by an image."""
    robot.reset()
    for _ in range(steps):
        sent = robot.send(robot.position())
        wait_for(
            lambda sent=sent: robot.stamp(contract.CAMERA_IMAGE) > sent, "the image after a target"
        )

    return refusals(robot)


def refusals(robot: Robot) -> int:
    """Return how many targets the bridge says it refused."""
    status = robot.peer.health.get(robot.bridge)

    return (
        sum(int(v.value.split()[0]) for v in status.values if v.key == "refused targets")
        if status
        else 0
    )


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used, all threads, and the processes it runs.

    Panda_py has one.
    """
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    used = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    children = [
        child
        for task in Path(f"/proc/{pid}/task").glob("*/children")
        for child in task.read_text().split()
    ]

    return used + sum(cpu_seconds(int(child)) for child in children)


def measure(name: str, steps: int, folder: Path) -> dict[str, Any]:
    """Return everything about one back end."""
    tested = BACKENDS[name]
    with running(
        tested, COMMANDS_DOMAIN, folder, **({"control_period": FINE} if tested.lockstep else {})
    ) as robot:
        result: dict[str, Any] = step_response(robot) | {"image_latency_ms": image_latency(robot)}
        if tested.lockstep:
            return result | {"lost_steps": lockstep_steps(robot, steps)}
        at_rates = [random_steps(robot, SLOW, steps)]

    with running(tested, COMMANDS_DOMAIN, folder, **BRISK.get(tested.bridge, {})) as robot:
        at_rates += [random_steps(robot, rate, steps) for rate in FAST]

    return result | {"lost_steps": sum(r["lost_steps"] for r in at_rates), "rates": at_rates}


def tables(results: dict[str, Any]) -> str:
    """Return the tables of docs/parity.md."""
    keys = ("end_error_mm", "lag_s", "overshoot_mm", "image_latency_ms", "lost_steps")
    lines = ["| back end | " + " | ".join(keys) + " |", "|---" * (len(keys) + 1) + "|"]
    for name, result in results.items():
        lines.append(f"| {name} | " + " | ".join(f"{result[key]:.3g}" for key in keys) + " |")

    columns = (
        "rate_hz",
        "steps",
        "lost_steps",
        "end_error_median_mm",
        "end_error_p95_mm",
        "bridge_cores",
    )
    lines += ["", "| back end | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name, result in results.items():
        for row in result.get("rates", []):
            lines.append(f"| {name} | " + " | ".join(f"{row[c]:.3g}" for c in columns) + " |")

    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--backend", nargs="+", choices=tuple(BACKENDS), default=list(BACKENDS))
    parser.add_argument("--steps", type=int, default=200)
    given = parser.parse_args()
    os.environ |= {
        "ROS_DOMAIN_ID": str(COMMANDS_DOMAIN),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    hurry()
    results = {}

    for name in given.backend:
        # the nodes' output
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
            results[name] = measure(name, given.steps, Path(folder))

    print(json.dumps(results, indent=2) if given.json else tables(results))


if __name__ == "__main__":
    main()
