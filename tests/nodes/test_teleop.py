"""A person at a device, over real DDS on the simulator.

Recorded messages of a gamepad stand in for hands.
"""

import json
import os
import pty
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fixtures.gamepad import gamepad
from fixtures.graph import VENV, node_process, nodes_of, peer, wait_for, wayfarer
from fixtures.hands import Session, collecting
from geometry_msgs.msg import TwistStamped
from rclpy.qos import qos_profile_sensor_data
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import ActionSource, End, Episode
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_common import contract
from wayfarer_core import names
from wayfarer_core.fault import DISCARDED, FaultKind
from wayfarer_msgs.msg import Action, TeleopCommand
from wayfarer_teleop.params import TWIST

pytestmark = pytest.mark.slow


@pytest.fixture
def by_hand(domain: int, tmp_path: Path) -> Iterator[Session]:
    words = ["--method", "teleop", "--device", "gamepad", "--episodes", "2", "--steps", "200"]
    yield from collecting(tmp_path, *words)


def test_demonstrations_are_moved_held_ended_discarded_and_lost_as_the_person_and_the_device_have_it(
    by_hand: Session, tmp_path: Path
) -> None:
    with gamepad() as pad:
        by_hand.wait_for_stage("acting")
        assert "start" in by_hand.status.detail
        pad.hold("left")
        pad.hold("rest")
        assert by_hand.actions == [], "it waits for the person's word"

        by_hand.begin(pad)
        pad.hold("forward")
        by_hand.wait_for_actions(4, Action.HUMAN)
        pad.hold("pushed, dead man released")
        by_hand.wait_for_actions(3, Action.POLICY)
        pad.hold("success")
        by_hand.wait_for_stage("acting", episodes_done=1)

        by_hand.begin(pad)
        pad.hold("discard")
        wait_for((by_hand.run / "episode_000001.mcap").exists, "the discarded episode's file")
        by_hand.begin(pad)
        pad.hold("left")
        by_hand.wait_for_actions(3, Action.HUMAN)
        killed = pad.kill()

    wait_for((by_hand.run / "episode_000002.mcap").exists, "the lost episode's file")
    with gamepad() as pad:
        by_hand.begin(pad)
        pad.hold("failure")
        episodes = by_hand.end()

    succeeded, discarded, lost, failed = episodes
    ends = [(e.info.end, e.info.fault) for e in episodes]
    assert ends == [
        (End.TERMINATED, FaultKind.NONE),
        (End.ABORTED, FaultKind.NONE),
        (End.ABORTED, FaultKind.CONNECTION),
        (End.TRUNCATED, FaultKind.NONE),
    ]
    assert discarded.info.reason == DISCARDED
    assert "the device is lost" in lost.info.reason
    assert "failure" in failed.info.reason
    assert (succeeded.lost_steps, failed.lost_steps) == (0, 0)

    moved = succeeded.sources == ActionSource.HUMAN
    assert_as_asked(succeeded.requested[moved], [0.7, 0.0, 0.0])
    assert (succeeded.requested[~moved] == 0.0).all()
    first, last = np.flatnonzero(moved)[[0, -1]]
    way = succeeded.ee_positions[last + 1] - succeeded.ee_positions[first]
    assert way[0] > 0.1, "it went forward"
    np.testing.assert_allclose(way[1:], 0.0, atol=0.02)
    still = succeeded.ee_positions[last + 2 :]
    assert len(still) >= 2
    np.testing.assert_allclose(still, np.tile(still[0], (len(still), 1)), atol=0.01)

    assert_held_in_time(lost, killed)
    assert_used_as_any_other_run(by_hand.run, tmp_path)


def assert_as_asked(requested: np.ndarray, wish: list[float]) -> None:
    """Each action of a person is their wish, or a hold where a busy machine let it grow too old.

    Most are no hold.
    """
    moving = np.abs(requested).max(axis=1) > 0.0
    np.testing.assert_allclose(requested[moving], np.tile(wish, (moving.sum(), 1)), atol=1e-6)
    assert moving.mean() > 0.5


