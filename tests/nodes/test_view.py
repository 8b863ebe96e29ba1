"""Somebody who opens RViz or Foxglove while a collection runs; and what of it is in the bag."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from fixtures.graph import VENV, peer, wait_for
from visualization_msgs.msg import Marker
from wayfarer_bags.bag import messages
from wayfarer_bags.message_types import decoded
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_common import contract
from wayfarer_common.conversions import to_nanoseconds
from wayfarer_core import names

LAUNCH = Path(__file__).parents[2] / "launch"
NAMESPACE = "/wayfarer"
SHOWN = (
    contract.CAMERA_IMAGE,
    contract.CAMERA_INFO,
    contract.OBSERVATION_IMAGE,
    contract.WRIST_OBSERVATION,
    contract.WRIST_INFO,
    contract.TF,
    contract.TF_STATIC,
    contract.MARKERS,
    contract.NOVELTY_GOAL,
    contract.GOAL_POSITION,
    contract.NOVELTY_SCORE,
    contract.JOINT_STATES,
)
WITHIN = 60.0  # s, as docs/view.md says


@contextmanager
def launched(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [VENV / "bin" / "wayfarer", "launch", "sim.launch.xml", f"run:={folder}/run", *words]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=os.environ)

    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60.0)
        print((folder / "log").read_text())


def markers(message: Any) -> dict[str, Any]:
    return {marker.ns: marker for marker in message.markers if marker.action == Marker.ADD}


def vector(of: Any) -> list[float]:
    return [of.x, of.y, of.z]


def live(save: Path) -> set[str]:
    """What `wayfarer view live` writes for rerun until Ctrl-C, by its entities."""
    rerun = pytest.importorskip(
        "rerun.chunk", reason="NOT TESTED: rerun is absent: make .venv/.view"
    )
    command = [VENV / "bin" / "wayfarer", "view", "live", "--save", save]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ
    )
    wait_for(
        lambda: save.exists() and save.stat().st_size > 1_000_000,
        "some episodes of two cameras, and all that comes once in each",
        2 * WITHIN,
    )
    process.send_signal(signal.SIGINT)
    said, errors = process.communicate(timeout=60.0)
    assert (process.returncode, errors) == (0, "")
    assert f"messages in {save}" in said

    return {chunk.entity_path for chunk in rerun.RrdReader(save).stream()}


@pytest.mark.slow
def test_who_joins_late_sees_both_cameras_arm_box_target_goal_and_novelty(
    domain: int, tmp_path: Path
) -> None:
    limits = yaml.safe_load((LAUNCH / "config" / "sim.yaml").read_text())["/**/control"][
        "ros__parameters"
    ]
    words = "lockstep:=false", "method:=goal", "steps:=5", "episodes:=1000", "wrist:=true"
    with launched(tmp_path, *words):
        with peer(domain, namespace=NAMESPACE) as first:
            first.listen(contract.COLLECTOR_STATUS)
            wait_for(
                lambda: (s := first.last(contract.COLLECTOR_STATUS)) and s.episodes_done >= 2,
                "two episodes",
                240,
            )

        with peer(domain, namespace=NAMESPACE) as late:
            late.listen(*SHOWN)
            for topic in SHOWN:
                wait_for(lambda topic=topic: late.last(topic), topic.name, WITHIN)

            shown = {"box", "target", "goal"}
            wait_for(
                lambda: shown <= markers(late.last(contract.MARKERS)).keys(),
                f"markers of {shown}",
                WITHIN,
            )

            seen = markers(late.last(contract.MARKERS))
            corners = np.array([vector(p) for p in seen["box"].points])
            np.testing.assert_allclose(corners.min(axis=0), limits["workspace_min"])
            np.testing.assert_allclose(corners.max(axis=0), limits["workspace_max"])
            goals = [vector(m.point) for m in late.heard[names.GOAL_POSITION]]
            assert vector(seen["goal"].pose.position) in goals
            [hand] = late.last(contract.TF).transforms
            standing = late.heard[contract.TF_STATIC.name]
            wait_for(lambda: len(standing) >= 2, "both cameras' frames", WITHIN)
            [eye, wrist] = [frame for message in standing for frame in message.transforms]
            assert (hand.header.frame_id, hand.child_frame_id) == (
                names.BASE_FRAME,
                names.END_EFFECTOR_FRAME,
            )
            assert (eye.header.frame_id, eye.child_frame_id) == (
                names.BASE_FRAME,
                names.CAMERA_FRAME,
            )
            assert eye.child_frame_id == late.last(contract.CAMERA_IMAGE).header.frame_id
            assert (wrist.header.frame_id, wrist.child_frame_id) == (
                names.END_EFFECTOR_FRAME,
                late.last(contract.WRIST_OBSERVATION).header.frame_id,
            )

        told = live(tmp_path / "live.rrd")
        assert {
            "/observation",
            "/wrist",
            "/goal",
            "/base/box",
            "/base/target",
            "/base/goal",
            "/novelty",
        } <= told


@pytest.mark.slow
def test_a_bag_of_lock_step_holds_what_was_shown_and_its_time_is_the_robots_also_when_continued(
    domain: int, tmp_path: Path
) -> None:
    for episodes in (1, 2):
        with launched(tmp_path, "method:=random", "steps:=4", f"episodes:={episodes}") as process:
            wait_for(lambda p=process: p.poll() is not None, "its end", 240)
        assert process.returncode == 0, (tmp_path / "log").read_text()

    before = -1
    for file in RunDirectory(tmp_path / "run").episodes().values():
        held: dict[str, list[Any]] = {}
        for message in messages(file):
            held.setdefault(message.topic.removeprefix(f"{NAMESPACE}/"), []).append(message)

        images, infos = held[names.OBSERVATION_IMAGE], held[names.CAMERA_INFO]
        assert {m.stamp for m in images} <= {m.stamp for m in infos}
        poses = {m.stamp for m in held[names.CURRENT_POSE]}
        assert {
            to_nanoseconds(decoded(m).transforms[0].header.stamp) for m in held[names.TF]
        } == poses
        assert [t.child_frame_id for m in held[names.TF_STATIC] for t in decoded(m).transforms] == [
            names.CAMERA_FRAME
        ]
        assert markers(decoded(held[names.MARKERS][-1])).keys() >= {"box", "target"}

        logged, stamps = (
            np.array([getattr(m, of) for m in images]) for of in ("log_time", "stamp")
        )

        # within a period: the clock may come after the image
        assert np.ptp(logged) == pytest.approx(np.ptp(stamps), abs=0.6e9)
        assert np.ptp([m.publish_time for m in images]) > 0
        everything = [m.log_time for of in held.values() for m in of]
        assert before < min(everything), "in a bag time does not go back"
        before = max(everything)
