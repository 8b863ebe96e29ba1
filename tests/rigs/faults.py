"""Faults injected between a libfranka client, our bridge, and franky-sim; and a command that injects them in number.

    .venv/bin/python tests/rigs/faults.py --count 30 --json

Every fault must be told on robot/robot_state, stop every command until ErrorRecovery is asked for, leave the bridge
answering, and be gone after recovery.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from fixtures.graph import Peer, peer, wait_for
from fixtures.rigs import Cable, franka_bridge, franky_sim, in_a_hurry, may_make_namespaces, own_host
from franka_msgs.action import ErrorRecovery
from franka_msgs.msg import FrankaRobotState
from geometry_msgs.msg import PoseStamped
from rclpy.action import ActionClient
from wayfarer_common import contract, names
from wayfarer_common.conversions import active_errors, position_of, set_pose, to_nanoseconds
from wayfarer_msgs.srv import Reset

DOWN = np.array([1.0, 0.0, 0.0, 0.0])
MOVED = 0.01  # m; more than an arm that holds may wander
FRESH = 0.2  # s
HEALTHY = (FrankaRobotState.ROBOT_MODE_IDLE, FrankaRobotState.ROBOT_MODE_MOVE)


class Rig:
    """A server that can be killed, frozen and restarted, the bridge, and the test's end of its topics."""

    def __init__(self, me: Peer, folder: Path, bridge: subprocess.Popen[str], cable: Cable | None = None) -> None:
        self.peer, self.bridge, self.cable, self._folder = me, bridge, cable, folder
        self._server = ExitStack()
        self.server: subprocess.Popen[str] | None = None
        me.listen(contract.CURRENT_POSE, contract.ROBOT_STATE)
        self.commands = me.publisher(contract.TARGET_POSE)
        self._recovery: Any = ActionClient(me.node, ErrorRecovery, names.ERROR_RECOVERY)

    def start_server(self) -> None:
        where = (self.cable.host, self._folder, self.cable.inside) if self.cable else (own_host(), self._folder)
        self.server = self._server.enter_context(franky_sim(*where))

    def close(self) -> None:
        self._server.close()

    @property
    def state(self) -> FrankaRobotState:
        return self.peer.last(contract.ROBOT_STATE)

    @property
    def position(self) -> np.ndarray:
        return position_of(self.peer.last(contract.CURRENT_POSE).pose)

    def healthy(self) -> bool:
        state = self.state
        return state is not None and state.robot_mode in HEALTHY and not active_errors(state.current_errors)

    def wait_fault(self) -> None:
        wait_for(lambda: not self.healthy(), "the fault on robot_state", 20.0)

    def counted(self, key: str) -> int:
        status = self.peer.health.get("franka_bridge")
        return sum(int(v.value.split()[0]) for v in status.values if v.key == key) if status else 0

    def catch_up(self) -> None:
        """Wait until what is heard is what is: the newest pose is fresh, or no more come."""
        heard, tick = self.peer.heard[contract.CURRENT_POSE.name], threading.Event()
        count = -1
        while count != len(heard) and time.time() - 1e-9 * to_nanoseconds(heard[-1].header.stamp) > FRESH:
            count = len(heard)
            tick.wait(0.5)

    def wait_report(self) -> None:
        """Wait for diagnostics that were written after all that was sent before."""
        for _ in range(2):
            before = self.peer.health.get("franka_bridge")
            wait_for(lambda before=before: self.peer.health.get("franka_bridge") is not before, "diagnostics", 20.0)

    def send(self, target: np.ndarray, publisher: Any = None) -> None:
        message = PoseStamped()
        message.header.frame_id = names.BASE_FRAME
        set_pose(message.pose, target, DOWN)
        (publisher or self.commands).publish(message)

    def refuses(self, target: np.ndarray, publisher: Any = None) -> None:
        """Send a target that must be refused, and see it counted as such."""
        before = self.counted("refused targets")
        self.send(target, publisher)
        wait_for(lambda: self.counted("refused targets") > before, "the refusal", 20.0)

    def home(self) -> None:
        response = self.peer.call(Reset, names.RESET, Reset.Request(seed=0))
        assert response.success, response.message

    def recover(self) -> bool:
        """Ask for recovery; say whether the arm was reached, which does not mean that it is well."""
        wait_for(self._recovery.server_is_ready, "the recovery action")
        goal = self._recovery.send_goal_async(ErrorRecovery.Goal())
        wait_for(goal.done, "the recovery to begin")
        result = goal.result().get_result_async()
        wait_for(result.done, "the recovery to end")
        return bool(result.result().status == 4)  # action_msgs/GoalStatus STATUS_SUCCEEDED

    def is_well(self) -> bool:
        """Say what robot_state, which comes five times a second or more, says next but one."""
        heard = self.peer.heard[contract.ROBOT_STATE.name]
        count = len(heard)
        wait_for(lambda: len(heard) > count + 1, "robot_state", 20.0)
        return self.healthy()

    def recover_and_move(self) -> None:
        """Recover as often as it takes while the server comes back, then prove that the arm moves."""
        wait_for(lambda: self.recover() and self.is_well(), "a recovery that succeeds", 40.0)
        self.home()
        target = self.position + [0.0, 0.06, 0.0]
        self.send(target)
        wait_for(lambda: np.linalg.norm(self.position - target) < 0.02, "the arm to follow again", 20.0)

    def move_about(self, until: Callable[[], bool]) -> None:
        """Send good targets, as a policy that does not know of the fault would."""
        tick = threading.Event()
        target = np.array([0.48, 0.0, 0.09])
        while not until():
            target[1] = -0.1 if target[1] >= 0.0 else 0.1
            self.send(target)
            tick.wait(0.1)


