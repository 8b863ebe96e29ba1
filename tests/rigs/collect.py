"""Collects episodes from a simulated FR3 or Panda with hardware.launch.xml: `make rig`.

.venv/bin/python tests/rigs/collect.py --robot panda --out runs/rig
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fixtures.rigs import ARMS, VENV, config_of, hurry, own_host, rig_camera


def main() -> None:
    """Start the rig, collect, end it; exit as the collection did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--robot", choices=tuple(ARMS), default="fr3")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--method", default="random")
    given = parser.parse_args()
    arm, host = ARMS[given.robot], own_host()
    words = ["collect", "--target", "hardware", "--robot", given.robot, "--robot-ip", host]
    words += [
        "--method",
        given.method,
        "--episodes",
        str(given.episodes),
        "--steps",
        str(given.steps),
    ]
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        words += ["--out", str(given.out), "--config", str(config_of(arm, folder))]
        with arm.start(host, folder, ()), rig_camera(folder, "/wayfarer"):
            done = subprocess.run([str(VENV / "bin" / "wayfarer"), *words], preexec_fn=hurry)

    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
