"""Faults that end by themselves or by an operator's word, in a whole run.

Typed in the bag, and the run goes on.
"""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.graph import VENV, Peer, nodes_of, peer, wait_for
from franka_msgs.msg import FrankaRobotState
from std_srvs.srv import Trigger
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import End, EpisodeInfo
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_common import contract
from wayfarer_core import names
from wayfarer_core.fault import FaultKind
from wayfarer_msgs.msg import CollectorStatus, Fault

pytestmark = pytest.mark.slow

EPISODES, STEPS = 2, 250


class Collection:
    """A collection under way, and the test as an operator beside it."""

    def __init__(self, run: Path, me: Peer, process: "subprocess.Popen[str]") -> None:
        self.run, self.peer, self.process = run, me, process
        me.listen(contract.COLLECTOR_STATUS)

    @property
    def status(self) -> CollectorStatus:
        return self.peer.last(contract.COLLECTOR_STATUS) or CollectorStatus()

    def wait_for_stage(self, stage: str, steps: int = 0) -> None:
        wait_for(
            lambda: self.status.stage == stage and self.status.step >= steps,
            f"stage {stage}",
            120.0,
        )

    def end(self) -> list[EpisodeInfo]:
        output, _ = self.process.communicate(timeout=180.0)
        assert self.process.returncode == 0, output
        assert nodes_of() == {}
        return [read_episode(path).info for path in RunDirectory(self.run).episodes().values()]


@pytest.fixture
def collection(domain: int, tmp_path: Path) -> Iterator[Collection]:
    words = ["--episodes", str(EPISODES), "--steps", str(STEPS), "--out", str(tmp_path / "run")]
    command = [str(VENV / "bin" / "wayfarer"), "collect", "--method", "random", *words]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    try:
        with peer(domain, "/wayfarer") as me:
            yield Collection(tmp_path / "run", me, process)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30.0)


def test_an_operators_stop_ends_the_episode_typed_and_the_run_goes_on_after_the_word(
    collection: Collection,
) -> None:
    collection.wait_for_stage("acting", steps=20)
    assert collection.peer.call(Trigger, names.HOLD, Trigger.Request()).success
    collection.wait_for_stage("faulted")
    assert "wayfarer ack" in collection.status.detail
    assert collection.peer.call(Trigger, names.RELEASE, Trigger.Request()).success
    first, *others = collection.end()
    assert (first.end, first.fault) == (End.ABORTED, FaultKind.OPERATOR)
    assert 20 <= first.steps < STEPS
    assert [(info.end, info.fault, info.steps) for info in others] == [
        (End.TRUNCATED, FaultKind.NONE, STEPS)
    ] * 2


def test_a_reflex_ends_the_episode_typed_and_the_next_one_follows_by_itself(
    collection: Collection,
) -> None:
    collection.wait_for_stage("acting", steps=20)
    robot = collection.peer.publisher(contract.ROBOT_STATE)
    collection.peer.listen(contract.CONTROL_FAULT)
    wait_for(lambda: robot.get_subscription_count() >= 2, "control and recorder to listen")
    wait_for(
        lambda: collection.peer.last(contract.CONTROL_FAULT), "control's word that all is well"
    )

    # the bridge's next state may take a reflex's place before control looks, and ends it after
    def told() -> bool:
        robot.publish(FrankaRobotState(robot_mode=FrankaRobotState.ROBOT_MODE_REFLEX))
        faults = collection.peer.heard[contract.CONTROL_FAULT.name]
        return any(fault.kind == Fault.REFLEX for fault in faults)

    wait_for(told, "control to tell of the reflex")
    first, *others = collection.end()
    assert (first.end, first.fault) == (End.ABORTED, FaultKind.REFLEX)
    assert [(info.end, info.steps) for info in others] == [(End.TRUNCATED, STEPS)] * 2
