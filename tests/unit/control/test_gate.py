"""The control node's mind without its node: what it says to what it hears."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures.limits import LIMITS
from wayfarer_control.faults import GUIDING, IDLE, MOVE, REFLEX, USER_STOPPED, RobotHealth
from wayfarer_control.gate import Gate
from wayfarer_control.permission import Permission
from wayfarer_control.stops import Keeper
from wayfarer_control.underway import Request
from wayfarer_control.whereabouts import Moment
from wayfarer_core.fault import Fault, FaultKind
from wayfarer_core.reason import Reason
from wayfarer_core.safety import Decision, Pose, RecoveryBudget
from wayfarer_core.targets import Grip

HOME, DOWN = np.array([0.58, 0.0, 0.15]), np.array([1.0, 0.0, 0.0, 0.0])
TIMEOUT = 1.0  # s
NONE = Reason(0)


class Desk:
    """A gate, and the test as robot, bridge, policy, operator and clock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.steady, self.ahead = folder, 100.0, 1e9
        self.targets: list[tuple[Pose, int]] = []
        self.records: list[tuple[Request | None, Decision, bool]] = []
        self.faults: list[Fault] = []
        self.answers: list[tuple[bool, str]] = []
        self.recoveries = 0
        self.commanders, self.position = 1, HOME
        self.grips: list[Grip] = []
        self.gripper_width = 0.0
        self.restart()

    def restart(self) -> None:
        health, budget = RobotHealth(2.0), RecoveryBudget(2, 600.0, 1.0)
        self.permission = Permission(
            health, budget, Keeper(self.folder), self, lambda: self.steady, self.wall
        )
        limits = replace(LIMITS, gripper_width=self.gripper_width)
        self.gate = Gate(limits, self.permission, self, self.moment, False, TIMEOUT)

    def moment(self) -> Moment:
        return Moment(int((self.steady + self.ahead) * 1e9), self.steady)

    def wall(self) -> float:
        return self.steady + self.ahead

    # --- what the gate says ---

    def send(self, target: Pose, grip: Grip, stamp: int) -> None:
        self.targets.append((target, stamp))
        self.grips.append(grip)

    def stop_gripper(self) -> None:
        self.grips.append(Grip.STOP)

    def record(self, request: Request | None, decision: Decision, commanded: bool) -> None:
        self.records.append((request, decision, commanded))

    def tell(self, fault: Fault) -> None:
        self.faults.append(fault)

    def recover(self) -> None:
        self.recoveries += 1

    def warn(self, text: str) -> None:
        del text

    # --- what it hears ---

    def tick(self) -> None:
        self.permission.commanders = self.commanders
        self.gate.tick()

    def live(self, seconds: float = 0.02, poses: bool = True, mode: int = MOVE) -> None:
        """Let time go on as it does where all is well."""
        end = self.steady + seconds
        while self.steady < end - 1e-9:
            self.steady += 0.02
            if poses:
                self.be_at(self.position)
            self.permission.robot(mode, [], True)
            self.tick()

    def be_at(
        self, position: np.ndarray, quaternion: np.ndarray = DOWN, frame: str = "base"
    ) -> None:
        self.gate.pose(frame, Pose(position, quaternion), self.moment().stamp)

    def act(self, action: tuple[float, ...] = (0.2, 0.0, 0.0), last: bool = False) -> Request:
        request = Request(self.moment().stamp, np.array(action), last, None)
        self.gate.act(request)
        self.be_at(self.position)
        return request

    def acknowledge(self, taken: bool = True, reasons: Reason = NONE, text: str = "") -> None:
        """Answer the newest target."""
        self.gate.acknowledge(self.targets[-1][1], taken, reasons, text)

    def stop(self) -> None:
        self.gate.stop(lambda *said: self.answers.append(said))


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def well(desk: Desk) -> Desk:
    desk.live(0.1)
    return desk


