"""The control node over real DDS, with the test as robot, policy and recorder."""

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.answering import Answering
from fixtures.graph import VENV, Peer, node_process, peer, wait_for
from fixtures.shipped import CONTROL, ROOT
from franka_msgs.action import ErrorRecovery
from franka_msgs.msg import FrankaRobotState
from geometry_msgs.msg import PoseStamped
from rclpy.action import ActionServer
from std_srvs.srv import Trigger
from wayfarer_common import contract
from wayfarer_common.conversions import base_pose, position_of, to_stamp
from wayfarer_core import names
from wayfarer_core.reason import Reason
from wayfarer_msgs.msg import Action, ExecutedAction, Fault

HOME = np.array([0.5, 0.0, 0.2])
DOWN = np.array([1.0, 0.0, 0.0, 0.0])
PERIOD = 1.0  # s
# on a busy machine
PATIENT = CONTROL | {
    "control_period": PERIOD,
    "max_age": 5.0,
    "silence": 20.0,
    "state_timeout": 60.0,
}


class Rig:
    """Feeds the node with poses and actions, and hears its commands."""

    def __init__(self, me: Peer, well: bool = True) -> None:
        """A robot that is well has said so."""
        self.peer = me
        # when try_to_act last acted [s], and how many records there were
        self._tried = (-np.inf, 0)
        self._pose, self._state = (
            me.publisher(contract.CURRENT_POSE),
            me.publisher(contract.ROBOT_STATE),
        )
        self._action = me.publisher(contract.POLICY_ACTION)
        me.listen(contract.TARGET_POSE, contract.EXECUTED, contract.CONTROL_FAULT)
        self.bridge = Answering(me)
        wait_for(self.bridge.connected, "the control node to listen to answers")

        for publisher in (self._pose, self._state, self._action):
            wait_for(
                lambda p=publisher: p.get_subscription_count() == 1, "the control node to listen"
            )

        # stands for the recorder
        me.node.create_subscription(ExecutedAction, names.EXECUTED, lambda _: None, 10)
        me.wait_heard("control")
        if well:
            self.report(FrankaRobotState.ROBOT_MODE_MOVE)
            wait_for(
                lambda: self.fault and self.fault.kind == Fault.NONE,
                "the word that the robot is well",
            )

    @property
    def targets(self) -> list[PoseStamped]:
        return self.peer.heard[contract.TARGET_POSE.name]

    @property
    def records(self) -> list[ExecutedAction]:
        return self.peer.heard[contract.EXECUTED.name]

    @property
    def fault(self) -> Fault | None:
        return self.peer.last(contract.CONTROL_FAULT)

    def says(self) -> str:
        return self.peer.health["control"].message if "control" in self.peer.health else ""

    def be_at(
        self, position: np.ndarray = HOME, stamp: int | None = None, frame: str = names.BASE_FRAME
    ) -> None:
        message = base_pose(position, DOWN, stamp or time.time_ns())
        message.header.frame_id = frame
        self._pose.publish(message)

    def be_placed(self) -> None:
        """Be at home until the node knows it, which it proves by a hold.

        A pose may come after what is sent later.
        """

        def held() -> bool:
            self.be_at()
            return bool(self.peer.call(Trigger, names.HOLD, Trigger.Request()).success)

        wait_for(held, "the node to know the pose")
        wait_for(lambda: self.records and self.records[-1].commanded, "the record of the hold")
        assert self.peer.call(Trigger, names.RELEASE, Trigger.Request()).success

    def send(self, action: Action) -> None:
        self._action.publish(action)

    def try_to_act(self) -> bool:
        """Act, and be at a newer pose at each call; whether there will be a record is not waited
        for.

        A next action comes after the last one's record, or when that must be lost: before, it
        would take the place of one that still waits for its pose.
        """
        sent, records = self._tried
        if len(self.records) > records or time.monotonic() > sent + PATIENT["max_age"] + 1.0:
            message = Action(last=True)
            message.header.stamp = to_stamp(time.time_ns())
            message.action = np.array([0.5, 0.0, 0.0], dtype=np.float32)
            self._tried = time.monotonic(), len(self.records)
            self.send(message)

        self.be_at()

        return True

    def report_until(self, done: Callable[[], Any], what: str) -> None:
        """Let the robot say that it is well until something has come about."""
        wait_for(lambda: self.report(FrankaRobotState.ROBOT_MODE_MOVE) or done(), what)

    def report(self, mode: int) -> None:
        self._state.publish(FrankaRobotState(robot_mode=mode))

    def act(
        self, action: list[float], step: int = 0, last: bool = False, age: float = 0.0
    ) -> ExecutedAction:
        """Send an action that answers an observation `age` seconds old; return the record of it."""
        stamp = time.time_ns() - int(age * 1e9)
        message = Action(step=step, last=last)
        message.header.stamp = to_stamp(stamp)
        message.action = np.array(action, dtype=np.float32)
        before = len(self.records)
        self._action.publish(message)
        self.be_at(stamp=max(stamp, time.time_ns()))
        wait_for(lambda: len(self.records) > before, "the record of an action")

        return self.records[before]


