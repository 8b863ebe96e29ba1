"""What recording costs: the real recorder node, fed by another process at a camera's rate.

    .venv/bin/python tests/benchmarks/data_recorder.py [--rate 30] [--seconds 600] [--json]

Fed are 84x84 observations, 640x480 raw images, poses, actions and executed records. CPU is the
recorder process's own, user and system, as a share of one core; losses are counted from the
finished bag.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from fixtures.feeding import Feeder, Pace
from fixtures.graph import COMMANDS_DOMAIN, VENV, peer
from wayfarer_bags.assembly import header_stamp
from wayfarer_bags.bag import messages, read_episode
from wayfarer_bags.message_types import base_types
from wayfarer_core import names

_TICKS = os.sysconf("SC_CLK_TCK")


def measure(seconds: float, rates: tuple[float, ...] = (10.0,)) -> dict[str, float]:
    """Record for some seconds at each rate [Hz]; return CPU shares and losses."""
    figures: dict[str, float] = {}
    domain = int(os.environ.setdefault("ROS_DOMAIN_ID", str(COMMANDS_DOMAIN)))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

    with tempfile.TemporaryDirectory() as name:
        for rate in rates:
            found = _record(Path(name) / f"run_{rate:g}", domain, rate, seconds)
            suffix = "" if rate == rates[0] == 10.0 else f"_{rate:g}hz"
            figures.update({f"{key}{suffix}": value for key, value in found.items()})

    return figures


def _record(run: Path, domain: int, rate: float, seconds: float) -> dict[str, float]:
    command = [str(VENV / "lib" / "wayfarer_replay" / "replay"), "--ros-args"]
    process = subprocess.Popen([*command, "-p", f"run:={run}", "-p", "camera_images:=true"])
    steps = round(rate * seconds)

    try:
        with peer(domain) as it:
            feeder = Feeder(it, camera=(480, 640), smooth=True)
            feeder.connect()
            assert feeder.begin(lambda: process.poll() is None)
            pace = Pace(rate)
            used, began = _cpu(process.pid), time.monotonic()

            for step in range(steps):
                feeder.step(step)
                pace.wait()

            share = (_cpu(process.pid) - used) / (time.monotonic() - began)
            fed = steps / (time.monotonic() - began)
            assert feeder.end(steps, lambda: process.poll() is None)
    finally:
        process.terminate()
        process.wait(30.0)

    episode = read_episode(run / "episode_000000.mcap", with_images=False)
    topic = f"/{names.CAMERA_IMAGE}"

    # the picture of the last moment may come when the file is closed already: the recorder waits
    # for the steps' parts
    pictures = messages(run / "episode_000000.mcap", base_types(), [topic])
    raw = sum(header_stamp(picture.cdr) < feeder.stamp for picture in pictures)

    return {
        "recorder_cpu": share,
        "recorder_fed_hz": fed,
        "recorder_lost_steps": float(episode.lost_steps),
        "recorder_lost_images": float(steps - raw),
    }


def _cpu(pid: int) -> float:
    """Return the CPU time a process has used [s]."""
    fields = (Path("/proc") / str(pid) / "stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def main() -> None:
    """Measure one rate; the long form is --rate 30 --seconds 600."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rate", type=float, default=30.0, help="steps per second")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    arguments = parser.parse_args()
    figures = {**measure(arguments.seconds, (arguments.rate,)), "load_average": os.getloadavg()[0]}

    for key, value in figures.items():
        print(f"{key:32} {value:12.3f}")

    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