def test_an_action_is_executed_only_once_the_bridge_has_acknowledged_it(well: Desk) -> None:
    request = well.act()
    assert len(well.targets) == 1
    assert well.records == []
    well.acknowledge()
    ((recorded, decision, commanded),) = well.records
    assert (recorded, commanded, decision.reasons) == (request, True, Reason(0))
    assert decision.target is well.targets[0][0]
    assert decision.executed == pytest.approx([0.2, 0.0, 0.0])


def test_what_the_bridge_refuses_is_recorded_as_refused_with_its_reason_and_no_number(
    well: Desk,
) -> None:
    well.act()
    well.acknowledge(taken=False, reasons=Reason.WORKSPACE, text="outside the box of this bridge")
    ((_, decision, commanded),) = well.records
    assert (commanded, decision.reasons) == (False, Reason.REFUSED | Reason.WORKSPACE)
    assert decision.target is None
    assert np.isnan(decision.executed).all()


def test_what_the_bridge_does_not_answer_in_time_is_not_commanded_and_a_late_word_changes_nothing(
    well: Desk,
) -> None:
    well.act(last=True)
    well.live(TIMEOUT + 0.1)
    ((_, decision, commanded),) = well.records
    assert (commanded, decision.reasons) == (False, Reason.UNACKNOWLEDGED)
    well.acknowledge()
    assert len(well.records) == 1


def test_a_hold_is_confirmed_by_the_bridge_alone(well: Desk) -> None:
    well.stop()
    assert well.answers == []
    assert well.targets[-1][0].position.tolist() == HOME.tolist()
    well.acknowledge()
    assert well.answers == [(True, "")]
    assert [(d.reasons, c) for _, d, c in well.records] == [(Reason.STOPPED, True)]


OVERSHOT, SURFACE = np.array([0.85, 0.0, 0.15]), [0.80, 0.0, 0.15]


def test_an_arm_that_overshot_the_box_on_its_way_is_held_at_the_nearest_point(well: Desk) -> None:
    well.act()
    well.acknowledge()
    well.position = OVERSHOT
    well.live()
    well.stop()
    well.acknowledge()
    assert well.answers == [(True, "")]
    assert well.targets[-1][0].position.tolist() == SURFACE


@pytest.mark.parametrize(
    "rest", ["from the beginning", "refused", "after a fault", "after a short fault", "led by two"]
)
def test_an_arm_that_rests_outside_the_box_is_not_moved_by_a_stop(well: Desk, rest: str) -> None:
    if rest != "from the beginning":
        well.act()
        well.acknowledge(taken=rest != "refused")

    well.position = OVERSHOT
    well.commanders = 2 if rest == "led by two" else 1
    well.live(mode=REFLEX if rest == "after a fault" else MOVE)
    well.commanders = 1

    if rest == "after a short fault":  # over before the gate looks again
        well.permission.robot(REFLEX, [], True)

    well.live()

    targets = len(well.targets)
    well.stop()
    assert well.answers == [(False, "it is outside its box")]
    assert len(well.targets) == targets


def test_a_hold_that_the_bridge_refuses_is_tried_again_and_in_the_end_not_called_one(
    well: Desk,
) -> None:
    well.stop()
    for _ in range(100):
        if len(well.targets) > len(well.records):
            well.acknowledge(taken=False, text="the arm is on its way home")
        well.live()

    assert [said[0] for said in well.answers] == [False]
    assert "on its way home" in well.answers[0][1]
    assert 3 < len(well.targets) < 20


def test_a_hold_that_is_taken_at_the_second_try_is_confirmed(well: Desk) -> None:
    well.stop()
    well.acknowledge(taken=False, text="the arm is on its way home")
    well.live(0.2)
    well.acknowledge()
    assert well.answers == [(True, "")]


def test_two_stops_at_once_are_answered_by_one_hold(well: Desk) -> None:
    well.stop()
    well.stop()
    well.acknowledge()
    assert well.answers == [(True, ""), (True, "")]
    assert len(well.targets) == 1