@pytest.fixture
def rig(domain: int) -> Iterator[Rig]:
    with node_process("wayfarer_control", "control", **PATIENT), peer(domain) as me:
        yield Rig(me)


@pytest.fixture
def watched(domain: int) -> Iterator[Rig]:
    with (
        node_process("wayfarer_control", "control", **PATIENT | {"silence": 1.5 * PERIOD}),
        peer(domain) as me,
    ):
        yield Rig(me)


def test_an_action_becomes_a_displacement_from_the_measured_pose(rig: Rig) -> None:
    record = rig.act([0.4, 0.0, -0.2])
    assert record.reasons == 0
    assert record.commanded
    np.testing.assert_allclose(
        position_of(record.target), HOME + 0.125 * np.array([0.4, 0.0, -0.2]), atol=1e-6
    )
    np.testing.assert_allclose(record.executed, [0.4, 0.0, -0.2], atol=1e-6)
    wait_for(lambda: rig.targets, "the target")
    np.testing.assert_allclose(position_of(rig.targets[0].pose), position_of(record.target))
    assert rig.targets[0].header.frame_id == names.BASE_FRAME


def test_a_nan_action_makes_the_arm_hold_and_says_why(rig: Rig) -> None:
    record = rig.act([np.nan, 0.0, 0.0])
    assert record.reasons == Reason.NOT_FINITE
    np.testing.assert_allclose(position_of(record.target), HOME)
    np.testing.assert_array_equal(record.executed, [0.0, 0.0, 0.0])


def test_a_target_outside_the_box_is_moved_onto_its_surface(rig: Rig) -> None:
    rig.be_at()
    record = rig.act([0.0, 0.0, 0.0])
    message = rig.act([0.0, 0.0, 1.0], step=1)
    assert record.reasons == 0
    assert Reason.SPEED in Reason(message.reasons) or Reason.WORKSPACE in Reason(message.reasons)
    assert position_of(message.target)[2] <= 0.388


def test_an_old_observation_is_not_acted_on(rig: Rig) -> None:
    rig.be_placed()
    assert rig.act([0.3, 0.0, 0.0], age=6.0).reasons == Reason.STALE


def test_no_command_goes_out_while_the_robot_reports_an_error(rig: Rig) -> None:
    rig.report(FrankaRobotState.ROBOT_MODE_REFLEX)
    wait_for(lambda: rig.fault and rig.fault.kind == Fault.REFLEX, "the fault to be told")
    record = rig.act([0.3, 0.0, 0.0])
    assert record.reasons == Reason.ROBOT_ERROR
    assert not record.commanded
    rig.report(FrankaRobotState.ROBOT_MODE_MOVE)
    wait_for(lambda: rig.fault.kind == Fault.NONE, "the fault to be over")
    assert rig.targets == []
    assert rig.act([0.3, 0.0, 0.0], step=1).commanded


def test_a_robot_that_falls_silent_is_lost_and_not_commanded_not_even_to_hold(domain: int) -> None:
    impatient = CONTROL | {"state_timeout": 0.3, "silence": 0.6}
    with node_process("wayfarer_control", "control", **impatient), peer(domain) as me:
        rig = Rig(me, well=False)
        rig.report(FrankaRobotState.ROBOT_MODE_MOVE)
        rig.act([0.3, 0.0, 0.0])
        wait_for(lambda: rig.fault and rig.fault.kind == Fault.CONNECTION, "the fault to be told")
        wait_for(lambda: len(rig.records) == 2, "the watchdog's record")
        assert Reason(rig.records[1].reasons) == Reason.SILENT | Reason.ROBOT_ERROR
        assert not rig.records[1].commanded


