"""`wayfarer stop` and `wayfarer ack` against the control node, and a scene that waits for the
operator's word.
"""

import json
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.answering import Answering
from fixtures.graph import VENV, node_process, peer, wait_for, wayfarer
from fixtures.shipped import CONTROL
from franka_msgs.msg import FrankaRobotState
from std_srvs.srv import Trigger
from wayfarer_common import contract
from wayfarer_common.conversions import base_pose, to_stamp
from wayfarer_core import names
from wayfarer_msgs.msg import Fault

PATIENT = CONTROL | {"max_age": 10.0, "state_timeout": 60.0, "acknowledge_timeout": 1.0}


def test_stop_is_confirmed_by_control_and_ack_lets_it_go_on(domain: int) -> None:
    with peer(domain) as me, node_process("wayfarer_control", "control", **PATIENT):
        me.listen(contract.CONTROL_FAULT, contract.TARGET_POSE)
        done = wayfarer("stop", "--namespace", "/", "--timeout", "60")
        assert done.returncode == 1, "nobody knows how the arm is: no hold can have been sent"
        assert "robot: no state yet" in " ".join(done.stderr.split())
        pose = base_pose(np.array([0.5, 0.0, 0.2]), np.array([1.0, 0.0, 0.0, 0.0]))
        place, state = me.publisher(contract.CURRENT_POSE), me.publisher(contract.ROBOT_STATE)

        for robot in (place, state):
            wait_for(lambda robot=robot: robot.get_subscription_count() == 1, "control to listen")

        state.publish(FrankaRobotState(robot_mode=FrankaRobotState.ROBOT_MODE_MOVE))
        me.wait_last(
            contract.CONTROL_FAULT, lambda f: f.kind == Fault.OPERATOR, "the robot to be heard"
        )
        done = wayfarer("stop", "--namespace", "/", "--timeout", "60")
        assert done.returncode == 1, "nobody knows where the arm is"
        assert "its place is not known" in " ".join(done.stderr.split())
        pose.header.stamp = to_stamp(time.time_ns())
        place.publish(pose)
        done = wayfarer("stop", "--namespace", "/", "--timeout", "60")
        assert done.returncode == 1, "no bridge has acknowledged the hold"
        assert "not confirmed" in " ".join(done.stderr.split())
        bridge = Answering(me)
        wait_for(bridge.connected, "control to hear the bridge")
        pose.header.stamp = to_stamp(time.time_ns())
        place.publish(pose)
        done = wayfarer("stop", "--namespace", "/", "--timeout", "60")
        assert done.returncode == 0, done.stderr
        assert "holding" in done.stdout
        assert me.last(contract.TARGET_POSE) is not None
        wait_for(
            lambda: any(f.text == "stopped by the operator" for f in me.heard[names.CONTROL_FAULT]),
            "the fault",
        )
        done = wayfarer("ack", "--namespace", "/", "--timeout", "60")
        assert done.returncode == 0, done.stderr
        me.wait_last(
            contract.CONTROL_FAULT, lambda f: f.kind != Fault.OPERATOR, "the end of the fault"
        )


@pytest.mark.parametrize("word", ["stop", "ack"])
def test_a_word_that_nobody_confirms_is_an_error(domain: int, word: str) -> None:
    done = wayfarer(word, "--timeout", "1")
    assert done.returncode == 1
    assert "/wayfarer/control/" in done.stderr
    assert "within 1 s" in done.stderr