def test_a_hold_long_after_the_last_pose_is_none_and_says_so(well: Desk) -> None:
    well.live(12.0, poses=False)
    well.stop()
    well.live(TIMEOUT + 0.1, poses=False)
    assert well.targets == []
    assert well.answers == [(False, "its place is not known")]
    assert well.records[-1][1].reasons == Reason.STOPPED | Reason.NO_POSE


def test_a_stop_without_a_pose_holds_with_the_next_one(well: Desk) -> None:
    well.live(1.0, poses=False)
    well.stop()
    well.live(0.2)
    well.acknowledge()
    assert well.answers == [(True, "")]


def test_the_watchdogs_hold_after_the_poses_ended_commands_nothing(well: Desk) -> None:
    well.act((1.0, 0.0, 0.0))
    well.acknowledge()
    well.live(3.0, poses=False)
    assert len(well.targets) == 1, "only the action's"
    assert well.records[-1][1].reasons == Reason.SILENT | Reason.NO_POSE
    assert not well.records[-1][2]


def test_a_clock_set_back_before_the_first_pose_makes_no_old_one_young(desk: Desk) -> None:
    """Control is held up as soon as it has started, and the clock is set back meanwhile."""
    waited = desk.moment().stamp
    desk.steady += 0.41
    desk.ahead -= 0.3
    desk.permission.robot(MOVE, [], True)
    desk.gate.pose("base", Pose(HOME, DOWN), waited)
    desk.gate.act(Request(waited, np.array([0.2, 0.0, 0.0]), False, None))
    desk.stop()
    desk.tick()
    assert desk.targets == []


def test_poses_that_waited_while_control_was_held_up_command_nothing(well: Desk) -> None:
    well.act((1.0, 0.0, 0.0))
    well.acknowledge()
    old = [
        (HOME + [0.01 * k, 0.0, 0.0], well.moment().stamp + k * 10_000_000) for k in range(1, 20)
    ]
    well.steady += 2.0  # SIGSTOP, say

    for position, stamp in old:
        well.gate.pose("base", Pose(position, DOWN), stamp)

    well.permission.robot(MOVE, [], True)
    well.tick()
    assert len(well.targets) == 1
    well.position = HOME + [0.2, 0.0, 0.0]
    well.live(0.2)
    assert well.targets[-1][0].position.tolist() == well.position.tolist(), (
        "held where it is, not where it was"
    )


@pytest.mark.parametrize("mode", [None, 0, 77, REFLEX, GUIDING, USER_STOPPED])
def test_a_robot_that_was_not_heard_to_be_well_is_not_commanded_not_even_to_hold(
    desk: Desk, mode: int | None
) -> None:
    desk.steady += 1.0
    desk.be_at(HOME)
    if mode is not None:
        desk.permission.robot(mode, [], False)

    desk.tick()
    desk.act()
    desk.stop()
    desk.live(0.1, mode=0)
    assert desk.targets == []
    assert desk.records[0][1].reasons == Reason.ROBOT_ERROR
    assert [said[0] for said in desk.answers] == [False]
    assert desk.faults[0], "it tells what is wrong"


@pytest.mark.parametrize("frame", ["world", "", "camera_optical_frame"])
def test_nothing_is_commanded_from_a_pose_in_another_frame(desk: Desk, frame: str) -> None:
    for _ in range(50):
        desk.steady += 0.02
        desk.permission.robot(IDLE, [], True)
        desk.be_at(HOME, frame=frame)
        desk.tick()

    desk.gate.act(Request(desk.moment().stamp, np.ones(3), False, None))
    for _ in range(50):
        desk.steady += 0.02
        desk.permission.robot(IDLE, [], True)
        desk.be_at(HOME, frame=frame)
        desk.tick()

    assert desk.targets == []
    assert Reason.NO_POSE in desk.records[0][1].reasons
    assert "frame" in desk.gate.whereabouts.complaint


