"""The Panda's driver through the real libfranka 0.9.2, against the simulated control box.

Every way it may go wrong.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.arm import SETTINGS, STATE
from fixtures.graph import wait_for
from fixtures.rigs import CONSOLE_PORT, console_of, own_host, panda_sim
from panda_sim.protocol.codes import Mode
from panda_sim.servers.console import ask
from wayfarer_core.errors import DeviceError
from wayfarer_franka_bridge.drivers import panda_py_arm
from wayfarer_franka_bridge.drivers.driver import (
    ConnectionLostError,
    MotionAbortedError,
    RobotState,
    StoppedError,
)
from wayfarer_franka_bridge.drivers.panda_py_arm import PandaPyArm, require_realtime, within
from wayfarer_franka_bridge.drivers.panda_py_driver import PandaPyDriver
from wayfarer_franka_bridge.geometry import quaternion

pytestmark = pytest.mark.slow
DOWN, STILL = np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3)
HOST = own_host(23)
SOON = 20.0  # s, a generous bound of what should take about one
THIS = replace(SETTINGS, robot_ip=HOST, realtime=False, home_speed=0.3)


class Arm:
    """The driver, and the console of its simulated arm."""

    def __init__(self, driver: PandaPyDriver) -> None:
        self.driver = driver

    def tell(self, line: str) -> Any:
        return ask((HOST, CONSOLE_PORT), line)

    def track(self, offset: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> None:
        """Begin to track, and wait until the arm is commanded."""
        here = self.driver.state().T_O_EE
        self.driver.track(here[:3, 3] + offset, quaternion(here[:3, :3]), STILL, STILL)
        wait_for(lambda: self.tell("state")["commanded"], "the first command", SOON)

    def place_aside(self) -> None:
        """Place it 1.5 rad from home, and see it there.

        While a motion begins the state is told from memory: from before, otherwise.
        """
        self.tell("place 1.5 0.2 0.0 -2.3 0.0 2.6 0.7")
        wait_for(lambda: self.driver.state().q[0] > 1.4, "the arm to be aside", SOON)

    def raised(self) -> DeviceError:
        """Read states until one cannot be read, and return why."""
        found: list[DeviceError] = []

        def fails() -> bool:
            try:
                self.driver.state()
            except DeviceError as error:
                found.append(error)

            return bool(found)

        wait_for(fails, "the fault to be told", SOON)

        return found[0]

    def well(self) -> RobotState:
        """Prove that the arm moves."""
        before = self.driver.state().T_O_EE[:3, 3]
        self.track((0.0, 0.02, 0.0))
        wait_for(
            lambda: self.driver.state().T_O_EE[1, 3] > before[1] + 0.01, "the arm to follow", SOON
        )
        self.driver.stop()

        return self.driver.state()


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with panda_sim(HOST, tmp_path_factory.mktemp("panda"), options=console_of(HOST)):
        yield


@pytest.fixture
def arm(simulator: None) -> Iterator[Arm]:
    ask((HOST, CONSOLE_PORT), "user_stop off")
    ask((HOST, CONSOLE_PORT), "place")
    driver = PandaPyDriver(THIS)
    driver.connect()

    if driver.state().robot_mode == Mode.REFLEX:
        driver.recover()

    yield Arm(driver)
    try:
        driver.close()
    except DeviceError:
        driver.close()


def test_it_connects_reads_goes_home_tracks_and_stops(arm: Arm) -> None:
    times = [arm.driver.state().time for _ in range(100)]
    assert times == sorted(times)
    assert len(set(times)) > 90
    arm.tell("place 0.1 0.2 0.0 -2.3 0.0 2.6 0.7")
    arm.driver.home(lambda: True)
    np.testing.assert_allclose(arm.driver.state().q, THIS.home_joints, atol=0.01)
    assert len({arm.driver.state().time for _ in range(20)}) > 15, (
        "the last state of the way home stays"
    )
    state = arm.well()
    assert state.robot_mode == Mode.IDLE
    assert (state.errors, arm.tell("state")["answers_lost"]) == ((), 0)
    assert state.inertia_ee[0] == pytest.approx(0.73)


@pytest.mark.parametrize(
    ("line", "words", "mode", "flag"),
    [
        ("push 0 0 150 0.05", "cartesian_reflex", Mode.REFLEX, "cartesian_reflex"),
        (
            "fault joint_position_limits_violation",
            "joint_position_limits_violation",
            Mode.REFLEX,
            "joint_position",
        ),
        (
            "deaf 100",
            "communication_constraints_violation",
            Mode.REFLEX,
            "communication_constraints_violation",
        ),
        ("user_stop on", "User Stop pressed", Mode.USER_STOPPED, ""),
        ("guide on", "command aborted", Mode.GUIDING, ""),
    ],
)
def test_what_ended_a_motion_is_told_in_libfrankas_words_and_one_recovery_suffices(
    arm: Arm, line: str, words: str, mode: Mode, flag: str
) -> None:
    arm.track()
    arm.tell(line)
    error = arm.raised()
    assert isinstance(error, MotionAbortedError)
    assert words in str(error)
    state = arm.driver.state()
    assert state.robot_mode == mode
    assert flag in " ".join(state.errors)
    arm.tell("user_stop off")
    arm.tell("guide off")
    arm.driver.recover()
    state = arm.driver.state()
    assert (state.robot_mode, state.errors) == (Mode.IDLE, ())
    arm.well()


def test_a_recovery_while_the_user_stop_is_pressed_is_refused(arm: Arm) -> None:
    arm.tell("user_stop on")
    with pytest.raises(MotionAbortedError, match="User stopped"):
        arm.driver.recover()

    arm.tell("user_stop off")
    arm.driver.recover()
    arm.well()


def test_an_arm_that_is_not_idle_at_first_must_be_recovered_before_it_moves(arm: Arm) -> None:
    arm.driver.close()
    arm.tell("user_stop on")
    arm.driver.connect()
    assert arm.driver.state().robot_mode == Mode.USER_STOPPED
    arm.tell("user_stop off")

    with pytest.raises(MotionAbortedError, match="not set yet"):
        arm.driver.home(lambda: True)

    arm.driver.recover()
    arm.well()


@pytest.mark.parametrize("line", ["hang_up", "reset_connection", "mute 3000", "freeze 3"])
@pytest.mark.parametrize("moving", [True, False], ids=["tracking", "after a motion"])
def test_a_lost_connection_is_told_within_seconds_and_the_next_one_works(
    arm: Arm, line: str, moving: bool
) -> None:
    """Whatever had run before: panda_py alone would end the process, or hang."""
    arm.well()
    if moving:
        arm.track()

    arm.tell(line)
    began = time.monotonic()
    assert isinstance(arm.raised(), ConnectionLostError)
    assert time.monotonic() - began < SOON

    def connected() -> bool:
        try:
            arm.driver.connect()
        except ConnectionLostError:
            return False

        return True

    wait_for(connected, "the next connection", 60.0)
    if arm.driver.state().robot_mode != Mode.IDLE:
        arm.driver.recover()

    arm.well()


def test_a_way_home_is_given_up_when_it_is_no_longer_wanted(arm: Arm) -> None:
    arm.place_aside()
    wanted = threading.Event()
    wanted.set()

    def still_wanted() -> bool:
        if arm.driver.state().q[0] < 1.3:
            wanted.clear()
        return wanted.is_set()

    with pytest.raises(StoppedError):
        arm.driver.home(still_wanted)

    stopped = arm.driver.state().q[0]
    assert 0.3 < stopped < 1.35
    arm.well()


def test_a_reflex_on_the_way_home_is_told(arm: Arm) -> None:
    arm.place_aside()
    hit = threading.Event()

    def hit_it() -> bool:
        if not hit.is_set() and arm.driver.state().q[0] < 1.3:
            hit.set()
            arm.tell("fault joint_reflex")

        return True

    with pytest.raises(MotionAbortedError, match="joint_reflex"):
        arm.driver.home(hit_it)

    arm.driver.recover()
    arm.well()


def test_the_state_can_be_asked_for_while_a_recovery_takes_its_time(arm: Arm) -> None:
    """panda_py holds the interpreter meanwhile.

    Nobody else waits for it but who asks for the state.
    """
    arm.track()
    arm.tell("fault joint_reflex")
    arm.raised()
    recovering = threading.Thread(target=arm.driver.recover)
    recovering.start()
    states = []

    while recovering.is_alive():
        states.append(arm.driver.state().robot_mode)

    recovering.join()
    assert set(states) <= {Mode.REFLEX, Mode.RECOVERY, Mode.IDLE}
    arm.well()


class Ended:
    """A Panda whose controller was ended by a reflex."""

    def raise_error(self) -> None:
        raise RuntimeError("libfranka: Move command aborted: motion aborted by reflex!")

    def stop_controller(self) -> None:
        pass

    def is_moving(self) -> bool:
        return False

    def get_state(self) -> RobotState:
        return replace(STATE, robot_mode=Mode.REFLEX)


def test_what_is_told_from_memory_is_no_older_than_what_ended_the_motion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else an arm in a reflex would be told as one that moves, while a recovery begins."""
    monkeypatch.setattr(panda_py_arm, "convert", lambda state: state)
    arm = PandaPyArm(THIS)
    arm._panda, arm._controller, arm._last = Ended(), Heard(), replace(STATE, robot_mode=Mode.MOVE)
    with pytest.raises(MotionAbortedError, match="reflex"):
        arm.state()

    with arm._handle:  # as a recovery has it
        assert arm.state().robot_mode == Mode.REFLEX