def test_after_a_user_stop_nothing_moves_before_an_operator_says_so(rig: Rig) -> None:
    rig.report(FrankaRobotState.ROBOT_MODE_USER_STOPPED)
    wait_for(lambda: rig.fault and rig.fault.kind == Fault.USER_STOP, "the stop to be told")
    rig.report(FrankaRobotState.ROBOT_MODE_IDLE)
    wait_for(lambda: rig.fault.needs_operator, "the word that an operator is needed")
    assert not rig.act([0.3, 0.0, 0.0]).commanded
    assert rig.peer.call(Trigger, names.RELEASE, Trigger.Request()).success
    wait_for(lambda: rig.fault.kind == Fault.NONE, "the fault to be over")
    rig.report(FrankaRobotState.ROBOT_MODE_IDLE)
    assert rig.act([0.3, 0.0, 0.0], step=1).commanded


def test_silence_leads_to_a_hold_within_two_control_periods(watched: Rig) -> None:
    watched.act([0.5, 0.0, 0.0])
    acted = time.monotonic()
    moved = HOME + [0.03, 0.0, 0.0]
    watched.be_at(moved)
    wait_for(lambda: len(watched.records) == 2, "the hold")
    silent = time.monotonic() - acted
    assert watched.records[1].reasons == Reason.SILENT
    np.testing.assert_allclose(position_of(watched.records[1].target), moved)
    assert silent < 2.0 * PERIOD + 0.1, f"{silent:.2f} s; 0.1 s is for this machine being busy"


def test_silence_after_the_last_action_of_an_episode_is_no_fault(watched: Rig) -> None:
    watched.act([0.5, 0.0, 0.0], last=True)
    end = time.monotonic() + 4.0 * PERIOD
    wait_for(lambda: time.monotonic() > end, "four periods to pass")
    assert len(watched.records) == 1


def test_an_operators_hold_stays_in_force_until_release(rig: Rig) -> None:
    rig.act([0.5, 0.0, 0.0], last=True)
    assert rig.peer.call(Trigger, names.HOLD, Trigger.Request()).success
    wait_for(lambda: len(rig.records) == 2, "the hold")
    assert rig.records[1].reasons == Reason.STOPPED
    wait_for(lambda: rig.fault and rig.fault.kind == Fault.OPERATOR, "the stop to be told")
    assert rig.act([0.5, 0.0, 0.0], step=1).reasons == Reason.STOPPED
    assert rig.peer.call(Trigger, names.RELEASE, Trigger.Request()).success
    assert Reason.STOPPED not in Reason(rig.act([0.5, 0.0, 0.0], step=2, last=True).reasons)


def test_a_hold_that_cannot_be_sent_is_not_called_one(rig: Rig) -> None:
    rig.be_at(HOME + [0.0, 0.0, 0.5])  # above the box
    rig.act([0.0, 0.0, 0.0], last=True)
    rig.be_at(HOME + [0.0, 0.0, 0.5])
    answers = []

    def outside() -> bool:
        rig.be_at(HOME + [0.0, 0.0, 0.5])
        answers.append(rig.peer.call(Trigger, names.HOLD, Trigger.Request()))
        return not answers[-1].success

    wait_for(outside, "the refusal")
    assert "outside its box" in answers[-1].message


def test_it_leaves_the_arm_holding_when_it_is_told_to_end(domain: int) -> None:
    with peer(domain) as me:
        with node_process("wayfarer_control", "control", **PATIENT):
            rig = Rig(me)
            rig.act([0.5, 0.0, 0.0], last=True)
            moved = HOME + [0.02, 0.0, 0.0]
            rig.be_at(moved)
            said = me.health["control"]
            wait_for(lambda: me.health["control"] is not said, "a word of the node after that")

        wait_for(lambda: len(rig.targets) == 2, "the hold at its end")
        ended = Reason.STOPPED | Reason.UNACKNOWLEDGED  # nobody is there to hear the answer
        wait_for(lambda: rig.records[-1].reasons == ended, "the record of the hold")
        np.testing.assert_allclose(position_of(rig.targets[-1].pose), moved)


def test_recovery_is_asked_for_a_few_times_and_then_waits_for_the_operator(domain: int) -> None:
    asked: list[float] = []

    def recover(handle: Any) -> ErrorRecovery.Result:
        asked.append(time.monotonic())
        handle.succeed()  # in vain: the robot goes on reporting its reflex
        return ErrorRecovery.Result()

    few = {"recovery_attempts": 2, "recovery_pause": 0.2}
    with node_process("wayfarer_control", "control", **PATIENT | few), peer(domain) as me:
        server = ActionServer(me.node, ErrorRecovery, names.ERROR_RECOVERY, recover)
        rig = Rig(me)

        def reflex_until(done: Callable[[], bool], what: str) -> None:
            wait_for(lambda: rig.report(FrankaRobotState.ROBOT_MODE_REFLEX) or done(), what)

        def reflex_until_asked(times: int) -> None:
            reflex_until(lambda: len(asked) == times, f"{times} recoveries")
            end = time.monotonic() + 1.0
            reflex_until(lambda: time.monotonic() > end, "time enough for one too many")
            assert len(asked) == times

        reflex_until_asked(2)
        wait_for(
            lambda: rig.fault and rig.fault.needs_operator, "the word that it needs an operator"
        )
        assert "wayfarer ack" in wait_for(
            lambda: "in vain" in rig.says() and rig.says(), "its diagnostics"
        )
        assert rig.peer.call(Trigger, names.RELEASE, Trigger.Request()).success
        reflex_until_asked(4)
        rig.report(FrankaRobotState.ROBOT_MODE_MOVE)
        server.destroy()


