"""RosRobot with the test as the other nodes.

What a fault ends is recorded with its kind, and tried again.
"""

from typing import Any

import pytest
from wayfarer_collector.collaborators import Plan, RosRobot
from wayfarer_collector.scene import NoScene
from wayfarer_collector.waiting import InterruptedWaitError, RefusedError, SilenceError, Waiter
from wayfarer_core import names
from wayfarer_core.errors import DeviceError
from wayfarer_core.fault import DISCARDED, TRIES, FaultKind
from wayfarer_msgs.action import RunEpisode
from wayfarer_msgs.msg import Episode

PLAN = Plan("random", 10, 0, 1.0, "")


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses [s] between two tries, which nobody sits out here."""
    sat_out: list[float] = []
    monkeypatch.setattr(Waiter, "pause", lambda _, seconds: sat_out.append(seconds))
    return sat_out


class Nodes:
    """Answers as the other nodes would.

    `resets` are raised one after the other, where they are errors.
    """

    def __init__(
        self, resets: list[DeviceError | None], fault: int = 0, end: int = Episode.TRUNCATED
    ) -> None:
        self.waiter, self.timeout = Waiter(), 1.0
        self.ended: list[Episode] = []
        self.asked: list[RunEpisode.Goal] = []
        self._resets, self._result = resets, RunEpisode.Result(end=end, steps=10, fault=fault)

    def service(self, kind: Any, name: str, request: Any) -> Any:
        response = kind.Response(success=True)
        if name == names.RESET:
            error = self._resets.pop(0) if self._resets else None
            if error is not None:
                raise error

        if name == names.END_EPISODE:
            response.episode = Episode(
                end=request.end,
                fault=request.fault,
                reason=request.reason,
                steps=request.steps,
                episode=3,
            )
            self.ended.append(response.episode)

        return response

    def action(self, name: str, goal: Any, timeout: float, tell: Any = None) -> Any:
        del name, timeout, tell
        self.asked.append(goal)
        return self._result


def robot(nodes: Nodes, *words: FaultKind) -> RosRobot:
    """`words` is what control says, one word after the other; the last one stays."""
    said, last = iter(words[:-1]), words[-1] if words else FaultKind.NONE

    return RosRobot(
        nodes,
        PLAN,
        0,
        0,
        lambda _: None,
        lambda: None,
        lambda _: next(said, last),
        lambda: 3,
        NoScene(),
    )


@pytest.mark.parametrize(
    ("error", "told", "kind"),
    [
        (RefusedError("robot/reset: cannot go home"), FaultKind.USER_STOP, FaultKind.USER_STOP),
        (RefusedError("robot/reset: cannot go home"), FaultKind.NONE, FaultKind.OTHER),
        (SilenceError("robot/reset gave no answer"), FaultKind.NONE, FaultKind.CONNECTION),
    ],
)
def test_a_reset_that_fails_ends_the_episode_typed_and_it_is_tried_again(
    error: DeviceError, told: FaultKind, kind: FaultKind
) -> None:
    nodes = Nodes([error])
    assert robot(nodes, told).run_episode(None).end == Episode.TRUNCATED
    assert [(e.end, e.fault) for e in nodes.ended] == [
        (Episode.ABORTED, kind),
        (Episode.TRUNCATED, FaultKind.NONE),
    ]
    assert nodes.ended[0].reason == str(error)


def test_a_fault_that_control_tells_after_the_failed_reset_is_what_the_episode_ended_of() -> None:
    nodes = Nodes([RefusedError("robot/reset: cannot go home: connection lost")])
    robot(nodes, FaultKind.NONE, FaultKind.NONE, FaultKind.CONNECTION).run_episode(None)
    assert nodes.ended[0].fault == FaultKind.CONNECTION


def test_between_two_tries_there_is_a_pause_that_grows_to_seconds(pauses: list[float]) -> None:
    with pytest.raises(DeviceError, match="20 episodes in a row"):
        robot(Nodes([], fault=FaultKind.REFLEX, end=Episode.ABORTED)).run_episode(None)
    assert len(pauses) == 19
    assert pauses[:4] == [1.0, 2.0, 4.0, 5.0]
    assert sum(pauses) > 60.0, "a robot that needs a minute is not given up"


def test_a_first_try_does_not_wait(pauses: list[float]) -> None:
    robot(Nodes([])).run_episode(None)
    assert pauses == []


def test_one_fault_after_another_ends_the_collection() -> None:
    nodes = Nodes([], fault=FaultKind.REFLEX, end=Episode.ABORTED)
    with pytest.raises(DeviceError, match="20 episodes in a row"):
        robot(nodes).run_episode(None)

    assert len(nodes.ended) == 20
    assert [goal.attempt for goal in nodes.asked] == list(range(20))
    assert {goal.policy_version for goal in nodes.asked} == {3}


def test_an_aborted_episode_without_a_fault_is_not_tried_again() -> None:
    nodes = Nodes([], end=Episode.ABORTED)
    with pytest.raises(DeviceError, match="episode 3 was aborted"):
        robot(nodes).run_episode(None)
    assert len(nodes.ended) == 1


def test_an_operators_stop_of_the_collector_ends_it_before_the_next_episode() -> None:
    nodes = Nodes([])
    nodes.waiter.stop()
    with pytest.raises(InterruptedWaitError):
        robot(nodes).run_episode(None)
    assert nodes.ended == []


class Discarding(Nodes):
    """Somebody discards so many episodes before one is let through."""

    def __init__(self, discarded: int) -> None:
        super().__init__([])
        self._discarded = discarded

    def action(self, name: str, goal: Any, timeout: float, tell: Any = None) -> Any:
        super().action(name, goal, timeout, tell)
        if len(self.asked) > self._discarded:
            return self._result
        return RunEpisode.Result(end=Episode.ABORTED, steps=4, reason=DISCARDED)


def test_what_a_person_discards_is_done_once_more_at_once_and_as_often_as_they_like(
    pauses: list[float],
) -> None:
    nodes = Discarding(TRIES + 5)
    assert robot(nodes).run_episode(None).end == Episode.TRUNCATED
    assert len(nodes.ended) == TRIES + 6
    assert [goal.attempt for goal in nodes.asked] == list(range(TRIES + 6)), (
        "each with its own randomness"
    )
    assert {goal.episode for goal in nodes.asked} == {0}
    assert pauses == []
