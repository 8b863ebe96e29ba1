"""Faults injected between a real libfranka client, our bridge, and simulated arms that speak
Franka's protocol.
"""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fixtures import arm_faults as faults
from fixtures import node_faults
from fixtures.graph import VENV, nodes_of, peer, wait_for
from fixtures.rigs import (
    ARMS,
    config_of,
    franka_bridge,
    franka_sim,
    franky_sim,
    own_host,
    rig_camera,
)
from franka_msgs.msg import FrankaRobotState
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import End
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_common import contract
from wayfarer_common.conversions import active_errors
from wayfarer_control.faults import judge
from wayfarer_core import names
from wayfarer_core.fault import FaultKind
from wayfarer_msgs.msg import Fault
from wayfarer_msgs.srv import Reset

pytestmark = pytest.mark.slow


def test_a_clock_that_jumps_holds_the_arm_and_moves_nothing_by_what_is_from_another_time(
    domain: int,
) -> None:
    with node_faults.clocked(domain) as rig:
        node_faults.jumping_clock(rig)


def test_a_bridge_whose_arm_does_not_answer_ends_on_a_signal_all_the_same(
    domain: int, tmp_path: Path
) -> None:
    """Which node_process sees to: it fails where a node does not end within 10 s of SIGTERM."""
    host = own_host(2)
    with peer(domain) as me, franky_sim(host, tmp_path) as server, franka_bridge(host):
        me.listen(contract.CURRENT_POSE)
        wait_for(lambda: me.last(contract.CURRENT_POSE), "the first pose")
        server.send_signal(signal.SIGSTOP)


@pytest.mark.parametrize("robot", ARMS)
def test_a_missing_real_time_kernel_is_named(domain: int, tmp_path: Path, robot: str) -> None:
    flag = Path("/sys/kernel/realtime")
    if flag.exists() and flag.read_text().strip() == "1":
        pytest.skip("NOT TESTED: this machine has a real-time kernel")

    host, arm = own_host(3), ARMS[robot]
    with (
        arm.start(host, tmp_path, ()),
        franka_bridge(host, driver=arm.driver, realtime="enforce") as process,
    ):
        output, _ = process.communicate(timeout=60.0)

    assert process.returncode == 1
    assert "realtime:=ignore is for simulators only" in output


def test_a_reflex_is_told_and_only_recovery_clears_it(domain: int, tmp_path: Path) -> None:
    """franka-sim aborts what breaks the arm's limits.

    A stiff spring that jumps breaks its joint velocities.
    """
    host = own_host(4)
    with peer(domain) as me, franka_sim(host, tmp_path):
        stiff = {"stiffness": 3000.0, "error_clip": 0.3, "quickness": 50.0, "top_speed": 1.0}
        stiff["workspace_max"] = [0.5, 0.3, 0.5]  # m
        with franka_bridge(host, **stiff) as bridge:
            arm = faults.Rig(me, tmp_path, bridge)
            wait_for(lambda: me.last(contract.CURRENT_POSE), "the first pose")
            wait_for(arm.healthy, "a healthy robot_state")
            heard = me.heard[contract.ROBOT_STATE.name]
            began = len(heard)
            arm.send(np.array([0.5, 0.3, 0.5]))
            wait_for(lambda: not arm.healthy(), "the fault on robot_state", 20.0)
            faults.stands_still_while_faulted(arm)
            assert arm.state.robot_mode == FrankaRobotState.ROBOT_MODE_REFLEX
            assert active_errors(arm.state.last_motion_errors), "the reflex's cause"
            told = {
                judge(s.robot_mode, active_errors(s.current_errors)).kind for s in heard[began:]
            }
            assert told <= {FaultKind.NONE, FaultKind.REFLEX, FaultKind.JOINT_LIMIT}, (
                "a reflex was told as another fault"
            )
            assert len(told) > 1
            assert arm.recover()
            wait_for(arm.healthy, "a healthy robot_state", 20.0)


