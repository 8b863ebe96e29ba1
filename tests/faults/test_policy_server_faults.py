"""A policy server that dies in the middle of an episode, with the whole stack on the wall clock
around it.
"""

import subprocess
from pathlib import Path

import numpy as np
import pytest
from fixtures.graph import VENV, nodes_of, peer, wait_for
from fixtures.policy_servers import policy_server
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import End
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_common import contract
from wayfarer_core.fault import FaultKind
from wayfarer_core.reason import Reason

pytestmark = pytest.mark.slow

STEPS = 12


def test_a_dead_server_ends_the_episode_typed_the_arm_holds_and_the_next_episode_asks_the_new_one(
    domain: int, tmp_path: Path
) -> None:
    with policy_server() as server, peer(domain, "/wayfarer") as me:
        me.listen(contract.COLLECTOR_STATUS, contract.EXECUTED)
        words = [
            f"run:={tmp_path / 'run'}",
            "method:=external",
            f"policy_address:={server.address}",
        ]
        command = [
            str(VENV / "bin" / "wayfarer"),
            "launch",
            "sim.launch.xml",
            *words,
            "lockstep:=false",
        ]
        command += ["episodes:=1", f"steps:={STEPS}"]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

        try:
            executed = me.heard[contract.EXECUTED.name]
            wait_for(
                lambda: sum(m.commanded for m in executed) >= 3,
                "three actions to be carried out",
                120.0,
            )
            server.kill()
            before = len(executed)
            wait_for(
                lambda: any(m.reasons & Reason.SILENT for m in executed[before:]),
                "control to hold the arm",
            )

            with policy_server(port=int(server.address.split(":")[1])):
                output, _ = process.communicate(timeout=180.0)
        finally:
            if process.poll() is None:
                process.kill()
                process.communicate()

    assert process.returncode == 0, output
    assert f"policy server {server.address}: the connection" in output
    assert nodes_of() == {}
    held = [m for m in executed[before:] if m.reasons & Reason.SILENT]
    assert all(m.commanded and not np.any(m.executed) for m in held)
    first, *others = [
        read_episode(path) for path in RunDirectory(tmp_path / "run").episodes().values()
    ]
    assert (first.info.end, first.info.fault) == (End.ABORTED, FaultKind.POLICY)
    assert server.address in first.info.reason
    assert 3 <= first.steps < STEPS

    # while nobody was there
    assert [e.info.fault for e in others[:-1]] == [FaultKind.POLICY] * (len(others) - 1)
    assert (others[-1].info.end, others[-1].steps) == (End.TRUNCATED, STEPS)
