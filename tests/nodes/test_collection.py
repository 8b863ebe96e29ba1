"""Whole runs: `wayfarer collect` with all nodes, then what lies in the bag."""

import json
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest
from fixtures.configs import write_config
from fixtures.graph import peer, wait_for, wayfarer
from rosbags.highlevel import AnyReader
from std_srvs.srv import Trigger
from wayfarer_bags.bag import messages, read_episode
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
def test_a_camera_in_the_hand_with_a_clock_of_its_own_gives_each_step_its_newest_image(
    domain: int, tmp_path: Path
) -> None:
    """The simulator against the wall clock, and beside it a second camera that is none of its
    own.
    """
    folder = tmp_path / "images"
    folder.mkdir()
    shown = np.random.default_rng(0).integers(60, 200, (7, 84, 84, 3), dtype=np.uint8)
    for k, pixels in enumerate(shown):
        cv2.imwrite(str(folder / f"{k}.png"), pixels[..., ::-1])

    own = {"source": "folder", "source_path": str(folder), "source_rate": 20.0}
    config = write_config(tmp_path / "config.yaml", wrist_camera=own)
    words = [f"run:={tmp_path}/run", "lockstep:=false", "episodes:=1", "steps:=8", "wrist:=true"]
    with peer(domain, namespace="wayfarer") as me:
        me.listen(contract.WRIST_IMAGE)  # the simulator's own, which the camera node does not hear
        done = wayfarer("launch", "sim.launch.xml", *words, f"config:={config}")

    assert done.returncode == 0, done.stderr
    file = RunDirectory(tmp_path / "run").episodes()[0]
    episode = read_episode(file)
    assert (episode.steps, episode.info.end) == (8, End.TRUNCATED)
    assert (episode.lost_steps, episode.info.lost_steps) == (0, 0)
    assert all((image == shown).all(axis=(1, 2, 3)).any() for image in episode.wrist_images)
    taken = np.array([m.stamp for m in messages(file) if m.name == names.WRIST_OBSERVATION])
    assert len(taken) > 2 * 8, "it comes faster than the steps"
    ages = [(stamp - taken[taken <= stamp].max()) * 1e-9 for stamp in episode.stamps]
    assert np.median(ages) < 0.2
    done = wayfarer("bag", "verify", str(tmp_path / "run"))
    assert done.returncode == 0, done.stdout


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
