"""What ends a Panda's motion, from libfranka 0.9.2 to robot/robot_state.

Its kind, and the arm's words.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures import arm_faults as faults
from fixtures.graph import Peer, peer, wait_for
from fixtures.rigs import (
    CONSOLE_PORT,
    SimulatedArm,
    console_of,
    franka_bridge,
    in_a_hurry,
    own_host,
    panda_sim,
)
from franka_msgs.msg import FrankaRobotState
from panda_sim.servers.console import ask
from rcl_interfaces.msg import Log
from wayfarer_common import contract
from wayfarer_core.fault import FaultKind

pytestmark = pytest.mark.slow
HOST = own_host()
TOLD = SimulatedArm(
    lambda host, folder, before: panda_sim(host, folder, before, options=console_of(host)),
    "panda_py",
)


def tell(line: str) -> Any:
    return ask((HOST, CONSOLE_PORT), line)


def let_go() -> None:
    """End whatever a test, also one that failed, did to the arm and leaves as it is."""
    for line in ("user_stop off", "guide off", "mute 0"):
        tell(line)


class Heard(faults.Rig):
    """A rig that hears what the bridge logs."""

    def __init__(self, me: Peer, *rest: Any, **named: Any) -> None:
        super().__init__(me, *rest, **named)
        self.said: list[str] = []
        me.node.create_subscription(Log, "/rosout", lambda log: self.said.append(log.msg), 100)


@pytest.fixture(scope="module")
def rig(module_domain: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Heard]:
    """The bridge counts a tenth of a second without a state as a disturbance, as on a robot."""
    folder, told = tmp_path_factory.mktemp("panda"), {"driver": TOLD.driver, "stale": 0.1}
    with in_a_hurry(), peer(module_domain) as me, franka_bridge(HOST, **told) as bridge:
        rig = Heard(me, folder, bridge, arm=TOLD)
        try:
            rig.start_server()
            wait_for(lambda: me.last(contract.CURRENT_POSE), "the first pose")
            wait_for(lambda: rig.commands.get_subscription_count() == 1, "the bridge to listen")
            yield rig
        finally:
            rig.close()


@pytest.fixture
def moving(rig: Heard) -> Heard:
    """An arm that is well, at home, and follows targets."""
    let_go()
    if not rig.healthy():
        rig.recover_and_move()

    rig.home()
    rig.send(rig.position + np.array([0.0, 0.05, 0.0]))
    wait_for(lambda: tell("state")["commanded"], "the arm to be commanded", 20.0)

    return rig


KINDS = {
    "push 0 0 200 0.05": (FaultKind.REFLEX, "cartesian_reflex"),
    "fault joint_position_limits_violation": (
        FaultKind.JOINT_LIMIT,
        "joint_position_limits_violation",
    ),
    "deaf 60": (FaultKind.COMMUNICATION, "communication_constraints_violation"),
    "user_stop on": (FaultKind.USER_STOP, "User Stop pressed"),
    "guide on": (FaultKind.USER_STOP, "command aborted"),
    "hang_up": (FaultKind.CONNECTION, "no new state of the robot"),
    "reset_connection": (FaultKind.CONNECTION, "no new state of the robot"),
    "mute 60000": (FaultKind.CONNECTION, "no new state of the robot"),
}


@pytest.mark.parametrize("line", KINDS)
def test_a_fault_is_told_with_its_kind_and_the_arms_words_and_one_recovery_suffices(
    moving: Heard, line: str
) -> None:
    kind, words = KINDS[line]
    moving.said.clear()
    tell(line)
    moving.wait_fault(kind)
    wait_for(
        lambda: any(words in said for said in moving.said), f"{words!r} in the bridge's log", 20.0
    )
    faults.stands_still_while_faulted(moving)
    assert moving.kind is kind, "the fault was told as another one later"
    let_go()
    wait_for(lambda: recovered(moving, kind), "the recovery", 60.0)
    taken, refused = moving.counted("targets"), moving.counted("refused targets")
    target = moving.position + np.array([0.0, 0.04, 0.0])
    moving.send(target)
    wait_for(
        lambda: np.linalg.norm(moving.position - target) < 0.02, "the arm to follow again", 20.0
    )
    moving.wait_report()
    assert moving.counted("targets") > taken
    assert moving.counted("refused targets") == refused, "a target was refused after the recovery"


def recovered(rig: Heard, kind: FaultKind) -> bool:
    """Recover, once where the arm is there; a lost one is asked for until it is back."""
    reached = rig.recover() and rig.is_well()
    assert reached or kind is FaultKind.CONNECTION, "one recovery did not suffice"
    return reached


def test_a_reflex_keeps_its_cause_after_recovery(moving: Heard) -> None:
    tell("fault joint_velocity_violation")
    moving.wait_fault(FaultKind.JOINT_LIMIT)
    assert moving.state.robot_mode == FrankaRobotState.ROBOT_MODE_REFLEX
    assert moving.recover()
    wait_for(moving.healthy, "a healthy robot_state", 20.0)
    assert moving.state.last_motion_errors.joint_velocity_violation


def test_a_box_that_is_switched_off_and_on_again_is_found_again(moving: Heard) -> None:
    faults.killed(moving)


def test_nobody_outlives_a_bridge_that_is_killed(domain: int, tmp_path: Path) -> None:
    host = own_host(25)
    with (
        peer(domain) as me,
        panda_sim(host, tmp_path),
        franka_bridge(host, driver="panda_py") as bridge,
    ):
        me.listen(contract.CURRENT_POSE)
        wait_for(lambda: me.last(contract.CURRENT_POSE), "the first pose")
        tasks = Path(f"/proc/{bridge.pid}/task").glob("*/children")
        children = [pid for task in tasks for pid in task.read_text().split()]
        assert len(children) == 1
        bridge.kill()
        wait_for(
            lambda: not Path(f"/proc/{children[0]}").exists(), "the arm's process to end", 20.0
        )
