"""`wayfarer launch` with its nodes: what it says where nobody watches."""

import re
import subprocess
import sys
from pathlib import Path

DEADLINE = 300.0  # s


def test_a_launch_says_where_its_run_is_how_far_and_what_to_open(
    domain: int, tmp_path: Path
) -> None:
    command = [
        Path(sys.prefix) / "bin/wayfarer",
        "launch",
        "sim.launch.xml",
        "run:=mine",
        "episodes:=2",
        "steps:=100",  # long enough for its listener to be connected
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=DEADLINE)
    assert done.returncode == 0, done.stderr
    ours = [line for line in done.stderr.splitlines() if not line.startswith("[")]
    assert ours[0] == f"run {tmp_path}/mine holds 0 of 2 episodes"
    assert ours[1] == "to see more: wayfarer bag info mine | tensorboard --logdir mine"
    assert any(re.match(r"[12] of 2 episodes, ", line) for line in ours), ours
    assert ours[-1] == f"run {tmp_path}/mine holds 2 of 2 episodes"
    assert "remap rule" not in done.stderr, "the launch's words are none for the node that listens"
