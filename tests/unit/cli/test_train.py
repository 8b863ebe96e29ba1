"""`wayfarer train` on small recorded runs, through the command itself."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from fixtures.episodes import write_run
from typer.testing import CliRunner
from wayfarer_cli.main import app
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_policies.acting.offline_policy import read_policy
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.algorithms.bcq import BCQ


def run(*words: object) -> str:
    """Return what the command prints."""
    done = CliRunner().invoke(app, ["train", *map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [
        write_run(tmp_path / "a", 4, 15, size=36),
        write_run(tmp_path / "b", 2, 15, size=36),
    ]


def test_a_predictor_is_trained_for_each_run_and_seed_and_tested_on_one_test_set(
    runs: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    found = json.loads(run("position", *runs, "--epochs", 1, "--seeds", 2, "--out", out, "--json"))
    assert found["target"] == "position"
    assert list(found["datasets"]) == ["a", "b"]
    a, b = found["datasets"].values()
    assert (a["train_images"], b["train_images"]) == (64 - 3, 32 - 2)
    assert a["test_images"] == b["test_images"] == 5
    assert a["labels"] == "recorded truth"
    assert a["error_mm"] > 0
    assert a["seeds"] == 2
    assert {path.name for path in out.iterdir()} == {
        *(f"{name}-seed{seed}.safetensors" for name in "ab" for seed in (0, 1)),
        "results.json",
        "results.png",
    }
    results = json.loads((out / "results.json").read_text())["results"]
    assert [result["seed"] for result in results["a"]] == [0, 1]


def test_finished_predictors_are_kept_and_other_settings_need_another_folder(
    runs: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ("color", runs[0], "--epochs", 1, "--out", out, "--json")
    first = json.loads(run(*words, "--seeds", 1))
    file = out / "a-seed0.safetensors"
    before = file.stat().st_mtime_ns
    second = json.loads(run(*words, "--seeds", 2))
    assert file.stat().st_mtime_ns == before
    assert (first["datasets"]["a"]["seeds"], second["datasets"]["a"]["seeds"]) == (1, 2)

    with pytest.raises(ConfigError, match=r"another training: config was .*; choose a new folder"):
        run("color", runs[0], "--epochs", 2, "--out", out)

    with pytest.raises(ConfigError, match="another training: datasets was"):
        run("color", runs[0], runs[1], "--epochs", 1, "--out", out)


def test_predictors_of_a_version_without_devices_are_kept(runs: list[Path], tmp_path: Path) -> None:
    words = ("color", runs[0], "--epochs", 1, "--seeds", 1, "--out", tmp_path, "--device", "cpu")
    run(*words)
    file = tmp_path / "a-seed0.safetensors"
    saved = checkpoint.read(file, "predictor")
    del saved.values["result"]["config"]["device"]
    checkpoint.write(file, "predictor", saved)

    before = file.stat().st_mtime_ns
    run(*words)
    assert file.stat().st_mtime_ns == before


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA device")
def test_a_device_that_is_not_there_is_refused_before_anything_is_written(
    runs: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    for words in (("color",), ("position",), ("bcq", "--task", "push")):
        with pytest.raises(ConfigError, match="finds no CUDA device"):
            run(*words, *runs, "--out", out, "--device", "cuda")

    assert not out.exists()


def test_predictors_tested_on_other_images_are_not_set_beside_each_other(
    runs: list[Path], tmp_path: Path
) -> None:
    words = ("color", "--epochs", 1, "--seeds", 1, "--out", tmp_path / "out", "--json")
    run(*words, *runs)
    before = {file: file.stat().st_mtime_ns for file in (tmp_path / "out").glob("*.safetensors")}
    like_b = write_run(tmp_path / "c", 2, 15, size=36)  # as many images

    for others in ((runs[0], like_b), (runs[1], runs[0])):
        with pytest.raises(ConfigError, match="another training: datasets was"):
            run(*words, *others)

    run(*words, *(path.parent / "b" / ".." / path.name for path in runs))  # the same by other paths
    assert {file: file.stat().st_mtime_ns for file in before} == before
    shutil.rmtree(runs[1])
    write_run(runs[1], 2, 15, size=36)  # recorded anew under the same name

    with pytest.raises(ConfigError, match="another training: datasets was"):
        run(*words, *runs)


def test_a_run_given_twice_is_refused_lest_its_test_images_be_trained_on(
    runs: list[Path], tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(runs[0])
    for again in (runs[0], link):
        with pytest.raises(DataError, match="a run is given twice"):
            run("color", runs[0], again, "--epochs", 1, "--out", tmp_path / "out")


def test_the_table_names_every_colour_and_the_blind_guess(runs: list[Path], tmp_path: Path) -> None:
    printed = run(
        "color",
        runs[0],
        "--epochs",
        1,
        "--seeds",
        1,
        "--out",
        tmp_path / "out",
        "--split",
        "episodes",
    )
    for words in (
        "accuracy",
        "on unseen pictures",
        "yellow",
        "cyan",
        "guess without looking",
        "results.png",
    ):
        assert words in printed


def test_two_runs_of_one_name_are_told_apart(runs: list[Path], tmp_path: Path) -> None:
    other = write_run(tmp_path / "other" / "a", 2, 15, size=36)
    words = (
        "color",
        runs[0],
        other,
        "--epochs",
        1,
        "--seeds",
        1,
        "--out",
        tmp_path / "out",
        "--json",
    )
    assert list(json.loads(run(*words))["datasets"]) == ["0-a", "1-a"]


@pytest.mark.slow
def test_bcq_learns_from_all_runs_together_and_goes_on(tmp_path: Path) -> None:
    out, runs = tmp_path / "out", [write_run(tmp_path / name, 3, 15, size=84) for name in "ab"]
    words = ("bcq", *runs, "--task", "push", "--seeds", 2, "--encoder-steps", 2, "--out", out)
    found = json.loads(run(*words, "--steps", 3, "--json"))
    assert found["task"] == "push"
    assert [policy["updates"] for policy in found["policies"]] == [3, 3]
    assert {policy["data"]["steps"] for policy in found["policies"]} == {90}
    assert {Path(policy["policy"]).parent.name for policy in found["policies"]} == {
        "seed0",
        "seed1",
    }
    assert (out / "curves.png").stat().st_size > 1000
    printed = run(*words, "--steps", 5)
    assert read_policy(out / "seed0" / "policy.safetensors").updates == 5
    assert "wayfarer evaluate" in printed
    assert "learned from 90 steps" in printed


def test_a_dead_encoder_is_said_once_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dead(BCQ):
        def __init__(self, *given: Any) -> None:
            super().__init__(*given)
            with torch.no_grad():
                self.networks.encoder.dense.weight.zero_()
                self.networks.encoder.dense.bias.fill_(-1.0)

    monkeypatch.setattr("wayfarer_offline.train_bcq.BCQ", Dead)
    words = ("bcq", write_run(tmp_path / "a", 3, 15, size=84), "--task", "push", "--seeds", 1)
    more = ("--steps", 3, "--recipe", "paper", "--out", tmp_path / "out")
    done = CliRunner().invoke(app, ["train", *map(str, (*words, *more))], catch_exceptions=False)
    said = " ".join(done.stderr.split())  # as wide as the terminal
    assert said.count("the encoder is dead") == 1
    assert "update 1: " in said
    assert "--recipe practical" in said


def test_what_cannot_be_learned_is_an_error_that_says_why(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match="flip-green pays 0 after every one of the 60 steps"):
        run("bcq", runs[0], "--task", "flip-green", "--steps", 3, "--out", tmp_path / "x")

    with pytest.raises(ConfigError, match="choose from flip-white"):
        run("bcq", runs[0], "--task", "fly", "--out", tmp_path / "x")

    with pytest.raises(
        DataError, match=r"images are \(3, 36, 36\) .*, the networks take \(3, 84, 84\)"
    ):
        run("bcq", runs[0], "--task", "push", "--out", tmp_path / "x")

    blind = write_run(tmp_path / "blind", 1, 5, size=36, truth=False)
    with pytest.raises(DataError, match="does not tell where the cube was"):
        run("position", blind, "--out", tmp_path / "x")

    empty = write_run(tmp_path / "empty", 0, 5)
    with pytest.raises(DataError, match="holds no episode"):
        run("color", empty, "--out", tmp_path / "x")

    assert not (tmp_path / "x").exists()
