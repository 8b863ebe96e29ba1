import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from panda_sim.arm.motions import Deviation, Link, Motions, Move
from panda_sim.protocol.codes import Controller, Fault, Generator, Mode, MoveStatus, RecoveryStatus

FAR = Deviation(10.0, 3.12, 6.28)


def move(command_id: int = 1, path: Deviation = FAR) -> Move:
    return Move(command_id, Controller.EXTERNAL, Generator.JOINT_VELOCITY, path, FAR)


@pytest.fixture
def moving() -> Motions:
    motions = Motions()
    assert motions.start(move()) == MoveStatus.STARTED
    return motions


def statuses(motions: Motions) -> list[object]:
    found = [ended.status for ended in motions.ended]
    motions.ended.clear()
    return found


def pass_time(motions: Motions, cycles: int) -> None:
    for _ in range(cycles):
        motions.cycle()


def test_a_motion_that_is_finished_succeeds(moving: Motions) -> None:
    assert moving.mode == Mode.MOVE
    moving.finish()
    assert statuses(moving) == [MoveStatus.SUCCESS]
    assert moving.mode == Mode.IDLE


def test_a_motion_that_is_stopped_is_preempted_and_stopping_nothing_is_allowed(
    moving: Motions,
) -> None:
    assert moving.stop() == 0
    assert statuses(moving) == [MoveStatus.PREEMPTED]
    assert moving.stop() == 0
    assert statuses(moving) == []


def test_a_reflex_keeps_its_reason_until_the_next_and_its_errors_until_recovery(
    moving: Motions,
) -> None:
    moving.fail([Fault.CARTESIAN_REFLEX])
    assert statuses(moving) == [MoveStatus.REFLEX_ABORTED]
    assert moving.mode == Mode.REFLEX
    assert moving.stop() == 0, "libfranka stops whatever went wrong"
    assert moving.mode == Mode.REFLEX
    assert moving.start(move()) == MoveStatus.NOT_POSSIBLE
    assert moving.recover(9) is None
    assert moving.mode == Mode.RECOVERY
    pass_time(moving, 200)
    assert statuses(moving) == [RecoveryStatus.SUCCESS]
    assert not moving.errors.any()
    assert np.flatnonzero(moving.reflex_reason).tolist() == [Fault.CARTESIAN_REFLEX]


def test_a_user_stop_raises_no_error_and_refuses_all_until_released(moving: Motions) -> None:
    moving.press_user_stop(True)
    assert statuses(moving) == [MoveStatus.USER_STOPPED]
    assert not moving.errors.any()
    assert moving.start(move()) == MoveStatus.NOT_POSSIBLE
    assert moving.recover(3) == RecoveryStatus.NOT_POSSIBLE
    moving.press_user_stop(False)
    assert moving.mode == Mode.IDLE


def test_a_user_stop_ends_a_recovery(moving: Motions) -> None:
    moving.fail([Fault.JOINT_REFLEX])
    moving.ended.clear()
    moving.recover(4)
    moving.press_user_stop(True)
    assert statuses(moving) == [RecoveryStatus.USER_STOPPED]
    moving.press_user_stop(False)
    assert moving.mode == Mode.REFLEX


def test_guiding_ends_a_motion_and_refuses_another(moving: Motions) -> None:
    moving.press_guiding(True)
    assert statuses(moving) == [MoveStatus.ABORTED]
    assert moving.mode == Mode.GUIDING
    assert moving.start(move()) == MoveStatus.NOT_POSSIBLE


@pytest.mark.parametrize("bad", [Deviation(-1.0, 1.0, 1.0), Deviation(np.nan, 1.0, 1.0)])
def test_a_deviation_must_be_a_number_that_is_not_negative(bad: Deviation) -> None:
    assert Motions().start(move(path=bad)) == MoveStatus.INVALID_ARGUMENT


def test_without_a_motion_there_is_no_reflex() -> None:
    motions = Motions()
    motions.fail([Fault.JOINT_REFLEX])
    assert motions.mode == Mode.IDLE


# --- lost answers ---


def test_losses_count_from_the_first_command_on() -> None:
    link = Link()
    assert all(link.cycle(False) for _ in range(100))
    assert link.cycle(True)
    assert (link.lost, link.success_rate) == (0, 1.0)


def test_twenty_lost_in_a_row_are_too_many_and_nineteen_are_not() -> None:
    link = Link()
    link.cycle(True)
    for _ in range(10):
        assert all(link.cycle(False) for _ in range(19))
        assert link.cycle(True)

    assert [link.cycle(False) for _ in range(20)] == [True] * 19 + [False]


def test_the_success_rate_is_of_the_last_hundred_cycles() -> None:
    link = Link()
    for k in range(200):
        link.cycle(k % 4 != 3)
    assert link.success_rate == pytest.approx(0.75)


def test_a_client_that_never_commands_is_given_up() -> None:
    link = Link()
    assert not all(link.cycle(False) for _ in range(1001))


# --- whatever happens ---


class AnyOrder(RuleBasedStateMachine):
    """However events follow one another, each Move and each recovery is answered once."""

    def __init__(self) -> None:
        super().__init__()
        self.motions, self.number = Motions(), 0
        self.due: set[int] = set()

    @rule()
    def move(self) -> None:
        self.number += 1
        if self.motions.start(move(self.number)) == MoveStatus.STARTED:
            self.due.add(self.number)

    @rule()
    def recover(self) -> None:
        self.number += 1
        if self.motions.recover(self.number) is None:
            self.due.add(self.number)

    @rule(pressed=st.booleans())
    def user_stop(self, pressed: bool) -> None:
        self.motions.press_user_stop(pressed)

    @rule(pressed=st.booleans())
    def guide(self, pressed: bool) -> None:
        self.motions.press_guiding(pressed)

    @rule(fault=st.sampled_from(Fault))
    def fail(self, fault: Fault) -> None:
        self.motions.fail([fault])

    @rule(what=st.sampled_from(["stop", "finish", "refuse_input", "cycle"]))
    def do(self, what: str) -> None:
        getattr(self.motions, what)()

    @rule()
    def wait(self) -> None:
        pass_time(self.motions, 200)

    @invariant()
    def every_end_was_due(self) -> None:
        for ended in self.motions.ended:
            self.due.remove(ended.command_id)
        self.motions.ended.clear()

    @invariant()
    def what_is_due_is_under_way(self) -> None:
        assert bool(self.due) == (
            self.motions.move is not None or self.motions.mode == Mode.RECOVERY
        )
        assert (self.motions.mode == Mode.MOVE) == (self.motions.move is not None)


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
