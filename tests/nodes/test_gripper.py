"""The gripper as the fourth number of an action: a cube is picked up and lifted.

Recorded messages of a gamepad, and keys, stand in for hands; the test is their eyes.
"""

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fixtures.gamepad import gamepad
from fixtures.graph import wait_for, wayfarer
from fixtures.hands import Session, collecting
from wayfarer_bags.bag import messages, read_episode
from wayfarer_bags.episode import ActionSource, End, Episode
from wayfarer_bags.joints import gripper_width
from wayfarer_bags.message_types import decoded
from wayfarer_bags.run_directory import RunDirectory, RunWriter
from wayfarer_common import contract
from wayfarer_core import names
from wayfarer_core.cube import EDGE
from wayfarer_core.targets import Grip
from wayfarer_in_process.bag import Recorder
from wayfarer_in_process.config import Configuration, configuration_of
from wayfarer_in_process.hand import KeyboardHand
from wayfarer_in_process.robot import Collected, InProcessRobot
from wayfarer_launch.collection import Collection, launch_arguments
from wayfarer_launch.launch_file import read_launch_file
from wayfarer_launch.nodes import find_launch_file, share_of
from wayfarer_policies.acting.random_policies import StillPolicy
from wayfarer_sim.cube_world import CubeWorld

pytestmark = pytest.mark.slow

WIDE = 0.08  # m
ABOVE, FLOOR, LIFTED = 0.575, -0.068, 0.03  # m: x over the cube, z around it, z of a lifted cube
HELD = (EDGE - 0.003, EDGE + 0.003)  # m between fingers that hold the cube


def assert_lifted(episode: Episode) -> None:
    assert (episode.info.end, episode.lost_steps) == (End.TERMINATED, 0)
    assert episode.requested.shape == episode.actions.shape == (episode.steps, 4)
    assert episode.object_poses is not None
    assert episode.gripper_widths is not None
    start, end = episode.object_poses[0, 2], episode.object_poses[-1, 2]
    assert start < 0.0 < LIFTED < end, "the cube is lifted"
    widths = episode.gripper_widths[:, 0]
    assert np.isfinite(widths).all()
    assert widths[0] < 0.002, "closed at the start"
    assert widths.max() > 0.07
    assert HELD[0] < widths[-1] < HELD[1]

    by_hand = episode.sources == ActionSource.HUMAN
    assert by_hand.any()
    assert (episode.requested[~by_hand] == 0.0).all(), "nobody's hand leaves it as it is"
    assert {-1.0, 1.0} <= set(episode.requested[by_hand, 3].tolist()) <= {-1.0, 0.0, 1.0}
    np.testing.assert_array_equal(episode.actions[:, 3], episode.requested[:, 3])


# --- over DDS ---


@pytest.fixture
def picking(domain: int, tmp_path: Path) -> Iterator[Session]:
    words = ["--method", "teleop", "--device", "gamepad", "--episodes", "1", "--steps", "200"]
    watched = (contract.CURRENT_POSE, contract.OBJECT_POSE, contract.JOINT_STATES)
    yield from collecting(tmp_path, *words, "--gripper-width", str(WIDE), watched=watched)


def test_a_person_with_a_gamepad_picks_the_cube_up_and_lifts_it(
    picking: Session, tmp_path: Path
) -> None:
    def hand(axis: int) -> float:
        p = picking.peer.heard[names.CURRENT_POSE][-1].pose.position
        return (p.x, p.y, p.z)[axis]

    def width() -> float:
        said = picking.peer.heard[names.JOINT_STATES][-1]
        return gripper_width(tuple(said.name), said.position)

    def cube() -> float:
        return float(picking.peer.heard[names.OBJECT_POSE][-1].pose.position.z)

    with gamepad() as pad:
        picking.wait_for_stage("acting")
        picking.begin(pad)
        for held, there in (
            ("open", lambda: width() > 0.07),
            ("creep", lambda: hand(0) > ABOVE),
            ("down", lambda: hand(2) < FLOOR),
            ("close", lambda: HELD[0] < width() < HELD[1]),
            ("up", lambda: cube() > LIFTED),
        ):
            pad.hold(held)
            wait_for(there, held, 60.0)
            pad.hold("rest")

        pad.hold("success")
        (episode,) = picking.end()

    assert_lifted(episode)
    assert {Grip.OPEN, Grip.CLOSE, Grip.KEEP} <= grips_of(picking.run)
    for words in (["bag", "verify"], ["bag", "info"]):
        done = wayfarer(*words, str(picking.run))
        assert done.returncode == 0, done.stdout + done.stderr