def test_a_stop_that_is_refused_is_an_error(domain: int) -> None:
    def refuse(_: Any, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = False, "no pose yet"
        return response

    with peer(domain, namespace="wayfarer") as me:
        me.node.create_service(Trigger, names.HOLD, refuse)
        done = wayfarer("stop", "--timeout", "60")

    assert done.returncode == 1
    assert "refused: no pose yet: use the robot's own stop button" in " ".join(done.stderr.split())


def with_scene(folder: Path, strategy: str, timeout: float = 600.0) -> str:
    shipped = (Path(__file__).parents[2] / "launch/config/sim.yaml").read_text()
    written = folder / "config.yaml"
    written.write_text(
        shipped.replace(
            "    bridge: sim_bridge\n",
            f"    bridge: sim_bridge\n    scene_reset: {strategy}\n    scene_timeout: {timeout}\n",
        )
    )
    assert "scene_reset" in written.read_text()

    return str(written)


@pytest.mark.slow
@pytest.mark.parametrize("word", ["ack", "resume"])
def test_an_episode_waits_until_the_operator_has_put_the_scene_back(
    domain: int, tmp_path: Path, word: str
) -> None:
    run, outcome = tmp_path / "run", {}
    words = ["launch", "sim.launch.xml", f"run:={run}", "episodes:=2", "steps:=5"]
    words.append(f"config:={with_scene(tmp_path, 'operator')}")
    thread = threading.Thread(target=lambda: outcome.update(done=wayfarer(*words)))
    thread.start()

    with peer(domain, namespace="wayfarer") as me:
        me.listen(contract.COLLECTOR_STATUS, contract.CONTROL_FAULT)

        def asked(episodes_done: int) -> bool:
            last = me.last(contract.COLLECTOR_STATUS)
            return bool(
                last and last.episodes_done == episodes_done and "put the scene back" in last.detail
            )

        for number in range(2):
            wait_for(lambda number=number: asked(number), f"the question before episode {number}")
            me.wait_last(
                contract.CONTROL_FAULT,
                lambda f: f.kind == Fault.OPERATOR,
                "the hold while hands are there",
            )
            if word == "ack":
                assert wayfarer("ack", "--timeout", "60").returncode == 0
            else:
                assert me.call(Trigger, names.RESUME, Trigger.Request()).success

        thread.join(120.0)

    assert outcome["done"].returncode == 0, outcome["done"].stderr
    info = json.loads(wayfarer("bag", "info", str(run), "--json").stdout)
    assert (info["episodes"], info["ends"]) == (2, {"truncated": 2})


@pytest.mark.slow
def test_a_collection_ends_when_nobody_puts_the_scene_back_in_time(
    domain: int, tmp_path: Path
) -> None:
    config = with_scene(tmp_path, "operator", timeout=2.0)
    done = wayfarer(
        "launch", "sim.launch.xml", f"run:={tmp_path}/run", "steps:=5", f"config:={config}"
    )
    assert done.returncode == 1
    assert "nobody put the scene back and said `wayfarer ack`; the arm holds" in " ".join(
        done.stderr.split()
    )


@pytest.mark.slow
def test_a_sweep_goes_before_each_episode_and_is_not_recorded(domain: int, tmp_path: Path) -> None:
    run, outcome = tmp_path / "run", {}
    words = ["launch", "sim.launch.xml", f"run:={run}", "episodes:=1", "steps:=5"]
    words.append(f"config:={with_scene(tmp_path, 'sweep')}")
    thread = threading.Thread(target=lambda: outcome.update(done=wayfarer(*words)))
    thread.start()

    with peer(domain, namespace="wayfarer") as me:
        me.listen(contract.COLLECTOR_STATUS, contract.EXECUTED)
        thread.join(170.0)
        stages = [(status.stage, status.detail) for status in me.heard[names.COLLECTOR_STATUS]]
        executed = len(me.heard[names.EXECUTED])

    assert outcome["done"].returncode == 0, outcome["done"].stderr
    assert ("resetting", "scripted motion: sweep") in stages
    assert executed > 100, "the sweep goes through control"
    info = json.loads(wayfarer("bag", "info", str(run), "--json").stdout)
    assert (info["episodes"], info["steps"], info["lost_steps"]) == (1, 5, 0)


@pytest.mark.slow
def test_the_collectors_resume_does_not_lift_an_operators_stop(domain: int, tmp_path: Path) -> None:
    run, outcome = tmp_path / "run", {}
    words = ["launch", "sim.launch.xml", f"run:={run}", "episodes:=1", "steps:=5"]
    words.append(f"config:={with_scene(tmp_path, 'operator')}")
    thread = threading.Thread(target=lambda: outcome.update(done=wayfarer(*words)))
    thread.start()

    with peer(domain, namespace="wayfarer") as me:
        me.listen(contract.COLLECTOR_STATUS, contract.CONTROL_FAULT, contract.EXECUTED)

        def asked() -> bool:
            last = me.last(contract.COLLECTOR_STATUS)
            return last is not None and "put the scene back" in last.detail

        wait_for(asked, "the question")
        assert wayfarer("stop", "--timeout", "60").returncode == 0
        assert me.call(Trigger, names.RESUME, Trigger.Request()).success
        me.wait_last(
            contract.COLLECTOR_STATUS,
            lambda status: "if the arm was stopped" in status.detail,
            "the status",
        )
        moved = [record for record in me.heard[names.EXECUTED] if any(record.executed)]
        assert moved == []
        me.wait_last(
            contract.CONTROL_FAULT, lambda f: f.text == "stopped by the operator", "the fault"
        )
        assert wayfarer("ack", "--timeout", "60").returncode == 0
        thread.join(120.0)

    assert outcome["done"].returncode == 0, outcome["done"].stderr


@pytest.mark.slow
def test_after_an_ack_the_status_says_what_goes_on(domain: int, tmp_path: Path) -> None:
    command = [
        str(VENV / "bin" / "wayfarer"),
        "collect",
        "--method",
        "random",
        "--episodes",
        "100",
        "--steps",
        "200",
    ]
    process = subprocess.Popen(
        [*command, "--out", str(tmp_path / "run")], stderr=subprocess.DEVNULL
    )
    try:
        with peer(domain, namespace="wayfarer") as me:
            me.listen(contract.COLLECTOR_STATUS)

            def says(stage: str) -> bool:
                last = me.last(contract.COLLECTOR_STATUS)
                return last is not None and last.stage == stage

            wait_for(
                lambda: says("acting") and me.last(contract.COLLECTOR_STATUS).step > 3,
                "actions",
                120.0,
            )
            assert wayfarer("stop", "--timeout", "60").returncode == 0
            wait_for(lambda: says("faulted"), "the stop in the status")
            assert "stopped by the operator" in me.last(contract.COLLECTOR_STATUS).detail
            assert wayfarer("ack", "--timeout", "60").returncode == 0
            wait_for(lambda: says("acting"), "the status to go on")
            assert "stopped" not in me.last(contract.COLLECTOR_STATUS).detail
    finally:
        process.terminate()
        process.wait(30.0)
