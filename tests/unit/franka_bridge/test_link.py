import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from fixtures.arm import Arm
from fixtures.graph import wait_for
from wayfarer_core.errors import DeviceError
from wayfarer_core.reason import Reason
from wayfarer_franka_bridge.approach import Manner
from wayfarer_franka_bridge.drivers.driver import (
    MOVE,
    ConnectionLostError,
    MotionAbortedError,
    RobotState,
    UnusableError,
)
from wayfarer_franka_bridge.follower import STEP, Follower, TargetPose
from wayfarer_franka_bridge.geometry import rotation
from wayfarer_franka_bridge.link import Link
from wayfarer_franka_bridge.report import Reading
from wayfarer_franka_bridge.threads import Job

HERE, DOWN = np.array([0.48, 0.0, 0.083]), np.array([1.0, 0.0, 0.0, 0.0])
GIVEN_UP: list[BaseException] = []


@pytest.fixture
def arm() -> Arm:
    return Arm()


@pytest.fixture
def link(arm: Arm) -> Iterator[Link]:
    GIVEN_UP.clear()
    it = Link(
        arm,
        Reading(state_rate=200.0, stale=2.0),
        Follower(Manner(quickness=12.0, top_speed=0.6, top_acceleration=9.0), 0.5, np.zeros(3)),
        time.time_ns,
        time.monotonic,
        GIVEN_UP.append,
    )
    it.open()
    yield it
    it.close()


def connected(link: Link) -> None:
    wait_for(
        lambda: link.report.state is not None and not link.report.refusal, "a state of the arm"
    )


def told(link: Link, position: np.ndarray) -> str:
    """Pass a target on; return why it is refused."""
    return link.track(TargetPose(position, DOWN)).text


def test_before_it_is_connected_nothing_is_sent(arm: Arm, link: Link) -> None:
    arm.fails["connect"] = ConnectionLostError("no route")
    wait_for(lambda: "no route" in link.report.fault or link.report.connected, "an attempt")
    if not link.report.connected:
        assert "no route" in told(link, HERE)
        assert "track" not in arm.told


def test_states_are_counted_and_a_target_reaches_the_arm(arm: Arm, link: Link) -> None:
    connected(link)
    number = link.report.number
    wait_for(lambda: link.report.number > number + 3, "more states")
    there = HERE + [0.0, 0.1, 0.0]
    assert told(link, there) == ""
    wait_for(lambda: np.allclose(arm.position, there, atol=1e-3), "the target to be tracked")


@pytest.mark.parametrize(
    ("mode", "errors"), [(4, ("cartesian_reflex",)), (5, ()), (3, ()), (0, ()), (1, ("x",))]
)
def test_an_arm_in_error_gets_no_target_until_it_is_recovered(
    arm: Arm, link: Link, mode: int, errors: tuple[str, ...]
) -> None:
    connected(link)
    arm.mode, arm.errors = mode, errors
    wait_for(lambda: link.report.refusal, "the error to be seen")
    assert f"mode {mode}" in told(link, HERE)

    with pytest.raises(DeviceError, match="cannot go home"):
        link.home(1.0)

    assert not {"track", "home", "recover"} & set(arm.told)
    link.recover(5.0)
    connected(link)
    assert told(link, HERE) == ""


def test_a_lost_connection_comes_back_by_itself_but_the_fault_stays_until_recovery(
    arm: Arm, link: Link
) -> None:
    connected(link)
    arm.fails["state"] = ConnectionLostError("UDP receive: Timeout")
    wait_for(lambda: not link.report.connected, "the loss to be seen")
    assert "UDP receive" in link.report.fault
    del arm.fails["state"]
    wait_for(lambda: link.report.connected, "the connection to be back")
    number = link.report.number
    wait_for(lambda: link.report.number > number, "states again")
    assert "recover" in told(link, HERE)
    assert "track" not in arm.told
    link.recover(5.0)
    assert told(link, HERE) == ""


def test_recovering_a_healthy_arm_leaves_it_alone(arm: Arm, link: Link) -> None:
    connected(link)
    link.recover(5.0)
    assert "recover" not in arm.told