def stands_still_while_faulted(rig: Rig, seconds: float = 1.0) -> None:
    """Send good targets for a while; the fault must stay, and the arm where it is."""
    rig.catch_up()
    rig.wait_report()
    taken, before = rig.counted("targets"), rig.position
    end = time.monotonic() + seconds
    rig.move_about(lambda: time.monotonic() > end)
    assert not rig.healthy(), "the fault was cleared without anybody asking"
    rig.wait_report()
    assert rig.counted("refused targets") > 0
    assert rig.counted("targets") == taken, "a target was taken while faulted"
    moved = float(np.linalg.norm(rig.position - before))
    assert moved < MOVED, f"the arm moved by {moved:.3f} m while faulted"


def killed(rig: Rig) -> None:
    assert rig.server is not None
    rig.server.kill()
    rig.wait_fault()
    stands_still_while_faulted(rig)
    assert not rig.recover(), "recovered an arm that is not there"
    rig.start_server()
    rig.recover_and_move()


def frozen(seconds: float) -> Callable[[Rig], None]:
    def fault(rig: Rig) -> None:
        assert rig.server is not None
        rig.server.send_signal(signal.SIGSTOP)
        thaw = threading.Timer(seconds, rig.server.send_signal, (signal.SIGCONT,))
        thaw.start()
        rig.wait_fault()
        thaw.join()
        stands_still_while_faulted(rig)
        rig.recover_and_move()

    return fault


def not_finite(rig: Rig) -> None:
    before = rig.position
    rig.refuses(np.array([np.nan, 0.0, 0.3]))
    assert np.linalg.norm(rig.position - before) < MOVED, "the arm moved"


def unreachable(rig: Rig) -> None:
    before = rig.position
    for target in ([1.5, 0.0, 0.1], [0.5, 0.0, 1.4], [0.05, 0.0, 0.2]):
        rig.refuses(np.array(target))
    assert np.linalg.norm(rig.position - before) < MOVED, "the arm moved"


def second_publisher(rig: Rig) -> None:
    before = rig.position
    second = rig.peer.publisher(contract.TARGET_POSE)
    try:
        wait_for(lambda: second.get_subscription_count() == 1, "the second publisher to be connected")
        wait_for(lambda: rig.peer.node.count_publishers(contract.TARGET_POSE.name) == 2, "both to be visible")
        rig.refuses(before + [0.0, 0.1, 0.0], second)
        rig.refuses(before + [0.0, 0.1, 0.0])
    finally:
        rig.peer.node.destroy_publisher(second)
    wait_for(lambda: rig.peer.node.count_publishers(contract.TARGET_POSE.name) == 1, "the second one to be gone")
    assert np.linalg.norm(rig.position - before) < MOVED, "the arm moved"


def pulled_cable(rig: Rig) -> None:
    """Lose every packet, both ways, for two seconds."""
    assert rig.cable is not None, "NOT TESTED: pulling a cable needs the right to make network namespaces"
    rig.cable.pull()
    try:
        rig.wait_fault()
        end = time.monotonic() + 2.0
        rig.move_about(lambda: time.monotonic() > end)
    finally:
        rig.cable.plug()
    stands_still_while_faulted(rig)
    rig.recover_and_move()


FAULTS: dict[str, Callable[[Rig], None]] = {
    "server killed": killed,
    "server frozen for 0.2 s": frozen(0.2),
    "server frozen for 3 s": frozen(3.0),
    "target not finite": not_finite,
    "target unreachable": unreachable,
    "second publisher": second_publisher,
    "cable pulled": pulled_cable,
}


@contextmanager
def running_rig(domain: int, folder: Path) -> Iterator[Rig]:
    """Run server and bridge; the arm stands at home. The bridge notices 0.1 s without a state."""
    cable = Cable() if may_make_namespaces() else None
    host = cable.host if cable else own_host()
    with ExitStack() as rest, in_a_hurry(), peer(domain) as me, franka_bridge(host, stale=0.1) as bridge:
        if cable:
            rest.callback(cable.remove)
        rig = Rig(me, folder, bridge, cable)
        try:
            rig.start_server()
            wait_for(lambda: me.last(contract.CURRENT_POSE), "the first pose")
            wait_for(lambda: rig.commands.get_subscription_count() == 1, "the bridge to listen for targets")
            yield rig
        finally:
            rig.close()


def inject(rig: Rig, name: str) -> None:
    """Bring the arm home, whatever went before, then inject one fault. Raises AssertionError where it was not borne."""
    if rig.server is None or rig.server.poll() is not None:
        rig.start_server()
    if not rig.healthy():
        rig.recover_and_move()
    rig.home()
    rig.catch_up()
    FAULTS[name](rig)
    assert rig.bridge.poll() is None, "the bridge ended"


def main() -> None:
    """Inject every kind of fault many times; exit 1 where one was not borne."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=30, help="how often each kind")
    parser.add_argument("--json", action="store_true", help="print JSON only")
    given = parser.parse_args()
    domain = 60
    os.environ |= {"ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    borne, failures = Counter[str](), []
    kinds = [name for name in FAULTS if name != "cable pulled" or may_make_namespaces()]
    quiet = redirect_stdout(sys.stderr)  # the nodes' output
    with quiet, tempfile.TemporaryDirectory() as folder, running_rig(domain, Path(folder)) as rig:
        for number in range(given.count):
            for name in kinds:
                try:
                    inject(rig, name)
                    borne[name] += 1
                except AssertionError as error:
                    failures.append(f"{name}, number {number}: {error}")
                if not given.json:
                    print(f"{number + 1}/{given.count} {name}: {borne[name]} borne", flush=True)
    left = [name for name in FAULTS if name not in kinds]
    print(json.dumps({"count": given.count, "borne": borne, "failures": failures, "not tested": left}, indent=2))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