def test_a_human_hand_is_left_to_end_what_it_began(domain: int) -> None:
    asked: list[int] = []

    def recover(handle: Any) -> ErrorRecovery.Result:
        asked.append(1)
        handle.succeed()
        return ErrorRecovery.Result()

    with node_process("wayfarer_control", "control", **PATIENT), peer(domain) as me:
        server = ActionServer(me.node, ErrorRecovery, names.ERROR_RECOVERY, recover)
        rig = Rig(me)
        rig.report(FrankaRobotState.ROBOT_MODE_USER_STOPPED)
        wait_for(lambda: rig.fault and rig.fault.kind == Fault.USER_STOP, "the stop to be seen")
        rig.report(FrankaRobotState.ROBOT_MODE_USER_STOPPED)
        assert asked == []
        server.destroy()


def test_limits_that_make_no_sense_end_the_node_with_a_message(domain: int) -> None:
    output = refused(max_speed=7.0)
    assert "max_speed" in output
    assert "m/s" in output


def refused(**changes: Any) -> str:
    """Start a control node of the shipped limits, but for these, which must end by itself.

    Return what it says.
    """
    with node_process("wayfarer_control", "control", **CONTROL | changes) as process:
        assert process.wait(60.0) == 1
        assert process.stdout is not None
        return process.stdout.read()


@pytest.mark.parametrize("orientation", [[0.0, 0.0, 0.0, 0.0], [0.5, 0.5, 0.0, 0.0]])
def test_an_orientation_that_is_no_rotation_ends_the_node(
    domain: int, orientation: list[float]
) -> None:
    assert "is no rotation" in refused(orientation=orientation)


def test_a_box_without_a_volume_ends_the_node(domain: int) -> None:
    assert "is not a box" in refused(workspace_min=CONTROL["workspace_max"])


def test_no_recovery_is_counted_over_no_time(domain: int) -> None:
    assert "recovery_window" in refused(recovery_window=0.0)


@pytest.mark.parametrize(
    ("package", "executable", "node", "lacking"),
    [
        ("wayfarer_control", "control", "control", "workspace_min, workspace_max, orientation"),
        (
            "wayfarer_franka_bridge",
            "franka_bridge",
            "franka_bridge",
            "workspace_min, workspace_max, orientation",
        ),
    ],
)
@pytest.mark.parametrize("misspelt", [True, False])
def test_without_limits_neither_control_nor_the_bridge_starts_whatever_launches_them(
    domain: int,
    tmp_path: Path,
    package: str,
    executable: str,
    node: str,
    lacking: str,
    misspelt: bool,
) -> None:
    words = ["--params-file", str(tmp_path / "config.yaml")] if misspelt else []
    shipped_file = (ROOT / "launch" / "config" / "hardware_fr3.yaml").read_text()
    (tmp_path / "config.yaml").write_text(shipped_file.replace(f"/**/{node}:", f"/**/{node[:-1]}:"))
    command = [str(VENV / "lib" / package / executable), "--ros-args", *words]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120.0)
    assert done.returncode == 1
    assert f"node {node} was not given" in done.stderr
    assert lacking in done.stderr
    assert f"section /**/{node}" in done.stderr
    assert "Traceback" not in done.stderr


def test_what_the_bridge_refuses_is_not_executed_and_says_so(rig: Rig) -> None:
    rig.bridge.refuses = "out of the arm's range"
    record = rig.act([0.4, 0.0, 0.0], last=True)
    assert (record.commanded, Reason(record.reasons)) == (False, Reason.REFUSED)
    assert np.isnan(record.executed).all()
    rig.bridge.refuses = ""
    assert rig.act([0.4, 0.0, 0.0], step=1, last=True).commanded


