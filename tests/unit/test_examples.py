"""The scripts in examples/ do what they say."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fixtures.episodes import write_run
from fixtures.graph import wayfarer
from wayfarer_bags.bag import read_episode
from wayfarer_bags.run_directory import RunDirectory

EXAMPLES = Path(__file__).parents[2] / "examples"


def run(script: str, *words: object) -> str:
    command = [sys.executable, str(EXAMPLES / script), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300.0)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_example_is_tested_here() -> None:
    here = Path(__file__).read_text()
    scripts = [path.name for path in EXAMPLES.glob("*.py")]
    assert len(scripts) == 4
    assert all(f'"{name}"' in here for name in scripts)


def test_a_run_is_read(tmp_path: Path) -> None:
    write_run(tmp_path / "run", episodes=2, steps=12)
    said = run("read_run.py", tmp_path / "run")
    assert said.count("episode ") == 2
    assert "the hand moved by" in said


@pytest.mark.slow
def test_one_network_is_trained_on_two_runs_and_errs_less(tmp_path: Path) -> None:
    for name in "ab":
        write_run(tmp_path / name, episodes=2, steps=24)

    said = run("train_on_two_robots.py", tmp_path / "a", tmp_path / "b").splitlines()
    assert "of 2 runs" in said[0]
    errors = [float(line.split()[-2]) for line in said[1:]]
    assert len(errors) == 3
    assert errors[-1] < errors[0]


@pytest.mark.slow
def test_a_policy_of_ones_own_is_recorded_as_any_other(tmp_path: Path) -> None:
    run("own_policy.py", tmp_path / "run")
    episodes = [read_episode(file) for file in RunDirectory(tmp_path / "run").episodes().values()]
    assert [(one.info.method, one.steps) for one in episodes] == [("random", 10)] * 2
    for one in episodes:
        # a circle's steps are of one length
        assert np.linalg.norm(one.requested[:, :2], axis=1) == pytest.approx(0.5)
        assert not one.requested[:, 2].any()


@pytest.mark.slow
def test_a_policy_of_another_process_pushes_the_cube_where_it_shall_lie(tmp_path: Path) -> None:
    command = [sys.executable, str(EXAMPLES / "policy_server.py"), "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            words = [
                "--policy",
                f"external:{address}",
                "--task",
                "push",
                "--steps",
                "20",
                "--episodes",
                "2",
            ]
            done = wayfarer(
                "evaluate", *words, "--in-process", "--json", "--out", str(tmp_path / "run")
            )
        finally:
            server.terminate()

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["success_rate"] == 1.0