def test_recovery_fails_in_time_when_the_arm_cannot_be_reached(arm: Arm, link: Link) -> None:
    connected(link)
    arm.fails["connect"] = ConnectionLostError("refused")
    arm.fails["state"] = ConnectionLostError("gone")
    wait_for(lambda: not link.report.connected, "the loss to be seen")
    with pytest.raises(ConnectionLostError, match="cannot recover"):
        link.recover(0.3)


def test_recovery_tells_an_arm_that_was_not_reached_from_one_that_could_not_be_recovered(
    arm: Arm, link: Link
) -> None:
    connected(link)
    arm.mode = 5
    wait_for(lambda: link.report.refusal, "the user stop to be seen")
    arm.fails["recover"] = MotionAbortedError("the user stop is pressed")

    with pytest.raises(MotionAbortedError, match="user stop"):
        link.recover(5.0)

    arm.fails = {"recover": ConnectionLostError("TCP"), "connect": ConnectionLostError("refused")}
    with pytest.raises(ConnectionLostError, match="TCP"):
        link.recover(5.0)


def test_a_clock_that_stands_still_is_a_fault_and_the_arm_is_stopped(arm: Arm, link: Link) -> None:
    connected(link)
    arm.alive = False
    wait_for(
        lambda: link.watch() or "no new state" in link.report.fault, "the stale state to be seen"
    )
    wait_for(lambda: "stop" in arm.told, "the arm to be stopped")
    arm.alive = True
    number = link.report.number
    wait_for(lambda: link.report.number > number + 3, "states again")
    assert link.report.fault, "a fault was cleared without anybody asking"


def test_a_motion_that_ended_by_itself_is_a_fault(arm: Arm, link: Link) -> None:
    connected(link)
    arm.fails["track"] = MotionAbortedError("joint_velocity_violation")
    assert told(link, HERE) == ""
    wait_for(lambda: "joint_velocity_violation" in link.report.fault, "the fault")
    assert "joint_velocity_violation" in told(link, HERE)


