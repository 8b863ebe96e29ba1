"""The simulated Panda and real clients of Franka's protocol, each in a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.graph import VENV, wait_for
from fixtures.rigs import (
    CONSOLE_PORT,
    RIG_PYTHON,
    ROOT,
    console_of,
    ended,
    needs,
    own_host,
    panda_sim,
)
from panda_sim.protocol.codes import FCI_VERSION
from panda_sim.servers.console import ask
from wayfarer_cli.doctor import checks, machine

pytestmark = pytest.mark.slow
PATIENT = 300.0  # s, that a client may take on a busy machine


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    address = own_host(20)
    with panda_sim(address, tmp_path_factory.mktemp("panda"), options=console_of(address)):
        yield address


@pytest.fixture(autouse=True)
def at_home(host: str) -> Iterator[None]:
    yield
    ask((host, CONSOLE_PORT), "place")


def client(python: str | Path, name: str, *words: str) -> Any:
    """Run a client; return what it found."""
    command = [str(python), str(ROOT / "tests/rigs" / f"{name}.py"), *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENT)
    print(done.stderr)
    assert done.returncode == 0, done.stdout

    return json.loads(done.stdout)


def test_libfranka_homes_tracks_and_reconnects_without_a_lost_answer(host: str) -> None:
    found = client(sys.executable, "panda_py_client", host, "tour", "--targets", "6")
    assert found["reads"] == 100
    assert set(found["answers_lost"].values()) == {0}
    assert max(found["end_error_mm"].values()) < 15.0
    assert "cartesian_reflex" in found["reflex"] or "joint_reflex" in found["reflex"]
    assert found["home_error_rad"] < 0.01


def test_libfranka_drives_every_generator_with_every_controller_within_its_limits(
    host: str,
) -> None:
    found = client(sys.executable, "panda_py_client", host, "generators")
    assert found.pop("answers_lost") == 0
    assert len(found) == 9
    stiff = {name: worst for name, worst in found.items() if "kJointImpedance" in name}
    assert max(stiff.values()) < 0.002
    assert max(found.values()) < 0.05


def test_libfranka_says_what_is_wrong_in_its_own_words(host: str) -> None:
    said = client(sys.executable, "panda_py_client", host, "words")
    expected = {
        "load": 'Set Load command rejected: command not possible in the current mode ("Move")!',
        "reflex": 'aborted by reflex! ["joint_velocity_violation"]',
        "move in reflex": 'command not possible in the current mode ("Reflex")!',
        "user stop": "Move command aborted: User Stop pressed!",
        "recovery in user stop": 'command not possible in the current mode ("User stopped")!',
        "stopped": "Move command preempted!",
        "deaf": '["communication_constraints_violation"]',
        "bad impedance": "Set Joint Impedance command rejected: invalid argument!",
        "after all": "IDLE",
    }
    # the reset meets libfranka while it waits for an answer, or while it still sends
    resets = ("TCP connection got interrupted.", "TCP send bytes: Connection reset by peer")
    second_client = said.pop("second client")
    assert any(words in second_client for words in resets), second_client
    assert set(said) == set(expected)

    for what, words in expected.items():
        assert words in said[what], what


def test_a_client_that_shares_no_code_with_libfranka_drives_arm_and_hand(host: str) -> None:
    needs(RIG_PYTHON)
    found = client(RIG_PYTHON, "franka_rs_client", host)
    assert found["fci_version"] == 5
    assert found["pose_difference"] < 1e-6
    assert max(found["cartesian_mm"].values()) < 3.0
    assert max(found["joints_rad"].values()) < 0.03
    assert found["hand"] == [True, True, False], "there is nothing to grasp"

    # It has a model of the FER of its own: the simulated arm weighs about the same.
    np.testing.assert_allclose(found["gravity"], found["tau_J"], atol=0.25)


def test_nonsense_is_refused_and_the_next_client_served(host: str) -> None:
    """The whole of it: tests/rigs/panda_fuzz.py HOST --messages 10000."""
    found = client(sys.executable, "panda_fuzz", host, "--messages", "300")
    assert found["failure"] == ""
    assert sum(found["sent"].values()) >= 300


def test_wayfarer_doctor_reads_its_server_version_and_knows_the_wheel(host: str) -> None:
    assert machine.reach_robot(host) == ("", FCI_VERSION)
    assert checks.SPEAKS["panda-python"] == FCI_VERSION


def test_it_does_not_run_in_circles_when_nobody_is_there(tmp_path: Path) -> None:
    """It sleeps once in a cycle of a millisecond, less often where it catches up."""
    with panda_sim(own_host(21), tmp_path) as process:
        before, began = sleeps(process.pid), time.monotonic()
        wait_for(lambda: time.monotonic() - began > 2.0, "two seconds")
        slept = sleeps(process.pid) - before
        assert 100 < slept / (time.monotonic() - began) < 1100


def sleeps(pid: int) -> int:
    """How often a process has given the processor away by itself."""
    told = Path(f"/proc/{pid}/status").read_text()

    return int(told.partition("\nvoluntary_ctxt_switches:")[2].split()[0])


def processor_time(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_it_starts_in_three_seconds_and_may_neither_hurry_nor_do_anything_as_root(
    tmp_path: Path,
) -> None:
    """The seconds are the processor's: the machine may be busy."""
    host, ready = own_host(22), tmp_path / "state"
    rights = ["setpriv", "--bounding-set", "-all"] if os.getuid() == 0 else []
    command = [*rights, str(VENV / "bin/panda-sim"), "--host", host, "--draw", str(tmp_path)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    with ended(process):
        wait_for(lambda: ready.exists() or process.poll() is not None, "it to listen")
        assert process.poll() is None, process.communicate()[0]
        assert os.sched_getscheduler(process.pid) == os.SCHED_OTHER
        assert processor_time(process.pid) < 3.0
