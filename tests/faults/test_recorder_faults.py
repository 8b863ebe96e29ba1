"""The recorder, killed at random moments and out of space.

What it has closed can be trusted, the rest recovered.

As a command it kills as often as it is told to:

    .venv/bin/python tests/faults/test_recorder_faults.py --kills 50
"""

import argparse
import json
import os
import random
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1]))
from fixtures.feeding import Feeder, Pace
from fixtures.graph import COMMANDS_DOMAIN, VENV, peer, wait_for
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_data.upkeep.recover import recover
from wayfarer_data.upkeep.verify import GOOD, Verdict, verify

pytestmark = pytest.mark.slow

RATE = 100.0  # Hz of steps: several chunks in every episode
STEPS = 40


def recorder(run: Path) -> subprocess.Popen[str]:
    command = [str(VENV / "lib" / "wayfarer_replay" / "replay"), "--ros-args", "-p", f"run:={run}"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def feed_until_it_ends(process: subprocess.Popen[str], feeder: Feeder) -> None:
    """Record one episode after the other until the recorder is gone."""

    def alive() -> bool:
        return process.poll() is None

    pace = Pace(RATE)
    while alive() and feeder.begin(alive):
        for step in range(STEPS):
            feeder.step(step)
            pace.wait()

        feeder.end(STEPS, alive)


def damage_of_closed(verdict: Verdict) -> list[str]:
    return [
        f"{f.file}: {f.what}" for f in verdict.findings if f.damage and not f.file.endswith(".part")
    ]


def kill_at_random(domain: int, run: Path, kills: int, rng: random.Random) -> dict[str, int]:
    """Kill a recorder as often as told, each time at another moment; return what is left.

    Fails on any damage.
    """
    torn = 0
    for _ in range(kills):
        process = recorder(run)
        with peer(domain) as it:  # a new one: the last one takes the dead recorder for alive
            feeder = Feeder(it)
            feeder.connect()
            timer = threading.Timer(rng.uniform(0.0, 2.0), process.kill)
            timer.start()
            feed_until_it_ends(process, feeder)
            timer.join()

        output, _ = process.communicate(timeout=10.0)
        assert process.returncode == -signal.SIGKILL, output
        now = len(RunDirectory(run).torn())
        assert now <= torn + 1, "a kill may tear the open episode only"
        torn = now

        if RunDirectory(run).episodes():
            assert damage_of_closed(verify(run)) == []

    return {"kills": kills, "closed": len(RunDirectory(run).episodes()), "torn": torn}


def check_recovery(run: Path, out: Path) -> int:
    """Recover the run; return how many torn episodes came back."""
    outcome = recover(run, out)
    assert verify(out).code == GOOD
    assert all(
        "first chunk is lost" in lost.why or "is empty" in lost.why for lost in outcome.failed
    )

    return len(outcome.recovered)


def test_killed_at_random_it_tears_at_most_the_open_episode(domain: int, tmp_path: Path) -> None:
    run = tmp_path / "run"
    left = kill_at_random(domain, run, 5, random.Random(3))
    assert left["closed"] > 0
    check_recovery(run, tmp_path / "out")


def test_a_disk_that_is_full_ends_it_by_name_and_what_is_closed_stays_good(
    domain: int, tmp_path: Path
) -> None:
    run = tmp_path / "run"

    with peer(domain) as it:
        process = recorder(run)
        feeder = Feeder(it)
        feeder.connect()

        # as a disk that is nearly full
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (500_000, 500_000))
        alive = lambda: process.poll() is None  # noqa: E731
        assert feeder.begin(alive)

        for step in range(10):
            feeder.step(step)

        assert feeder.end(10, alive)  # small enough
        assert feeder.begin(alive)
        pace = Pace(RATE)

        for step in range(100):  # about two megabytes
            feeder.step(step)
            pace.wait()

        wait_for(lambda: not alive(), "the recorder to give up")
        output, _ = process.communicate(timeout=10.0)

    assert process.returncode == 1
    assert f"cannot write {run}/episode_000001.mcap.part: File too large" in output
    assert list(RunDirectory(run).episodes()) == [0]
    assert damage_of_closed(verify(run)) == []
    assert check_recovery(run, tmp_path / "out") == 1


def main() -> None:
    """Kill as often as told and print what is left."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    domain = int(os.environ.setdefault("ROS_DOMAIN_ID", str(COMMANDS_DOMAIN)))
    os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        left = kill_at_random(domain, run, arguments.kills, random.Random(arguments.seed))
        left["recovered"] = check_recovery(run, Path(folder) / "out")

    print(json.dumps(left))


if __name__ == "__main__":
    main()