def test_nothing_is_commanded_while_a_second_one_commands_and_control_says_so(well: Desk) -> None:
    well.commanders = 2
    well.live()
    assert (well.faults[-1].kind, "2 publishers" in well.faults[-1].text) == (FaultKind.OTHER, True)
    well.act()
    assert well.targets == []
    well.commanders = 1
    well.live()
    assert not well.faults[-1]
    well.act()
    assert len(well.targets) == 1


def test_a_hold_keeps_a_turned_hand_as_it_is(well: Desk) -> None:
    turned = np.array([np.cos(0.6), np.sin(0.6), 0.0, 0.0])
    well.be_at(HOME, quaternion=turned)
    well.stop()
    assert well.targets[-1][0].quaternion.tolist() == turned.tolist()


def test_a_stop_outlives_its_keeper(well: Desk) -> None:
    well.stop()
    well.acknowledge()
    for _ in range(3):
        well.restart()
        sent = len(well.targets)
        well.live(0.5)
        assert (well.faults[-1].kind, well.faults[-1].needs_operator) == (FaultKind.OPERATOR, True)
        well.act()
        assert all(t.position.tolist() == HOME.tolist() for t, _ in well.targets[sent:]), (
            "nothing moves before ack"
        )

    well.gate.release()
    well.restart()
    well.live(0.5)
    assert not well.faults[-1]
    well.act()
    assert well.targets[-1][0].position.tolist() != HOME.tolist()


def test_a_stop_whose_hold_was_never_confirmed_outlives_its_keeper_as_well(well: Desk) -> None:
    well.live(1.0, poses=False)
    well.stop()
    well.restart()
    well.live(0.5)
    assert well.faults[-1].kind is FaultKind.OPERATOR


def test_a_hand_that_led_the_arm_waits_for_a_word_after_a_restart_as_well(well: Desk) -> None:
    for mode in (GUIDING, USER_STOPPED):
        well.live(0.1, mode=mode)
        well.restart()
        well.live(0.5, mode=IDLE)
        assert (well.faults[-1].kind, well.faults[-1].needs_operator) == (FaultKind.USER_STOP, True)
        well.act()
        assert well.targets == []
        well.gate.release()


def test_recoveries_count_across_restarts_and_do_not_begin_anew(well: Desk) -> None:
    def reflex(seconds: float) -> None:
        for _ in range(int(seconds / 0.1)):
            well.steady += 0.1
            well.permission.robot(REFLEX, ["joint_reflex"], True)
            well.permission.recovered()

    reflex(1.5)
    well.restart()
    reflex(0.2)
    well.restart()
    reflex(60.0)
    assert well.recoveries == 2
    well.restart()
    reflex(1.0)
    assert well.recoveries == 2
    assert well.faults[-1].needs_operator
    well.gate.release()
    reflex(1.0)
    assert well.recoveries == 3


def test_old_recoveries_do_not_count_for_ever_after_a_restart(well: Desk) -> None:
    for _ in range(4):
        well.steady += 1000.0
        well.restart()
        well.permission.robot(REFLEX, ["joint_reflex"], True)

    assert well.recoveries == 4


def test_that_the_scene_is_back_ends_its_own_hold_but_no_stop(well: Desk) -> None:
    well.gate.hold_for_scene(lambda *said: well.answers.append(said))
    well.acknowledge()
    assert (well.answers, well.faults[-1].kind) == ([(True, "")], FaultKind.OPERATOR)
    well.restart()
    well.live(0.1)
    assert well.faults[-1].kind is FaultKind.OPERATOR, "hands may be there"
    well.stop()
    well.gate.scene_is_back()
    assert (well.faults[-1].kind, well.faults[-1].text) == (
        FaultKind.OPERATOR,
        "stopped by the operator",
    )
    well.gate.release()
    assert not well.faults[-1]
    well.gate.hold_for_scene(lambda *said: well.answers.append(said))
    well.gate.scene_is_back()
    assert not well.faults[-1]


