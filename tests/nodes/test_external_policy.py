"""Policies from elsewhere, through the nodes over DDS and in process.

The gate and the bag see no difference.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fixtures.graph import nodes_of, wayfarer
from fixtures.policy_servers import policy_server
from wayfarer_bags.bag import read_episode
from wayfarer_bags.episode import End
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.fault import FaultKind

SIZE = ("--episodes", "2", "--steps", "6", "--seed", "3")
LEROBOT = Path(sys.prefix) / "loaders" / "bin" / "python"

# Policies of LeRobot with fresh weights, as lerobot-train would save them: FOLDER NUMBERS_OF_STATE
# ...
MAKE = """
import sys
import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.factory import make_pre_post_processors

torch.manual_seed(0)
for folder, state in zip(sys.argv[1::2], map(int, sys.argv[2::2])):
    shapes = {"observation.image": ("VISUAL", (3, 84, 84)), "observation.state": ("STATE", (state,))}
    config = ACTConfig(
        input_features={name: PolicyFeature(FeatureType[kind], shape) for name, (kind, shape) in shapes.items()},
        output_features={"action": PolicyFeature(FeatureType.ACTION, (3,))},
        pretrained_backbone_weights=None, chunk_size=4, n_action_steps=2, dim_model=32, n_heads=2, dim_feedforward=32,
        n_encoder_layers=1, n_vae_encoder_layers=1, device="cpu", push_to_hub=False,
    )
    ACTPolicy(config).save_pretrained(folder)
    ones = {"observation.image": torch.ones(3, 1, 1), "observation.state": torch.ones(state), "action": torch.ones(3)}
    stats = {name: {"mean": 0.1 * one, "std": one} for name, one in ones.items()}
    for processor in make_pre_post_processors(config, dataset_stats=stats):
        processor.save_pretrained(folder)
"""


@pytest.fixture(scope="module")
def policies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One that takes the state of an export, and one whose state nobody gives."""
    assert LEROBOT.exists(), "LeRobot is not installed: make .venv/.loaders"
    folder = tmp_path_factory.mktemp("lerobot")
    made = {
        "fits": folder / "fits" / "pretrained_model",
        "wide": folder / "wide" / "pretrained_model",
    }
    environment = {k: v for k, v in os.environ.items() if k != "LD_LIBRARY_PATH"} | {
        "HF_HUB_OFFLINE": "1"
    }
    words = [str(LEROBOT), "-c", MAKE, str(made["fits"]), "21", str(made["wide"]), "5"]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300.0, env=environment)
    assert done.returncode == 0, done.stderr

    return made


@pytest.mark.slow
def test_a_policy_server_acts_through_the_nodes_as_in_process(domain: int, tmp_path: Path) -> None:
    with policy_server() as server:
        words = ("collect", "--method", "external", "--policy", f"external:{server.address}", *SIZE)
        for way, more in (("ros", ()), ("here", ("--in-process",))):
            done = wayfarer(*words, "--out", str(tmp_path / way), *more)
            assert done.returncode == 0, done.stderr

    assert nodes_of() == {}
    runs = {way: RunDirectory(tmp_path / way) for way in ("ros", "here")}
    for number in (0, 1):
        a, b = (read_episode(run.episodes()[number]) for run in runs.values())
        assert (a.info.end, a.info.method, a.steps, a.lost_steps) == (
            End.TRUNCATED,
            "external",
            6,
            0,
        )
        for name in ("requested", "actions", "ee_positions", "object_poses", "images"):
            np.testing.assert_array_equal(getattr(b, name), getattr(a, name), err_msg=name)

        # chunks of four
        assert (a.requested[:, 0] * 100).round().astype(int).tolist() == [0, 0, 0, 0, 4, 4]

        # where the hand was, and the joints
        told = a.ee_positions[0, 0] + 0.01 * a.joint_positions[0].sum()
        assert a.requested[0, 2] == pytest.approx(told)

    acting = runs["ros"].description()["configuration"]["actor"]
    assert (acting["method"], acting["policy_name"]) == ("external", "counting")


@pytest.mark.slow
def test_in_process_a_server_that_does_not_answer_ends_the_command_and_what_was_recorded_stays(
    tmp_path: Path,
) -> None:
    config = tmp_path / "hurried.yaml"
    shipped = (Path(__file__).parents[2] / "launch" / "config" / "sim.yaml").read_text()
    config.write_text(shipped.replace("policy_timeout: 10.0", "policy_timeout: 2.0"))
    words = (
        "--steps",
        "4",
        "--episodes",
        "1",
        "--in-process",
        "--config",
        str(config),
        "--out",
        str(tmp_path / "run"),
    )

    with policy_server("late") as server:
        done = wayfarer(
            "collect", "--method", "external", "--policy", f"external:{server.address}", *words
        )

    assert done.returncode == 1
    assert f"error: policy server {server.address}: nothing came in time" in " ".join(
        done.stderr.split()
    )
    (file,) = RunDirectory(tmp_path / "run").episodes().values()
    episode = read_episode(file)
    assert (episode.info.end, episode.info.fault, episode.steps) == (
        End.ABORTED,
        FaultKind.POLICY,
        1,
    )


@pytest.mark.slow
def test_a_policy_of_lerobot_is_served_from_its_own_environment_judged_and_leaves_no_process(
    domain: int, policies: dict[str, Path]
) -> None:
    folder = policies["fits"]
    done = wayfarer(
        "evaluate",
        "--policy",
        f"lerobot:{folder}",
        "--task",
        "push",
        "--json",
        *SIZE,
        timeout=400.0,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["policy"].startswith("lerobot act ")
    assert (found["task"], found["episodes"]) == ("push", 2)
    run = RunDirectory(Path(found["run"]))
    assert run.path.parent == folder.parent
    assert run.description()["configuration"]["actor"]["policy_name"] == found["policy"]

    for file in run.episodes().values():
        episode = read_episode(file)
        assert (episode.info.end, episode.info.method, episode.steps) == (
            End.TRUNCATED,
            "external",
            6,
        )
        assert episode.requested.std() > 0.001
        assert np.abs(episode.requested).max() <= 1.0

    assert nodes_of() == {}
    assert [
        p for p in Path("/proc").glob("[0-9]*/cmdline") if str(folder).encode() in _bytes(p)
    ] == []


@pytest.mark.slow
def test_a_policy_of_lerobot_that_does_not_fit_is_refused_with_what_would(
    tmp_path: Path, policies: dict[str, Path]
) -> None:
    for folder, python, complaint in (
        (tmp_path, LEROBOT, "it holds no model.safetensors"),
        (
            policies["wide"],
            LEROBOT,
            "it is given one image and observation.state (3: ee_position, 7: ",
        ),
        (policies["fits"], Path("/nowhere/python"), "no Python with LeRobot at /nowhere/python"),
        (policies["fits"], Path(sys.executable), "No module named 'lerobot'"),
    ):
        words = (
            "--policy",
            f"lerobot:{folder}",
            "--lerobot-python",
            str(python),
            "--task",
            "push",
            "--in-process",
        )
        refused = wayfarer("evaluate", *words, timeout=400.0)
        assert refused.returncode == 1
        assert complaint in " ".join(refused.stderr.split()), refused.stderr


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # ended meanwhile
        return b""