def test_what_the_bridge_does_not_answer_is_not_executed(domain: int) -> None:
    with (
        node_process("wayfarer_control", "control", **PATIENT | {"acknowledge_timeout": 0.5}),
        peer(domain) as me,
    ):
        rig = Rig(me)
        rig.bridge.silent = True
        record = rig.act([0.4, 0.0, 0.0], last=True)
        assert (record.commanded, Reason(record.reasons)) == (False, Reason.UNACKNOWLEDGED)
        answer = me.call(Trigger, names.HOLD, Trigger.Request())
        assert not answer.success
        assert "is not confirmed" in answer.message


def test_a_hold_is_confirmed_only_by_the_bridge(domain: int) -> None:
    with (
        node_process("wayfarer_control", "control", **PATIENT | {"acknowledge_timeout": 1.0}),
        peer(domain) as me,
    ):
        rig = Rig(me)
        rig.be_placed()
        rig.bridge.refuses = "the arm is on its way home"
        answer = me.call(Trigger, names.HOLD, Trigger.Request())
        assert not answer.success
        assert "on its way home" in answer.message
        rig.bridge.refuses = ""
        rig.be_at()
        assert me.call(Trigger, names.HOLD, Trigger.Request()).success


@pytest.mark.parametrize("state", [None, FrankaRobotState.ROBOT_MODE_OTHER, 77])
def test_a_robot_that_has_not_said_that_it_is_well_is_not_commanded(
    domain: int, state: int | None
) -> None:
    with node_process("wayfarer_control", "control", **PATIENT), peer(domain) as me:
        rig = Rig(me, well=False)
        if state is not None:
            rig.report(state)
            wait_for(lambda: rig.fault and rig.fault.kind == Fault.OTHER, "the mode to be told")

        assert rig.act([0.3, 0.0, 0.0]).reasons == Reason.ROBOT_ERROR
        assert not me.call(Trigger, names.HOLD, Trigger.Request()).success
        assert rig.targets == []
        wait_for(
            lambda: rig.fault and rig.fault.text in rig.says(), "its diagnostics to say so, too"
        )


def test_a_pose_in_another_frame_commands_nothing_and_is_complained_of(domain: int) -> None:
    with node_process("wayfarer_control", "control", **CONTROL), peer(domain) as me:
        rig = Rig(me)
        stamp = time.time_ns()
        message = Action(last=True)
        message.header.stamp = to_stamp(stamp)
        rig.send(message)
        wait_for(lambda: rig.be_at(frame="world") or rig.records, "the record")
        assert Reason.NO_POSE in Reason(rig.records[0].reasons)
        wait_for(lambda: rig.be_at(frame="world") or "'world'" in rig.says(), "the complaint")
        assert rig.targets == []


def test_a_second_commander_stops_every_command_until_it_is_gone(rig: Rig) -> None:
    second = rig.peer.publisher(contract.TARGET_POSE)
    wait_for(lambda: rig.fault and rig.fault.kind == Fault.OTHER, "control to see it")
    assert "2 publishers" in rig.fault.text
    assert rig.act([0.3, 0.0, 0.0], last=True).reasons == Reason.ROBOT_ERROR
    rig.peer.node.destroy_publisher(second)
    wait_for(lambda: rig.fault.kind == Fault.NONE, "control to see it gone")
    assert rig.act([0.3, 0.0, 0.0], step=1, last=True).commanded


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_stop_outlives_its_keeper_and_only_an_ack_ends_it(
    domain: int, number: signal.Signals
) -> None:
    with peer(domain) as me:

        def control() -> Any:
            return node_process("wayfarer_control", "control", **PATIENT)

        with control() as process:
            rig = Rig(me)
            rig.be_placed()
            rig.be_at()
            assert me.call(Trigger, names.HOLD, Trigger.Request()).success
            process.send_signal(number)
            process.wait(30.0)

        me.heard[names.CONTROL_FAULT].clear()
        with control():
            rig.report_until(
                lambda: rig.fault and rig.fault.kind == Fault.OPERATOR, "the stop, told anew"
            )
            moved = len(rig.targets)

            # or of the dead's ghost
            wait_for(lambda: rig.try_to_act() and len(rig.records) > 3, "records of actions")
            assert all(r.reasons & (Reason.STOPPED | Reason.ROBOT_ERROR) for r in rig.records[1:])
            assert all(np.allclose(position_of(t.pose), HOME) for t in rig.targets[moved:]), (
                "it moved"
            )
            assert me.call(Trigger, names.RELEASE, Trigger.Request()).success

        me.heard[names.CONTROL_FAULT].clear()
        with control():
            rig.report_until(
                lambda: rig.fault and rig.fault.kind != Fault.CONNECTION, "the robot to be heard"
            )
            assert rig.fault.kind != Fault.OPERATOR
