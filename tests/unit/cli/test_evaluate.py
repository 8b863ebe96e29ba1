"""What `wayfarer evaluate` takes for a trial's own run, and what it does not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from fixtures.episodes import write_run
from wayfarer_bags.run_description import describe
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_cli.evaluate import over_ros
from wayfarer_core.errors import ConfigError
from wayfarer_in_process.config import configuration_of, simulator_launch
from wayfarer_in_process.trial import Other, Trial, try_by, try_in_process
from wayfarer_launch.collection import Collection
from wayfarer_offline.evaluation import Evaluation
from wayfarer_policies.acting.offline_policy import read_policy, write_policy
from wayfarer_policies.algorithms.bcq_networks import Description

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file, description = tmp_path_factory.mktemp("policies") / "policy.safetensors", Description()
    write_policy(
        file,
        description,
        description.build(),
        {"task": "push", "updates": 7, "seed": 0, "data": {}},
    )

    return file


def held(out: Path, policy: Path, change: Change = lambda _: None) -> Trial:
    """Record a run of two episodes as if the trial that is returned had made it, but for one change
    of run.yaml.
    """
    write_run(out, 2, 8)
    checkpoint = (policy, read_policy(policy).sha256)
    wanted = Collection("sim", "offline", 2, 8, 3, out, "sequential", None, checkpoint=checkpoint)
    description = describe({}, configuration_of(simulator_launch(wanted)).description())
    change(description)
    (out / "run.yaml").write_text(yaml.safe_dump(description))

    return Trial(policy, episodes=2, steps=8, seed=3, out=out)


def try_over_ros(trial: Trial) -> Evaluation:
    return try_by(trial, "ros", over_ros())


def of(node: str, **values: Any) -> Change:
    return lambda description: description["configuration"][node].update(values)


def on_a_robot(sha256: str, checkpoint: Path) -> Change:
    """Make it a run of `wayfarer launch hardware.launch.xml`, with parameters a simulator's has
    not.
    """

    def change(description: dict[str, Any]) -> None:
        configuration = description["configuration"]
        del configuration["sim_bridge"]
        configuration["camera"] = {"source": "v4l2"}
        configuration["actor"] |= {"checkpoint": str(checkpoint), "checkpoint_sha256": sha256}

    return change


def test_what_the_trial_itself_recorded_is_counted(tmp_path: Path, policy: Path) -> None:
    trial = held(tmp_path / "run", policy)
    assert len(try_in_process(trial).successes) == len(try_over_ros(trial).successes) == 2


def test_a_policy_may_have_been_moved_since(tmp_path: Path, policy: Path) -> None:
    trial = held(tmp_path / "run", policy, of("actor", checkpoint="/elsewhere/policy.safetensors"))
    assert len(try_in_process(trial).successes) == 2


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (of("actor", checkpoint_sha256="0" * 64), "actor.checkpoint_sha256 was '0000"),
        (
            of("actor", policy_name="lerobot act 1"),
            "actor.policy_name was 'lerobot act 1', is 'none'",
        ),
        (of("collector", method="random"), "collector.method was 'random', is 'offline'"),
        (of("collector", steps=9), "collector.steps was 9, is 8"),
        (of("sim_bridge", hide_robot=True), "sim_bridge.hide_robot was True, is False"),
        (lambda run: run["sessions"][0]["collector"].update(seed=4), "collector.seed was 4, is 3"),
        (lambda run: run.update(configuration={}), "collector.method was None, is 'offline'"),
    ],
    ids=["policy", "server", "method", "steps", "config", "seed", "unknown"],
)
def test_another_trial_s_run_is_not_counted(
    tmp_path: Path, policy: Path, change: Change, complaint: str
) -> None:
    trial = held(tmp_path / "run", policy, change)
    for attempt in (try_in_process, try_over_ros):
        with pytest.raises(ConfigError, match=complaint):
            attempt(trial)
        with pytest.raises(ConfigError, match=complaint):  # nor is it gone on with
            attempt(replace(trial, episodes=3))

    assert len(RunDirectory(tmp_path / "run").episodes()) == 2


def test_a_robot_s_run_is_counted_by_its_policy_s_digest_or_path(
    tmp_path: Path, policy: Path
) -> None:
    sha256 = read_policy(policy).sha256
    for name, change in (
        ("digest", on_a_robot(sha256, Path("/robot/policy.safetensors"))),
        ("path", on_a_robot("none", policy)),
    ):
        assert len(try_over_ros(held(tmp_path / name, policy, change)).successes) == 2

    other = held(tmp_path / "other", policy, on_a_robot("none", Path("/robot/other.safetensors")))
    with pytest.raises(ConfigError, match=r"actor.checkpoint was '/robot/other.safetensors'"):
        try_over_ros(other)

    config = tmp_path / "config.yaml"
    config.write_text("/**/sim_bridge:\n  ros__parameters: {hide_robot: true}\n")
    with pytest.raises(ConfigError, match="no run of the simulator"):
        try_over_ros(
            replace(held(tmp_path / "robot", policy, on_a_robot("none", policy)), config=config)
        )


def test_the_folder_a_trial_is_recorded_in_tells_configurations_apart(
    tmp_path: Path, policy: Path
) -> None:
    read, trial = read_policy(policy), Trial(policy)
    names = {trial.run(read, "ros").name}
    for k, text in enumerate(("{}", "/**/camera: {ros__parameters: {crop_top: 1}}")):
        config = tmp_path / f"config{k}.yaml"
        config.write_text(text)
        names.add(replace(trial, config=config).run(read, "ros").name)
        (copy := tmp_path / f"copy{k}.yaml").write_text(text)
        names.add(replace(trial, config=copy).run(read, "ros").name)

    assert len(names) == 3
    elsewhere = Other(
        "external", "push", "lerobot act 0a/b", ("127.0.0.1:5555", "lerobot act 0a/b"), tmp_path
    )
    assert (
        Trial(elsewhere).run(elsewhere, "ros")
        == tmp_path / "evaluation-lerobot-act-0a-b-200-steps-seed0-ros"
    )
    nowhere = replace(elsewhere, folder=None)

    with pytest.raises(ConfigError, match="say --out"):
        Trial(nowhere).run(nowhere, "ros")

    with pytest.raises(ConfigError, match=r"cannot read the parameter file .*none.yaml"):
        replace(trial, config=tmp_path / "none.yaml").run(read, "ros")
