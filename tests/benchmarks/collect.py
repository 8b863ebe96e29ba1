"""Steps per second of the inner loop over ROS, against the same world stepped in one process in the
same run.

    .venv/bin/python tests/benchmarks/collect.py [--steps 1000] [--json]

The ROS figures come from the bag itself: log times are when the recorder received an observation
and the target that answers it, both in one process.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from wayfarer_bags.bag import messages
from wayfarer_bags.message_types import base_types
from wayfarer_core import names

sys.path.insert(0, str(Path(__file__).parent))
import world


def measure_ros(steps: int) -> dict[str, float]:
    """Collect two episodes over ROS and return rate and latency of the second."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [
            str(Path(sys.executable).parent / "wayfarer"),
            "collect",
            "--target",
            "sim",
            "--method",
            "random",
        ]
        subprocess.run(
            [*command, "--episodes", "2", "--steps", str(steps), "--out", str(run)], check=True
        )
        observed: dict[int, int] = {}
        answered: dict[int, int] = {}

        for message in messages(run / "episode_000001.mcap", base_types()):
            if message.name == names.OBSERVATION_IMAGE:
                observed[message.stamp] = message.publish_time
            elif message.name.endswith(names.TARGET_POSE):
                answered[message.stamp] = message.publish_time

    latency = np.array([answered[s] - observed[s] for s in answered if s in observed]) * 1e-6  # ms
    times = np.array(sorted(answered.values())) * 1e-9  # s

    return {
        "ros_steps_per_s": (len(times) - 1) / (times[-1] - times[0]),
        "latency_ms_p50": float(np.percentile(latency, 50)),
        "latency_ms_p99": float(np.percentile(latency, 99)),
    }


def main() -> None:
    """Measure, print a table, and with --json one line for other programs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1000, help="steps of the measured episode")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    figures = world.measure()
    figures.update(measure_ros(arguments.steps))
    figures["ros_ratio"] = figures["ros_steps_per_s"] / figures["world_steps_per_s"]

    for name, value in figures.items():
        print(f"{name:32} {value:10.2f}")

    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
