"""`wayfarer evaluate CHECKPOINT`.

A policy learned offline acts through the nodes, and in process.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from fixtures.graph import wayfarer
from wayfarer_bags.bag import read_episode
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_policies.acting.offline_policy import write_policy
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.bcq_networks import Description

SIZE = ("--episodes", "2", "--steps", "8", "--seed", "3")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    """A policy with fresh weights: what it is worth does not matter here."""
    file, description = tmp_path / "policy.safetensors", Description()
    about = {"task": "flip-yellow", "updates": 7, "seed": 0, "data": {}}
    write_policy(file, description, description.build(), about)
    return file


@pytest.mark.slow
def test_a_policy_acts_through_the_nodes_as_in_process_and_its_successes_are_counted(
    domain: int, policy: Path, tmp_path: Path
) -> None:
    found = {}
    for way, words in (("ros", ()), ("here", ("--in-process",))):
        done = wayfarer(
            "evaluate", str(policy), *SIZE, "--out", str(tmp_path / way), "--json", *words
        )
        assert done.returncode == 0, done.stderr
        found[way] = json.loads(done.stdout)

    assert {**found["ros"], "run": ""} == {**found["here"], "run": ""}
    assert (found["ros"]["task"], found["ros"]["episodes"]) == ("flip-yellow", 2)
    runs = {way: RunDirectory(tmp_path / way) for way in found}

    for number in (0, 1):
        a, b = (read_episode(run.episodes()[number]) for run in runs.values())
        assert a.steps == b.steps == 8
        assert a.lost_steps == b.lost_steps == 0
        assert a.info.method == "offline"
        for name in ("requested", "actions", "ee_positions", "object_poses", "images"):
            np.testing.assert_array_equal(getattr(b, name), getattr(a, name), err_msg=name)

        assert a.requested.std() > 0.001

    first, second = (read_episode(path) for path in runs["ros"].episodes().values())
    assert (first.requested != second.requested).any()  # each episode draws proposals of its own
    described = runs["ros"].description()["configuration"]["actor"]
    assert described["checkpoint"] == str(policy)
    assert described["checkpoint_sha256"] == checkpoint.digest(policy.read_bytes())


@pytest.mark.slow
def test_a_finished_evaluation_is_only_counted_again_and_other_weights_do_not_go_into_its_run(
    policy: Path, tmp_path: Path
) -> None:
    words = ("evaluate", str(policy), *SIZE, "--in-process", "--json")
    first = wayfarer(*words)
    assert first.returncode == 0, first.stderr
    run = Path(json.loads(first.stdout)["run"])
    assert run.parent == policy.parent
    written = {path.name: path.stat().st_mtime_ns for path in run.glob("*.mcap")}
    assert len(written) == 2
    assert wayfarer(*words).stdout == first.stdout
    assert {path.name: path.stat().st_mtime_ns for path in run.glob("*.mcap")} == written
    description = Description()
    write_policy(
        policy,
        description,
        description.build(),
        {"task": "push", "updates": 8, "seed": 0, "data": {}},
    )
    refused = wayfarer(
        *words[:2],
        "--episodes",
        "3",
        "--steps",
        "8",
        "--seed",
        "3",
        "--in-process",
        "--out",
        str(run),
    )
    assert refused.returncode == 1
    assert "checkpoint_sha256" in refused.stderr


def test_what_is_no_policy_is_refused_at_once(tmp_path: Path) -> None:
    for words, complaint in (
        ((str(tmp_path / "none.safetensors"),), "there is no policy"),
        ((), "name either a checkpoint or --goals RUN"),
        (("x", "--goals", "y"), "name either a checkpoint or --goals RUN"),
    ):
        refused = wayfarer("evaluate", *words)
        assert refused.returncode == 1
        assert complaint in refused.stderr