def test_a_stop_that_cannot_be_written_down_is_in_force_but_not_confirmed(
    well: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    well.stop()
    well.acknowledge()
    ((holds, text),) = well.answers
    assert not holds
    assert "will not outlive" in text
    assert "No space left" in text
    sent = len(well.targets)
    well.act()
    assert all(t.position.tolist() == HOME.tolist() for t, _ in well.targets[sent:])


def test_an_action_that_another_takes_the_place_of_before_its_pose_came_is_recorded(
    well: Desk,
) -> None:
    first = Request(well.moment().stamp + 10_000_000, np.ones(3), False, None)
    well.gate.act(first)
    well.gate.act(Request(first.stamp + 10_000_000, np.ones(3), False, None))
    assert [(r, d.reasons, c) for r, d, c in well.records] == [(first, Reason.NO_POSE, False)]


def test_in_the_end_it_asks_for_a_hold_and_what_waits_is_not_called_executed(well: Desk) -> None:
    well.act()
    well.gate.close()
    assert len(well.targets) == 2
    assert well.targets[1][0].position.tolist() == HOME.tolist()
    assert [(d.reasons, c) for _, d, c in well.records] == [
        (Reason.UNACKNOWLEDGED, False),
        (Reason.STOPPED | Reason.UNACKNOWLEDGED, False),
    ]


def test_acknowledgements_that_nobody_waits_for_change_nothing(well: Desk) -> None:
    for stamp in (0, 1, well.moment().stamp):
        well.gate.acknowledge(stamp, True, Reason(0), "")
    assert well.records == []


@pytest.mark.parametrize("word", ["release", "scene_is_back"])
def test_what_cannot_be_lifted_on_the_disk_goes_on_holding(
    well: Desk, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    well.gate.hold_for_scene(lambda *_: None)
    lift: Callable[[], None] = getattr(well.gate, word)

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", denied)
    with pytest.raises(Exception, match="Permission denied"):
        lift()

    well.live()
    assert well.faults[-1].kind is FaultKind.OPERATOR


# --- the gripper ---

OPENS = (0.0, 0.0, 0.0, -1.0)


@pytest.fixture
def gripping(well: Desk) -> Desk:
    """An arm whose gripper is opening."""
    well.gripper_width = 0.08
    well.restart()
    well.live(0.1)
    well.act(OPENS)
    assert well.grips[-1] is Grip.OPEN
    return well


def test_silence_stops_the_gripper_where_it_is(gripping: Desk) -> None:
    gripping.acknowledge()
    gripping.live(LIMITS.silence + 0.1)
    assert Grip.STOP in gripping.grips
    assert set(gripping.grips[gripping.grips.index(Grip.STOP) :]) == {Grip.STOP}


@pytest.mark.parametrize("mode", [REFLEX, USER_STOPPED, GUIDING])
def test_a_fault_of_the_robot_stops_the_gripper_at_once(gripping: Desk, mode: int) -> None:
    gripping.permission.robot(mode, [], False)
    assert gripping.grips[-1] is Grip.STOP
    gripping.act(OPENS)
    assert gripping.grips[-1] is Grip.STOP, "nothing opens in a fault"


def test_a_robot_that_is_not_heard_of_stops_the_gripper(gripping: Desk) -> None:
    gripping.steady += 2.5
    gripping.tick()
    assert gripping.grips[-1] is Grip.STOP


def test_an_operators_stop_stops_the_gripper_before_the_bridge_has_said_a_word(
    gripping: Desk,
) -> None:
    gripping.stop()
    assert gripping.grips[-1] is Grip.STOP
    gripping.live(0.1)
    gripping.act(OPENS)
    assert gripping.grips[-1] is Grip.STOP


def test_the_end_of_the_gate_stops_the_gripper(gripping: Desk) -> None:
    gripping.gate.close()
    assert gripping.grips[-1] is Grip.STOP


def test_an_action_that_is_out_of_order_leaves_the_gripper_as_it_is(gripping: Desk) -> None:
    before = list(gripping.grips)
    gripping.gate.act(Request(gripping.moment().stamp, np.array(OPENS), False, None))
    assert gripping.grips == before