class StoppedArm(Arm):
    """A motion of it ended because somebody pressed the user stop.

    It remembers what was told until it was read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.told_of: list[str] = []
        self._watched: Link | None = None

    def end_motion(self, watched: Link) -> None:
        self.mode, self._watched = 5, watched

    def state(self) -> RobotState:
        if self._watched is not None and not self.told_of:
            self.told_of.append("nothing yet")
            raise MotionAbortedError("tracking ended by itself")

        if self._watched is not None:
            self.told_of.append(self._watched.report.fault)

        return super().state()


@pytest.mark.parametrize("arm", [StoppedArm()])
def test_what_ended_a_motion_is_told_with_the_state_that_it_left_and_as_the_arms_own(
    arm: StoppedArm, link: Link
) -> None:
    connected(link)
    arm.end_motion(link)
    wait_for(lambda: link.report.fault, "the end of the motion to be told")
    assert arm.told_of[1] == "", "the fault was told with a state from before"
    report = link.report
    assert report.state is not None
    assert (report.state.robot_mode, report.of_the_link, report.undecided) == (5, False, False)
    arm.mode = 1  # the user stop is released, and nobody asked for recovery
    wait_for(lambda: link.report.of_the_link, "the fault to be the link's own")
    assert "tracking ended" in link.report.fault


def test_whose_a_commands_fault_is_stays_open_until_the_next_state(arm: Arm, link: Link) -> None:
    arm.mode = MOVE
    connected(link)
    number = link.report.number
    wait_for(lambda: link.report.number > number, "a state")
    arm.reads.clear()
    arm.fails["track"] = MotionAbortedError("cartesian_reflex")
    told(link, HERE)
    wait_for(lambda: "cartesian_reflex" in link.report.fault, "the fault")
    assert link.report.undecided
    arm.mode, arm.errors = 4, ("cartesian_reflex",)
    arm.reads.set()
    wait_for(lambda: not link.report.undecided, "the state after the fault")
    assert link.report.state is not None
    assert (link.report.state.robot_mode, link.report.of_the_link) == (4, False)


def test_a_fault_that_no_state_follows_is_the_links_own(arm: Arm, link: Link) -> None:
    connected(link)
    arm.reads.clear()
    arm.fails["track"] = MotionAbortedError("cartesian_reflex")

    if not told(link, HERE):
        wait_for(lambda: link.report.fault, "the fault")

    wait_for(
        lambda: link.watch() or "no new state" in link.report.fault, "the stale state to be seen"
    )
    assert (link.report.undecided, link.report.of_the_link) == (False, True)
    arm.reads.set()


def test_an_arm_that_cannot_even_be_stopped_stays_faulted(arm: Arm, link: Link) -> None:
    connected(link)
    arm.fails = {"track": MotionAbortedError("first"), "stop": MotionAbortedError("second")}
    told(link, HERE)
    wait_for(lambda: link.report.fault == "first; and then second", "both faults, in order")
    assert arm.told.count("stop") == 1


def test_while_it_goes_home_targets_are_refused(arm: Arm, link: Link) -> None:
    connected(link)
    arm.home_ends.clear()
    with pytest.raises(DeviceError, match="within"):
        link.home(0.2)

    wait_for(lambda: "home given up" in arm.told, "the arm to be stopped on its way")
    arm.home_ends.set()


def test_who_was_told_that_the_arm_is_home_may_send_it_on_at_once(
    arm: Arm, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected(link)
    slowly = threading.Event()
    run = Job.run

    def run_and_linger(job: Job) -> None:
        run(job)
        slowly.wait(0.5)  # the system takes the processor away

    monkeypatch.setattr(Job, "run", run_and_linger)
    link.home(5.0)
    assert told(link, HERE) == ""


def test_a_fault_on_the_way_home_stops_the_arm(arm: Arm, link: Link) -> None:
    connected(link)
    arm.home_ends.clear()
    arm.alive = False
    watching = threading.Timer(2.5, link.watch)
    watching.start()

    with pytest.raises(DeviceError):
        link.home(30.0)

    watching.join()
    assert "home given up" in arm.told


def test_an_operators_stop_halts_a_motion_home_and_is_no_fault_of_the_arm(
    arm: Arm, link: Link
) -> None:
    connected(link)
    arm.home_ends.clear()
    stopping = threading.Timer(0.3, link.hold, ("stopped by the operator",))
    stopping.start()

    with pytest.raises(DeviceError, match="stopped on the way home"):
        link.home(30.0)

    stopping.join()
    assert not link.report.fault
    arm.home_ends.set()
    arm.told.clear()

    with pytest.raises(DeviceError, match="cannot go home: stopped by the operator"):
        link.home(30.0)

    assert "home" not in arm.told
    link.hold("")
    link.home(30.0)
    assert "home" in arm.told


def test_a_motion_home_waits_a_moment_for_the_word_that_the_stop_is_over(
    arm: Arm, link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wayfarer_franka_bridge.link._WORD", 30.0)  # on a busy machine, too
    connected(link)
    link.hold("stopped by the operator")
    releasing = threading.Timer(0.1, link.hold, ("",))
    releasing.start()
    link.home(30.0)
    releasing.join()


@pytest.mark.parametrize("where", ["connect", "state", "track", "stop"])
def test_whatever_nobody_foresaw_ends_the_node_with_the_arm_let_go(
    arm: Arm, link: Link, where: str
) -> None:
    connected(link)
    arm.fails[where] = ZeroDivisionError("in the driver")
    if where == "track":
        told(link, HERE)
    elif where == "stop":
        arm.alive = False
        wait_for(lambda: link.watch() or link.report.fault, "the stale state")
    elif where == "connect":
        arm.fails["state"] = ConnectionLostError("gone")

    wait_for(lambda: GIVEN_UP, "the link to give up")
    assert "in the driver" in str(GIVEN_UP[0])
    wait_for(lambda: "close" in arm.told, "the arm to be let go")


def test_who_waits_for_a_motion_hears_of_what_nobody_foresaw(arm: Arm, link: Link) -> None:
    connected(link)
    arm.fails["home"] = ZeroDivisionError("in the driver")
    with pytest.raises(ZeroDivisionError):
        link.home(60.0)
    wait_for(lambda: GIVEN_UP and "close" in arm.told, "the link to give up")


def test_a_read_that_is_stuck_is_a_fault_before_it_returns(arm: Arm, link: Link) -> None:
    connected(link)
    arm.reads.clear()
    wait_for(lambda: told(link, HERE), "a target to be refused")
    assert "no new state" in link.report.fault
    arm.reads.set()


def test_what_trying_again_cannot_mend_is_given_up(arm: Arm, link: Link) -> None:
    connected(link)
    arm.fails = {
        "state": ConnectionLostError("gone"),
        "connect": UnusableError("another wheel is needed"),
    }
    wait_for(lambda: GIVEN_UP, "the link to give up")
    assert "wheel" in str(GIVEN_UP[0])


def test_closing_stops_and_disconnects(arm: Arm, link: Link) -> None:
    connected(link)
    link.close()
    assert arm.told[-1] == "close"


@pytest.fixture
def long_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wayfarer_franka_bridge.link.STEP", 600.0)


@pytest.mark.usefixtures("long_steps")
def test_a_new_target_does_not_wait_for_the_end_of_a_step(arm: Arm, link: Link) -> None:
    connected(link)
    for count in (1, 2):
        assert told(link, HERE + [0.0, 0.1 * count, 0.0]) == ""
        wait_for(lambda count=count: arm.told.count("track") == count, "a command")


def test_a_new_target_after_arrival_does_not_jump_the_spring_although_the_hand_was_held_away(
    arm: Arm, link: Link
) -> None:
    connected(link)
    goal = HERE + [0.0, 0.1, 0.0]
    assert told(link, goal) == ""

    # its arm stays at HERE
    wait_for(lambda: np.array_equal(arm.position, goal), "the spring to be there")
    arm.positions.clear()
    assert told(link, goal + [0.0, 0.05, 0.0]) == ""
    wait_for(lambda: len(arm.positions) > 5, "the way to the next")
    steps = np.linalg.norm(np.diff([goal, *arm.positions], axis=0), axis=1)
    assert steps.max() < 0.6 * 5 * STEP + 1e-9, "the spring's end jumped"


def test_a_stop_drops_the_target_and_the_spring_brakes_where_it_is(arm: Arm, link: Link) -> None:
    connected(link)
    arm.positions.clear()
    goal = HERE + [0.0, 0.3, 0.0]
    assert told(link, goal) == ""
    wait_for(lambda: arm.position[1] > 0.03, "the arm to be under way")
    link.hold("stopped by the operator")
    at_stop = arm.position[1]

    def rests() -> bool:
        count = len(arm.positions)
        threading.Event().wait(0.1)
        return len(arm.positions) == count

    wait_for(rests, "the spring to rest")
    assert arm.position[1] < at_stop + 0.6**2 / (2 * 9.0) + 0.6 * 10 * STEP  # it may be told late
    assert arm.position[1] < goal[1] - 0.1, "it went on to its target"
    assert not arm.told.count("stop"), "braked, not let go"


def test_from_a_stop_on_only_a_target_where_the_arm_is_is_taken(arm: Arm, link: Link) -> None:
    connected(link)
    link.hold("stopped by the operator")
    refused = link.track(TargetPose(HERE + [0.0, 0.15, 0.0], DOWN))
    assert (refused.text, refused.reasons) == (
        "stopped by the operator",
        Reason.REFUSED | Reason.STOPPED,
    )
    assert told(link, HERE + [0.0, 0.01, 0.0]) == "", "a hold"
    link.hold("")
    assert told(link, HERE + [0.0, 0.15, 0.0]) == ""


def test_the_tool_point_is_what_targets_mean_however_the_hand_is_turned(arm: Arm) -> None:
    offset = np.array([0.05, 0.0, 0.1])
    manner = Manner(quickness=12.0, top_speed=0.6, top_acceleration=9.0)
    link = Link(
        arm,
        Reading(200.0, 2.0),
        Follower(manner, 2.0, offset),
        time.time_ns,
        time.monotonic,
        GIVEN_UP.append,
    )
    link.open()

    try:
        connected(link)
        place, turned = np.array([0.5, 0.1, 0.1]), np.array([np.cos(0.3), np.sin(0.3), 0.0, 0.0])
        assert not link.track(TargetPose(place, turned))
        wait_for(lambda: np.array_equal(arm.quaternion, turned), "the hand to be turned")
        tool = rotation(turned) @ offset
        wait_for(
            lambda: np.allclose(arm.position + tool, place, atol=1e-9), "the tool point to be there"
        )
    finally:
        link.close()
