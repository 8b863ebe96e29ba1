import json
from pathlib import Path

import pytest
from click.testing import Result
from fixtures.episodes import write_episode, write_run
from typer.testing import CliRunner
from wayfarer_cli.bag import bag
from wayfarer_core.errors import ConfigError


def call(*words: object) -> Result:
    return CliRunner().invoke(bag, [str(word) for word in words])


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", 2, 5)


def test_verify_ends_with_0_for_a_good_run_1_for_a_damaged_and_2_for_none(
    tmp_path: Path, run: Path
) -> None:
    good = call("verify", run)
    assert (good.exit_code, good.stdout) == (
        0,
        "2 of 2 episodes can be read: 10 steps, 0 of them lost. Good.\n",
    )
    file = run / "episode_000001.mcap"
    file.write_bytes(file.read_bytes()[:-1] + b"\0")
    damaged = call("verify", run)
    assert damaged.exit_code == 1
    assert "episode_000001.mcap: is not as it was written" in damaged.stdout
    assert call("verify", tmp_path).exit_code == 2


def test_verify_s_json_says_the_same_to_programs(tmp_path: Path, run: Path) -> None:
    found = json.loads(call("verify", run, "--json").stdout)
    assert (found["code"], found["episodes"], found["steps"], found["findings"]) == (0, 2, 10, [])
    write_episode(run, 2, 5, end=None)
    found = json.loads(call("verify", run, "--json").stdout)
    assert found["code"] == 1
    assert found["findings"][0]["file"] == "episode_000002.mcap.part"
    nothing = call("verify", tmp_path, "--json")
    assert json.loads(nothing.stdout)["code"] == nothing.exit_code == 2


def test_recover_writes_a_new_run_beside_the_old_one_unless_told_to_write(run: Path) -> None:
    write_episode(run, 2, 5, end=None)
    beside = call("recover", run)
    assert beside.exit_code == 0, beside.output
    assert "episode_000002.mcap.part: 5 steps" in beside.stdout
    assert (run / "episode_000002.mcap.part").exists()
    assert call("verify", run.with_name("run.recovered")).exit_code == 0
    within = json.loads(call("recover", run, "--write", "--json").stdout)
    assert (within["code"], within["recovered"][0]["steps"]) == (0, 5)
    assert call("verify", run).exit_code == 0


def test_recover_takes_one_of_write_and_out(tmp_path: Path, run: Path) -> None:
    done = call("recover", run, "--write", "--out", tmp_path / "x")
    assert isinstance(done.exception, ConfigError)


@pytest.mark.slow
def test_merge_split_and_relabel_make_new_runs_that_verify(tmp_path: Path, run: Path) -> None:
    other = write_run(tmp_path / "other", 1, 3)
    assert (
        json.loads(call("merge", run, other, "--out", tmp_path / "m", "--json").stdout)["episodes"]
        == 3
    )
    parts = json.loads(
        call("split", tmp_path / "m", "--every", 2, "--out", tmp_path / "s", "--json").stdout
    )
    assert [part["episodes"] for part in parts] == [2, 1]
    assert call("relabel-topics", run, "/wayfarer=/lab", "--out", tmp_path / "r").exit_code == 0

    for made in (tmp_path / "m", *(part["run"] for part in parts), tmp_path / "r"):
        assert call("verify", made).exit_code == 0


@pytest.mark.parametrize("word", ["wayfarer=/lab", "/wayfarer", "/wayfarer=lab"])
def test_a_renaming_that_is_none_is_refused(tmp_path: Path, run: Path, word: str) -> None:
    done = call("relabel-topics", run, word, "--out", tmp_path / "r")
    assert isinstance(done.exception, ConfigError)
    assert "/old=/new" in str(done.exception)


@pytest.mark.parametrize(
    "words", [["info"], ["merge", "--out", "new"], ["split", "--out", "new"]], ids=lambda w: w[0]
)
def test_what_is_no_run_ends_with_2_and_json_says_why(
    tmp_path: Path, run: Path, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for runs in (
        ([tmp_path / "nowhere"],)
        if words[0] == "split"
        else ([tmp_path / "nowhere"], [run, tmp_path])
    ):
        done = call(words[0], *runs, *words[1:], "--json")
        assert done.exit_code == 2
        told = json.loads(done.stdout)
        assert (told["run"], told["code"]) == (" ".join(map(str, runs)), 2)
        assert str(runs[-1]) in told["error"]
        assert call(words[0], *runs, *words[1:]).exit_code == 2
        assert not (tmp_path / "new").exists()


def test_a_torn_run_is_not_merged_and_json_says_what_to_do(tmp_path: Path, run: Path) -> None:
    write_episode(run, 2, 5, end=None)
    done = call("merge", run, "--out", tmp_path / "new", "--json")
    assert done.exit_code == 2
    assert "bag recover" in json.loads(done.stdout)["error"]
