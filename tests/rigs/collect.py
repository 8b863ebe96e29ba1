"""Collects episodes on hardware.launch.xml from a simulated FR3: what `make rig` runs.

.venv/bin/python tests/rigs/collect.py --out runs/rig
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fixtures.rigs import ROOT, VENV, franky_sim, hurry, own_host, rig_camera


def main() -> None:
    """Start the rig, collect, end it; exit as the collection did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--episodes", type=int, default=3)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--method", default="random")
    given = parser.parse_args()
    words = ["collect", "--target", "hardware", "--robot", "fr3", "--robot-ip", own_host(), "--method", given.method]
    words += ["--episodes", str(given.episodes), "--steps", str(given.steps), "--out", str(given.out)]
    words += ["--config", str(ROOT / "tests/rigs/rig.yaml")]
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with franky_sim(own_host(), folder), rig_camera(folder, "/wayfarer"):
            done = subprocess.run([str(VENV / "bin" / "wayfarer"), *words], preexec_fn=hurry)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
