"""Faults in a run that learns.

The run ends by name, nothing recorded is lost, and the same command continues it.
"""

import os
import signal
import subprocess
from pathlib import Path

import pytest
from fixtures.configs import write_config
from fixtures.graph import VENV, nodes_of, wait_for, wayfarer
from wayfarer_bags.bag import read_episode
from wayfarer_bags.run_directory import RunDirectory

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", ["learner", "novelty"])
def test_a_killed_learner_or_novelty_ends_the_run_and_the_same_command_continues_it(
    domain: int, tmp_path: Path, name: str
) -> None:
    run = tmp_path / "run"
    config = write_config(
        tmp_path / "config.yaml", actor={"random_steps": 15}, collector={"episodes_per_cycle": 2}
    )
    words = ["collect", "--method", "goal", "--episodes", "4", "--steps", "10", "--out", str(run)]
    words += ["--config", str(config)]
    command = [str(VENV / "bin" / "wayfarer"), *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    wait_for(
        lambda: len(list(run.glob("*.mcap"))) >= 1 or process.poll() is not None,
        "an episode",
        180.0,
    )
    os.kill(nodes_of()[f"wayfarer_{name}"], signal.SIGKILL)
    output, _ = process.communicate(timeout=60.0)
    assert process.returncode == 1
    assert f"{name} was killed by SIGKILL" in output
    before = RunDirectory(run).episodes()
    assert all(read_episode(path).lost_steps <= 1 for path in before.values())
    done = wayfarer(*words, timeout=300.0)
    assert done.returncode == 0, done.stderr
    episodes = [read_episode(path) for path in RunDirectory(run).episodes().values()]
    finished = [e for e in episodes if e.info.end == 2]
    assert len(finished) == 4
    assert [bool(e.info.goal) for e in finished] == [False, True, True, True]
    assert (run / "checkpoints" / "novelty.safetensors").exists()