def assert_held_in_time(lost: Episode, killed: float) -> None:
    """The first action of a device that is gone is a hold, one and a half control periods later at
    most.
    """
    stamps = lost.stamps[: lost.steps] * 1e-9
    period = float(np.median(np.diff(stamps)))
    moving = np.abs(lost.requested).max(axis=1) > 0.0
    assert moving[stamps < killed].any()
    holds = stamps[~moving & (stamps > killed)]
    assert holds[0] - killed <= 1.5 * period
    assert not moving[stamps >= holds[0]].any()


def assert_used_as_any_other_run(run: Path, tmp_path: Path) -> None:
    info = json.loads(wayfarer("bag", "info", str(run), "--json").stdout)
    assert info["ends"] == {"terminated": 1, "aborted": 2, "truncated": 1}
    for words in (
        ["bag", "verify", str(run)],
        ["report", str(run), "--out", str(tmp_path / "page.html")],
        [
            "train",
            "position",
            str(run),
            "--epochs",
            "1",
            "--seeds",
            "1",
            "--out",
            str(tmp_path / "position"),
        ],
        ["export", "minari", str(run), str(tmp_path / "hands-v0")],
    ):
        done = wayfarer(*words)
        assert done.returncode == 0, (words, done.stdout, done.stderr)

    assert names.TELEOP_COMMAND in (run / "metadata.yaml").read_text()


def test_velocities_of_a_program_are_wishes_and_its_silence_is_passed_on(domain: int) -> None:
    node = node_process("wayfarer_teleop", "teleop", device="topic", full_speed=0.5, silence=0.5)
    with node, peer(domain) as me:
        me.listen(contract.TELEOP_COMMAND)
        program = me.node.create_publisher(TwistStamped, TWIST, qos_profile_sensor_data)
        wait_for(lambda: program.get_subscription_count() == 1, "the node to listen")
        twist = TwistStamped()
        twist.twist.linear.x, twist.twist.linear.y = 0.25, float("nan")
        program.publish(twist)
        twist.twist.linear.y = -1.0
        wait_for(lambda: program.publish(twist) or me.last(contract.TELEOP_COMMAND), "a command")
        command = me.last(contract.TELEOP_COMMAND)
        assert (command.engaged, command.action.tolist()) == (True, [0.25, -1.0, 0.0])

        # stands for the actor
        me.node.create_subscription(TeleopCommand, names.TELEOP_COMMAND, lambda _: None, 10)

        def complains() -> bool:
            return (
                "teleop" in me.health
                and "nothing on /teleop/twist for 0.5 s" in me.health["teleop"].message
            )

        wait_for(complains, "its complaint")
        assert all(np.isfinite(c.action).all() for c in me.heard[names.TELEOP_COMMAND])