def test_an_operators_stop_halts_an_arm_on_its_way_home(domain: int, tmp_path: Path) -> None:
    host = own_host(6)
    with (
        peer(domain) as me,
        franky_sim(host, tmp_path),
        franka_bridge(host, home_speed=0.02) as bridge,
    ):
        arm = faults.Rig(me, tmp_path, bridge)
        control = me.publisher(contract.CONTROL_FAULT)
        wait_for(lambda: me.last(contract.CURRENT_POSE), "the first pose")
        wait_for(lambda: control.get_subscription_count() == 1, "the bridge to listen to control")
        home = arm.position
        away = home + [0.0, 0.2, 0.0]
        arm.send(away)
        wait_for(lambda: np.linalg.norm(arm.rest() - away) < 0.02, "the arm to be away", 20.0)
        client = me.node.create_client(Reset, names.RESET)
        wait_for(client.service_is_ready, "the reset")
        answer = client.call_async(Reset.Request(seed=0))
        wait_for(lambda: np.linalg.norm(arm.position - home) < 0.17, "the way home to begin", 20.0)
        control.publish(
            Fault(kind=Fault.OPERATOR, needs_operator=True, text="stopped by the operator")
        )
        wait_for(answer.done, "the reset to be given up", 20.0)
        assert not answer.result().success
        stopped = arm.rest()
        assert np.linalg.norm(stopped - home) > 0.05, "the arm drove home"
        response = me.call(Reset, names.RESET, Reset.Request(seed=0))
        assert "stopped by the operator" in response.message
        assert arm.is_well(), "an operator's stop was told as a fault of the arm"
        assert np.linalg.norm(arm.rest() - stopped) < faults.MOVED
        control.publish(Fault())
        arm.home()


def test_a_collection_outlives_the_death_of_its_robot(domain: int, tmp_path: Path) -> None:
    """What `make rig` does, with the server killed in the second episode and started again.

    A busy machine disturbs the connection as well: as many recoveries as that takes are allowed.
    """
    host, run, folder = own_host(5), tmp_path / "run", tmp_path / "rig"
    folder.mkdir()
    config = config_of(
        ARMS["fr3"], tmp_path, control={"recovery_attempts": 100}, franka_bridge={"stale": 3.0}
    )
    words = [
        "collect",
        "--target",
        "hardware",
        "--robot-ip",
        host,
        "--method",
        "random",
        "--episodes",
        "2",
    ]
    words += ["--steps", "20", "--out", str(run), "--config", str(config)]
    log = (tmp_path / "log").open("w+")

    with franky_sim(host, folder) as server, rig_camera(folder, "/wayfarer"):
        collecting = subprocess.Popen(
            [str(VENV / "bin" / "wayfarer"), *words], stdout=log, stderr=subprocess.STDOUT
        )
        try:
            wait_for(
                lambda: open_beside_another(run) or collecting.poll() is not None,
                "an episode",
                300.0,
            )
            died_in = open_beside_another(run)
            server.kill()
            server.wait()

            with franky_sim(host, folder):
                code = collecting.wait(timeout=600.0)
        finally:
            collecting.terminate()
            collecting.wait(timeout=60.0)
            log.seek(0)
            print(log.read())

    assert code == 0
    assert nodes_of() == {}
    episodes = {number: read_episode(path) for number, path in RunDirectory(run).episodes().items()}
    aborted = [number for number, episode in episodes.items() if episode.info.end == End.ABORTED]
    assert len(episodes) - len(aborted) == 2
    assert died_in in aborted, "the episode in which the robot died was not ended as aborted"
    assert episodes[died_in].info.fault in (FaultKind.CONNECTION, FaultKind.COMMUNICATION)


def open_beside_another(run: Path) -> int | None:
    """Return the number of an episode that is being recorded, some way into it, while the run has
    another.
    """
    if not (run / "metadata.yaml").exists() or not RunDirectory(run).episodes():
        return None
    torn = RunDirectory(run).torn()
    return next((number for number, path in torn.items() if path.stat().st_size > 20_000), None)


# The module's own rig comes last: two arms of 1 kHz at once are too much for two cores.


@pytest.fixture(scope="module")
def rig(module_domain: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[faults.Rig]:
    with faults.running_rig(module_domain, tmp_path_factory.mktemp("rig")) as running:
        yield running


@pytest.mark.parametrize("name", faults.FAULTS)
def test_a_fault_is_told_stops_every_command_and_is_gone_after_recovery(
    rig: faults.Rig, name: str
) -> None:
    if name == faults.NEEDS_CABLE and rig.cable is None:
        pytest.skip("NOT TESTED: pulling a cable needs the right to make network namespaces")
    faults.inject(rig, name)