class Heard:
    """A controller that keeps what it is told."""

    def __init__(self) -> None:
        self.positions: list[np.ndarray] = []

    def set_control(
        self, position: np.ndarray, _orientation: np.ndarray, _joints: np.ndarray
    ) -> None:
        self.positions.append(position)


def test_a_hand_that_is_pushed_away_from_its_target_is_pulled_no_harder_than_configured() -> None:
    """panda_py's controller knows no longest spring.

    With each state it is told a target that is near enough.
    """
    arm, heard, T = PandaPyArm(THIS), Heard(), np.eye(4)
    arm._controller, arm._wanted = heard, (np.array([0.48, 0.0, 0.083]), DOWN)
    for y in (0.25, 0.02):
        T[:3, 3] = [0.48, y, 0.083]
        arm._lead(replace(STATE, T_O_EE=T.copy()))

    springs = [
        np.linalg.norm(heard.positions[0] - [0.48, 0.25, 0.083]),
        np.linalg.norm(heard.positions[1] - T[:3, 3]),
    ]
    np.testing.assert_allclose(springs, [THIS.error_clip, 0.02])


def test_a_spring_is_cut_to_its_longest_and_no_shorter() -> None:
    here = np.array([0.5, 0.0, 0.1])
    np.testing.assert_allclose(within(here + [0.3, 0.0, 0.4], here, 0.1), here + [0.06, 0.0, 0.08])
    np.testing.assert_allclose(within(here + [0.0, 0.06, 0.0], here, 0.1), here + [0.0, 0.06, 0.0])


