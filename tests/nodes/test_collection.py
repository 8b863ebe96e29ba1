"""Whole runs: `wayfarer collect` with all nodes, then what lies in the bag."""

import json
import threading
from pathlib import Path

import numpy as np
import pytest
from fixtures.graph import peer, wait_for, wayfarer
from rosbags.highlevel import AnyReader
from std_srvs.srv import Trigger
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import End
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_common import contract
from wayfarer_core import names


def collect(out: Path, *, episodes: int, steps: int, seed: int = 0, method: str = "random") -> None:
    words = [
        "--target",
        "sim",
        "--method",
        method,
        "--episodes",
        str(episodes),
        "--steps",
        str(steps),
    ]
    done = wayfarer("collect", *words, "--seed", str(seed), "--out", str(out))
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_two_runs_with_one_seed_are_equal_step_by_step(domain: int, tmp_path: Path) -> None:
    runs = [tmp_path / "a", tmp_path / "b"]
    for run in runs:
        collect(run, episodes=2, steps=40, seed=3, method="random-correlated")

    for number in (0, 1):
        a, b = (read_episode(RunDirectory(run).episodes()[number]) for run in runs)
        assert a.steps == b.steps == 40
        assert a.valid.all()
        np.testing.assert_array_equal(a.requested, b.requested)
        np.testing.assert_array_equal(a.actions, b.actions)
        np.testing.assert_array_equal(a.stamps, b.stamps)
        np.testing.assert_array_equal(a.ee_positions, b.ee_positions)
        np.testing.assert_array_equal(a.object_poses, b.object_poses)
        np.testing.assert_array_equal(a.images, b.images)
        assert a.images.std() > 10.0


@pytest.mark.slow
def test_no_step_is_lost_in_two_thousand(domain: int, tmp_path: Path) -> None:
    run = tmp_path / "run"
    collect(run, episodes=2, steps=1000)
    done = wayfarer("bag", "info", str(run), "--json")
    assert done.returncode == 0, done.stderr
    info = json.loads(done.stdout)
    assert (info["episodes"], info["steps"], info["lost_steps"]) == (2, 2000, 0)
    assert info["ends"] == {"truncated": 2}
    assert sum(info["top_faces"].values()) == 2002

    with AnyReader([run]) as reader:
        counts = {c.topic: c.msgcount for c in reader.connections}

    assert counts["/wayfarer/" + names.POLICY_ACTION] == 2000
    assert counts["/wayfarer/" + names.EXECUTED] >= 2000
    assert counts["/wayfarer/" + names.REPLAY_EPISODE] == 4

    for path in RunDirectory(run).episodes().values():
        actions = read_episode(path, with_images=False).actions
        assert np.abs(actions).max() <= 1.0
        assert actions.std() > 0.3


@pytest.mark.slow
def test_the_world_runs_against_the_wall_clock_as_well(domain: int, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = [
        "launch",
        "sim.launch.xml",
        f"run:={run}",
        "lockstep:=false",
        "episodes:=1",
        "steps:=8",
    ]
    done = wayfarer(*words)
    assert done.returncode == 0, done.stderr
    episode = read_episode(RunDirectory(run).episodes()[0])
    assert (episode.steps, episode.lost_steps, episode.info.end) == (8, 0, End.TRUNCATED)
    np.testing.assert_allclose(np.diff(episode.stamps) * 1e-9, 0.5, atol=0.15)


@pytest.mark.slow
def test_a_run_can_be_paused_resumed_and_stopped(domain: int, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = [
        "launch",
        "sim.launch.xml",
        f"run:={run}",
        "episodes:=1000",
        "steps:=20",
        "namespace:=arm",
    ]
    outcome = {}
    thread = threading.Thread(target=lambda: outcome.update(done=wayfarer(*words)))
    thread.start()

    with peer(domain, namespace="arm") as me:
        me.listen(contract.COLLECTOR_STATUS)

        def status():
            return me.last(contract.COLLECTOR_STATUS)

        wait_for(lambda: status() and status().stage == "acting", "the first episode")
        assert me.call(Trigger, names.PAUSE, Trigger.Request()).success
        wait_for(lambda: status().stage == "paused", "the pause")
        paused_at = status().episodes_done
        assert me.call(Trigger, names.RESUME, Trigger.Request()).success
        wait_for(lambda: status().episodes_done > paused_at, "an episode after the pause")
        assert me.call(Trigger, names.STOP, Trigger.Request()).success
        thread.join(60.0)

    assert not thread.is_alive()
    assert outcome["done"].returncode == 0, outcome["done"].stderr
    assert RunDirectory(run).torn() == {}
    assert len(RunDirectory(run).episodes()) < 1000
