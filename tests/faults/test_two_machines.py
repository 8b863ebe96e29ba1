"""Robot PC and workstation in two network namespaces over real DDS, and the link between them cut
in an episode.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from fixtures.graph import VENV, wait_for, wayfarer
from fixtures.two_machines import two_machines
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import End
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.fault import FaultKind
from wayfarer_core.reason import Reason

pytestmark = pytest.mark.slow

CONTROL_PERIOD = 0.5  # s
BUSY = 1.0  # s that a loaded machine may add
CONFIG = Path(__file__).parents[2] / "launch" / "config" / "sim.yaml"

# runs on the robot's side: writes down when control said what
WITNESS = """
import json, sys, time
import rclpy
from wayfarer_common import contract
rclpy.init()
node = rclpy.create_node("witness", namespace="wayfarer")
def hear(message):
    line = {"at": time.time(), "reasons": message.reasons}
    line |= {"commanded": message.commanded, "step": message.step}
    print(json.dumps(line), flush=True)
topic = contract.EXECUTED
node.create_subscription(topic.type, topic.name, hear, topic.qos)
rclpy.spin(node)
"""


def heard_by(witness: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in witness.read_text().splitlines() if line.startswith("{")]


def ends(run: Path) -> list[End]:
    if not (run / "metadata.yaml").exists():
        return []

    return [
        read_episode(path, with_images=False).info.end
        for path in RunDirectory(run).episodes().values()
    ]


def test_a_link_cut_in_an_episode_holds_the_arm_types_the_end_and_collection_goes_on(
    domain: int, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with two_machines(tmp_path) as (robot_pc, workstation):
        robot_side, _ = robot_pc.wayfarer(
            "launch", "robot_pc.launch.xml", "backend:=sim", f"config:={CONFIG}"
        )
        _, witness = robot_pc.start(
            sys.executable, "-c", WITNESS, ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST"
        )
        words = ["episodes:=3", "steps:=16", "seed:=1", f"config:={CONFIG}"]
        learning_side, output = workstation.wayfarer(
            "launch", "workstation.launch.xml", f"run:={run}", *words
        )

        wait_for(
            lambda: End.TRUNCATED in ends(run) or learning_side.poll() is not None,
            "a whole episode",
            120.0,
        )
        assert learning_side.poll() is None, output.read_text()
        seen = len(heard_by(witness))
        wait_for(lambda: len(heard_by(witness)) >= seen + 4, "the middle of the next")

        robot_pc.set_link("down")
        cut = time.time()
        wait_for(
            lambda: any(h["reasons"] & Reason.SILENT and h["at"] > cut for h in heard_by(witness)),
            "the hold",
        )
        (hold, *_) = (
            h for h in heard_by(witness) if h["reasons"] & Reason.SILENT and h["at"] > cut
        )
        assert hold["commanded"]
        assert hold["at"] - cut < 2 * CONTROL_PERIOD + BUSY
        wait_for(
            lambda: End.ABORTED in ends(run) or learning_side.poll() is not None,
            "the typed end",
            120.0,
        )
        after_hold = [h for h in heard_by(witness) if h["at"] > hold["at"]]
        assert after_hold == [], "nothing is commanded while the link is cut"
        assert robot_side.poll() is None, "the robot's side stays up"

        robot_pc.set_link("up")
        assert learning_side.wait(180.0) == 0, output.read_text()

    episodes = [read_episode(path).info for path in RunDirectory(run).episodes().values()]
    aborted = [episode for episode in episodes if episode.end is End.ABORTED]
    assert len(episodes) - len(aborted) == 3
    assert {FaultKind(episode.fault) for episode in aborted} == {FaultKind.CONNECTION}
    info = wayfarer("bag", "info", str(run), "--json")
    assert info.returncode == 0, info.stderr


# tells whom it sees in the ROS graph
WATCHER = """
import rclpy
rclpy.init()
node = rclpy.create_node("watcher")
while rclpy.ok():
    print(" ".join(sorted(node.get_node_names())), flush=True)
    rclpy.spin_once(node, timeout_sec=0.2)
"""
STRANGER = "import rclpy; rclpy.init(); rclpy.spin(rclpy.create_node('opened'))"


def test_dds_stays_on_its_machine_unless_it_is_opened(
    domain: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ROS_AUTOMATIC_DISCOVERY_RANGE")
    closed = [
        str(VENV / "bin" / "wayfarer"),
        "launch",
        "robot_pc.launch.xml",
        "backend:=sim",
        f"config:={CONFIG}",
    ]
    with two_machines(tmp_path) as (robot_pc, workstation):
        _, at_home = robot_pc.start(
            sys.executable, "-c", WATCHER, ROS_AUTOMATIC_DISCOVERY_RANGE="LOCALHOST"
        )
        _, outside = workstation.start(
            sys.executable, "-c", WATCHER, ROS_AUTOMATIC_DISCOVERY_RANGE="SUBNET"
        )
        robot_pc.start(*closed)
        wait_for(lambda: "control" in at_home.read_text(), "control, seen from its own machine")
        robot_pc.start(sys.executable, "-c", STRANGER, ROS_AUTOMATIC_DISCOVERY_RANGE="SUBNET")
        wait_for(
            lambda: "opened" in outside.read_text(), "an opened node, seen from the other machine"
        )
        assert {"control", "camera", "sim_bridge"}.isdisjoint(outside.read_text().split())