def test_a_missing_real_time_kernel_is_told_when_connecting() -> None:
    flag = Path("/sys/kernel/realtime")
    if flag.exists() and flag.read_text().strip() == "1":
        pytest.skip("NOT TESTED: this machine has a real-time kernel")
    with pytest.raises(DeviceError, match="realtime:=ignore is for simulators only"):
        require_realtime()


LONE = """
import sys, time
from fixtures.arm import SETTINGS
from dataclasses import replace
from wayfarer_franka_bridge.drivers.panda_py_driver import PandaPyDriver
driver = PandaPyDriver(replace(SETTINGS, robot_ip=sys.argv[1], realtime=False))
driver.connect()
print(driver._child._process.pid, flush=True)
time.sleep(1000.0)
"""


@pytest.mark.parametrize("stuck", [False, True], ids=["idle", "stuck in libfranka"])
def test_nobody_outlives_a_node_that_is_killed(arm: Arm, stuck: bool) -> None:
    arm.driver.close()
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    node = subprocess.Popen(
        [sys.executable, "-c", LONE, HOST], stdout=subprocess.PIPE, text=True, env=environment
    )

    try:
        assert node.stdout is not None
        child = int(node.stdout.readline())
        if stuck:
            os.kill(child, signal.SIGSTOP)  # it cannot do anything itself
    finally:
        node.kill()
        node.wait()
        node.stdout.close()

    if stuck:
        os.kill(child, signal.SIGCONT)

    wait_for(
        lambda: not Path(f"/proc/{child}").exists() or is_zombie(child), "the child to end", SOON
    )
    arm.driver.connect()


def is_zombie(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