def grips_of(run: Path) -> set[Grip]:
    """Return what the gripper was told in a run's first episode."""
    said = messages(RunDirectory(run).episodes()[0])
    return {
        Grip(decoded(message).grip)
        for message in said
        if message.topic.endswith(f"/{names.TARGET_GRIPPER}")
    }


# --- in one process ---


class Fingers:
    """Keys that a person with eyes on the world presses, one after the other."""

    def __init__(self) -> None:
        self.world: CubeWorld | None = None
        self._looks = iter(self._plan())
        self._keys, self._until = next(self._looks)

    def _plan(self) -> Iterator[tuple[str, Callable[[CubeWorld], bool]]]:
        yield "\n", lambda _: True
        yield "o", lambda world: world.gripper_width > 0.07
        yield "2w", lambda world: world.ee_pose[0][0] > ABOVE
        yield "5f", lambda world: world.ee_pose[0][2] < FLOOR
        yield "c", lambda world: HELD[0] < world.gripper_width < HELD[1]
        yield "5r", lambda world: world.cube_pose[0][2] > LIFTED
        while True:
            yield "y", lambda _: True

    def read(self, timeout: float) -> str:
        time.sleep(max(timeout, 0.0))  # as the terminal waits for a key
        assert self.world is not None
        if not self._until(self.world):
            return self._keys

        said = self._keys if self._keys in "\ny" else ""
        self._keys, self._until = next(self._looks)

        return said


def configuration(run: Path) -> Configuration:
    wanted = Collection("sim", "teleop", 1, 100, 0, run, "sequential", None, device="keyboard")
    given = launch_arguments(replace(wanted, gripper_width=WIDE))
    return configuration_of(read_launch_file(find_launch_file("sim.launch.xml"), given, share_of))


def test_a_person_at_the_keys_lifts_it_in_one_process(tmp_path: Path) -> None:
    told, run = configuration(tmp_path / "run"), RunWriter(tmp_path / "run")
    fingers = Fingers()
    hand = KeyboardHand(told.actor, fingers, told.sim_bridge.control_period, by_hand=True, size=4)
    recorder = Recorder(run, told.namespace, wrist=False, gripper_width=told.control.gripper_width)
    collected = Collected(0, 0)
    robot = InProcessRobot(told, StillPolicy(4), recorder, collected, lambda _: None, hand)

    with closing(robot):
        fingers.world = robot._arm.world
        robot.run_episode(None)

    run.release()
    assert_lifted(read_episode(RunDirectory(tmp_path / "run").episodes()[0]))
    assert {Grip.OPEN, Grip.CLOSE, Grip.KEEP} <= grips_of(tmp_path / "run")


# --- both ---


def test_both_ways_of_collecting_move_the_gripper_alike(domain: int, tmp_path: Path) -> None:
    def collect(name: str, *words: str) -> Episode:
        size = ("--method", "random", "--seed", "5", "--episodes", "1", "--steps", "20")
        out = ("--out", str(tmp_path / name), "--gripper-width", "0.06")
        done: subprocess.CompletedProcess[str] = wayfarer(
            "collect", *size, *out, *words, timeout=600.0
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return read_episode(RunDirectory(tmp_path / name).episodes()[0])

    ros, here = collect("ros"), collect("here", "--in-process")
    felt = ("ee_positions", "joint_positions", "gripper_widths", "object_poses", "images")
    for name in ("stamps", "requested", "actions", "reasons", *felt):
        np.testing.assert_array_equal(getattr(here, name), getattr(ros, name), err_msg=name)

    assert here.gripper_widths is not None
    assert 0.05 < here.gripper_widths.max() <= 0.0605
    assert grips_of(tmp_path / "ros") == grips_of(tmp_path / "here") >= {Grip.OPEN, Grip.CLOSE}