def test_a_terminals_keys_are_wishes_and_ctrl_c_gives_the_terminal_back(domain: int) -> None:
    ours, theirs = pty.openpty()
    words = [
        str(VENV / "lib" / "wayfarer_teleop" / "keyboard"),
        "--ros-args",
        "-r",
        "__ns:=/wayfarer",
    ]
    with peer(domain, "/wayfarer") as me:
        me.listen(contract.TELEOP_COMMAND)
        process = subprocess.Popen(
            words, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        try:
            heard = me.heard[names.TELEOP_COMMAND]

            def has_asked(action: list[float], engaged: bool = True) -> bool:
                return any((c.engaged, c.action.tolist()) == (engaged, action) for c in heard)

            wait_for(lambda: has_asked([0.0, 0.0, 0.0], engaged=False), "silence of the keys")
            wait_for(lambda: os.write(ours, b"0w") and has_asked([1.0, 0.0, 0.0]), "the key w")
            heard.clear()
            wait_for(lambda: heard and not heard[-1].engaged, "its release")
            os.write(ours, b"\n")
            wait_for(lambda: [c.mark for c in heard if c.mark] == [TeleopCommand.START], "the mark")
        finally:
            process.terminate()
            output, _ = process.communicate(timeout=30.0)

    assert process.returncode == 0, output
    assert "space stop" in output
    os.close(theirs)
    os.close(ours)


def test_a_collection_in_one_process_is_driven_by_the_keys_of_its_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    run = tmp_path / "run"
    words = [
        "collect",
        "--method",
        "teleop",
        "--device",
        "keyboard",
        "--in-process",
        "--episodes",
        "1",
    ]
    command = [str(VENV / "bin" / "wayfarer"), *words, "--steps", "100", "--out", str(run)]

    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(command, stdin=theirs, stdout=said, stderr=subprocess.STDOUT)

    try:
        wait_for(
            lambda: "Enter start" in (tmp_path / "said").read_text(),
            "the keys to be explained",
            120.0,
        )
        for number, ending in enumerate((b"x", b"y")):  # the first is discarded
            part = run / f"episode_{number:06d}.mcap.part"
            wait_for(part.exists, "the episode's file", 120.0)
            held = time.monotonic() + 3.0  # s a person holds the key: six periods
            wait_for(
                lambda held=held: os.write(ours, b"\n9d") and time.monotonic() > held,
                "the key to be let go",
            )
            closed = part.with_suffix("")
            wait_for(
                lambda end=ending, closed=closed: os.write(ours, end) and closed.exists(), "its end"
            )

        assert process.wait(60.0) == 0, (tmp_path / "said").read_text()
    finally:
        process.kill()
        process.wait(10.0)
        os.close(theirs)
        os.close(ours)

    discarded, kept = (
        read_episode(path, with_images=False) for path in RunDirectory(run).episodes().values()
    )
    assert (discarded.info.end, discarded.info.reason) == (End.ABORTED, DISCARDED)
    assert (kept.info.end, kept.lost_steps) == (End.TERMINATED, 0)
    by_hand = kept.sources == ActionSource.HUMAN
    assert by_hand.any()
    np.testing.assert_allclose(
        kept.requested[by_hand], np.tile([0.0, -0.9, 0.0], (by_hand.sum(), 1)), atol=1e-6
    )
    assert kept.ee_positions[-1, 1] < kept.ee_positions[0, 1]


@dataclass
class Typist:
    """Whoever presses the keys of a terminal, and the collection that runs in it."""

    session: Session
    keys: int  # where they go
    terminal: int

    def press(self, keys: bytes, until: Callable[[], object], what: str) -> None:
        """Press keys again and again, as a keyboard repeats them."""
        wait_for(lambda: os.write(self.keys, keys) and until(), what, 120.0)

    def actions_of(self, source: int, keys: bytes) -> list[Action]:
        """Press keys until four actions of one source have come from now on; return them."""
        before = len(self.session.actions)

        def of_it() -> list[Action]:
            return [action for action in self.session.actions[before:] if action.source == source]

        self.press(keys, lambda: len(of_it()) >= 4, f"four actions of source {source}")

        return of_it()

    def begin(self) -> None:
        before = len(self.session.actions)
        self.press(b"\n", lambda: len(self.session.actions) > before, "the start")


@pytest.fixture
def typist(domain: int, tmp_path: Path) -> Iterator[Typist]:
    keys, terminal = pty.openpty()
    words = ["--method", "teleop", "--device", "keyboard", "--episodes", "2", "--steps", "200"]
    for session in collecting(tmp_path, *words, terminal=terminal):
        yield Typist(session, keys, terminal)

    os.close(terminal)
    os.close(keys)


def test_a_collection_over_ros_is_driven_by_the_keys_of_its_terminal(typist: Typist) -> None:
    session, as_before = typist.session, termios.tcgetattr(typist.terminal)
    session.wait_for_stage("acting")
    session.peer.listen(contract.TELEOP_COMMAND)
    heard = session.peer.heard[names.TELEOP_COMMAND]
    typist.press(b"w", lambda: any(command.engaged for command in heard), "the key to be heard")
    assert session.actions == [], "it waits for Enter"
    typist.press(b" ", lambda: not heard[-1].engaged, "the key to be let go")

    typist.begin()
    typist.actions_of(Action.HUMAN, b"9d")
    held = typist.actions_of(Action.POLICY, b" ")  # the space bar lets go
    assert all(not np.any(action.action) for action in held[1:]), "nobody's hand: it holds"
    discarded_file = session.run / "episode_000000.mcap"
    typist.press(b"x", discarded_file.exists, "the discarded episode's file")

    typist.begin()
    typist.actions_of(Action.HUMAN, b"0w")
    os.write(typist.keys, b" y")
    session.wait_for_stage("acting", episodes_done=1)

    typist.begin()
    os.write(typist.keys, b"\x03")  # Ctrl-C
    output, _ = session.process.communicate(timeout=180.0)
    assert session.process.returncode == 130, output
    wait_for(lambda: nodes_of() == {}, "the nodes to end")
    assert termios.tcgetattr(typist.terminal) == as_before, "the terminal is given back"

    files = RunDirectory(session.run).episodes().values()
    discarded, kept, stopped = (read_episode(path, with_images=False) for path in files)
    assert (discarded.info.end, discarded.info.reason) == (End.ABORTED, DISCARDED)
    assert_as_asked(discarded.requested[discarded.sources == ActionSource.HUMAN], [0.0, -0.9, 0.0])
    assert (kept.info.end, kept.lost_steps) == (End.TERMINATED, 0)
    assert_as_asked(kept.requested[kept.sources == ActionSource.HUMAN], [1.0, 0.0, 0.0])
    assert kept.ee_positions[-1, 0] > kept.ee_positions[0, 0] + 0.05, "it went forward"
    assert stopped.info.end is End.ABORTED


@pytest.fixture
def assisted(domain: int, tmp_path: Path) -> Iterator[Session]:
    words = ["--method", "random", "--device", "gamepad", "--episodes", "2", "--steps", "25"]
    yield from collecting(tmp_path, *words)


def test_a_person_takes_over_from_a_policy_while_they_hold_the_button_and_gives_back_on_release(
    assisted: Session,
) -> None:
    with gamepad() as pad:
        assisted.wait_for_actions(3, Action.POLICY)
        pad.hold("forward")
        assisted.wait_for_actions(3, Action.HUMAN)
        pad.hold("pushed, dead man released")
        given_back = assisted.wait_for_actions(3, Action.POLICY)
        assert all(np.abs(action.action).max() > 0.0 for action in given_back), (
            "the policy acts, and does not hold"
        )
        pad.hold("success")
        assisted.wait_for_stage("acting", episodes_done=1)
        pad.hold("rest")
        assisted.wait_for_actions(2, Action.POLICY)
        pad.hold("left")
        assisted.wait_for_actions(2, Action.HUMAN)
        killed = pad.kill()
        wait_for((assisted.run / "episode_000001.mcap").exists, "the lost episode's file")

    # the policy goes on by itself, in an episode that nobody holds
    first, lost, last = assisted.end()
    assert (first.info.end, lost.info.end, last.info.end) == (
        End.TERMINATED,
        End.ABORTED,
        End.TRUNCATED,
    )
    assert lost.info.fault is FaultKind.CONNECTION
    assert_held_in_time(lost, killed)
    by_hand = first.sources == ActionSource.HUMAN
    assert by_hand.any()
    assert_as_asked(first.requested[by_hand], [0.7, 0.0, 0.0])
    assert (np.abs(first.requested[~by_hand]).max(axis=1) > 0.0).all()
    assert (last.sources == ActionSource.POLICY).all()

    info = json.loads(wayfarer("bag", "info", str(assisted.run), "--json").stdout)
    assert info["human_steps"] == sum(
        int((e.sources == ActionSource.HUMAN).sum()) for e in (first, lost, last)
    )
    assert info["human"][0]["episode"] == 0
    assert "steps chosen by a person" in wayfarer("bag", "info", str(assisted.run)).stdout
