from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from fixtures.episodes import write_episode, write_run
from rosbags.highlevel import AnyReader
from wayfarer_common.errors import ConfigError, DataError
from wayfarer_policies.replay.bag import read_episode, read_info
from wayfarer_policies.replay.dataset import Dataset
from wayfarer_policies.replay.recover import recover
from wayfarer_policies.replay.rewrite import merge, relabel_topics, split, write_again
from wayfarer_policies.replay.run_directory import RunDirectory, RunWriter
from wayfarer_policies.replay.verify import GOOD, verify
from wayfarer_replay.run_description import describe


@pytest.fixture
def runs(tmp_path: Path) -> list[Path]:
    return [write_run(tmp_path / "a", 2, 4), write_run(tmp_path / "b", 3, 5)]


def with_goal(run: Path, number: int, goal: str) -> None:
    """Record an episode of the run again, with a goal."""
    file = RunDirectory(run).episode_path(number)
    moved = file.rename(file.with_name("old.mcap"))

    def name(record):  # type: ignore[no-untyped-def]
        record.goal = goal
        return record

    write_again(moved, file, None, record=name)
    moved.unlink()


def test_merged_runs_are_numbered_on_and_hold_the_same_steps(tmp_path: Path, runs: list[Path]) -> None:
    with_goal(runs[1], 2, "1/3")
    made = merge(runs, tmp_path / "out")
    assert made.episodes == 5
    assert verify(tmp_path / "out").code == GOOD
    merged, sources = Dataset.open([tmp_path / "out"]), Dataset.open(runs)
    assert merged.episode_numbers.tolist() == [0, 1, 2, 3, 4]
    assert (merged.transitions == sources.transitions).all()
    assert (merged.frames(merged.transitions) == sources.frames(sources.transitions)).all()
    assert (merged.actions(merged.transitions) == sources.actions(sources.transitions)).all()
    infos = [read_info(file) for file in RunDirectory(tmp_path / "out").episodes().values()]
    assert [info.number for info in infos] == [0, 1, 2, 3, 4]
    assert [info.goal for info in infos] == ["", "", "", "", "3/3"]  # the goal's episode has a new number, too


def test_a_merged_run_says_what_it_was_made_of(tmp_path: Path, runs: list[Path]) -> None:
    configuration = {"actor": {"a": 1}}
    RunWriter(runs[0]).describe({"format": 1, "configuration": configuration, "sessions": [{"host": "x"}]})
    merge(runs, tmp_path / "out")
    content = yaml.safe_load((tmp_path / "out" / "run.yaml").read_text())
    assert [part["run"] for part in content["merged_from"]] == [str(run.resolve()) for run in runs]
    assert [part["episodes"] for part in content["merged_from"]] == [2, 3]
    assert content["merged_from"][0]["description"]["configuration"] == configuration
    assert content["sessions"] == [{"host": "x"}]
    assert "configuration" not in content


def test_what_all_runs_were_recorded_with_stays_the_merged_run_s_own(tmp_path: Path, runs: list[Path]) -> None:
    camera = {"calibration": "/lab/camera.yaml", "rectify": True}
    for run, method in zip(runs, ("goal", "random"), strict=True):
        configuration = {"camera": camera, "actor": {"method": method}}
        RunWriter(run).describe(describe({}, configuration))
    merge(runs, tmp_path / "out")
    content = RunDirectory(tmp_path / "out").description()
    assert content["configuration"] == {"camera": camera}
    assert [part["description"]["configuration"]["actor"]["method"] for part in content["merged_from"]] == [
        *("goal", "random")
    ]
    verdict = verify(tmp_path / "out")
    assert (verdict.code, verdict.findings) == (GOOD, ())  # its digest is that of what is left
    content["configuration"]["camera"]["rectify"] = False
    RunWriter(tmp_path / "out").describe(content)
    assert "its configuration is not the one" in str(verify(tmp_path / "out").findings)


def test_split_parts_hold_the_very_files_and_merge_to_the_same_again(tmp_path: Path, runs: list[Path]) -> None:
    made = split(runs[1], tmp_path / "parts", 2)
    assert [one.episodes for one in made] == [2, 1]
    parts = sorted((tmp_path / "parts").iterdir())
    assert [list(RunDirectory(part).episodes()) for part in parts] == [[0, 1], [2]]
    for part in parts:
        assert verify(part).code == GOOD
    merge(parts, tmp_path / "whole")
    for file in RunDirectory(runs[1]).episodes().values():
        assert (tmp_path / "whole" / file.name).read_bytes() == file.read_bytes()


def test_relabelled_topics_read_as_before_under_their_new_names(tmp_path: Path, runs: list[Path]) -> None:
    relabel_topics(runs[0], tmp_path / "out", {"/wayfarer": "/lab/left"})
    assert verify(tmp_path / "out").code == GOOD
    with AnyReader([tmp_path / "out"]) as reader:
        assert {c.topic for c in reader.connections} >= {"/lab/left/observation/image", "/lab/left/policy/action"}
        assert not [c.topic for c in reader.connections if c.topic.startswith("/wayfarer")]
    for old, new in zip(
        RunDirectory(runs[0]).episodes().values(), sorted((tmp_path / "out").glob("*.mcap")), strict=True
    ):
        before, after = read_episode(old), read_episode(new)
        assert (before.images == after.images).all()
        assert (before.actions == after.actions).all()


def test_one_topic_can_be_renamed_and_a_name_that_does_not_occur_is_refused(tmp_path: Path, runs: list[Path]) -> None:
    relabel_topics(runs[0], tmp_path / "out", {"/wayfarer/sim/object_pose": "/tracker/pose"})
    assert read_episode(tmp_path / "out" / "episode_000000.mcap").object_poses is None
    with pytest.raises(ConfigError, match="has no topic /wayfare"):
        relabel_topics(runs[0], tmp_path / "none", {"/wayfare": "/x"})
    assert not (tmp_path / "none").exists()


every_tool = pytest.mark.parametrize(
    "act",
    [
        lambda run, out: merge([run], out),
        lambda run, out: split(run, out, 1),
        lambda run, out: relabel_topics(run, out, {"/wayfarer": "/x"}),
    ],
    ids=["merge", "split", "relabel"],
)


@every_tool
def test_nothing_is_written_over_and_damage_is_not_handed_on(
    tmp_path: Path, runs: list[Path], act: Callable[[Path, Path], object]
) -> None:
    before = {p.name: p.read_bytes() for p in runs[0].iterdir() if p.is_file()}
    with pytest.raises(ConfigError, match="exists already"):
        act(runs[0], runs[1])
    assert {p.name: p.read_bytes() for p in runs[0].iterdir() if p.is_file()} == before
    damaged = bytearray(before["episode_000001.mcap"])
    damaged[len(damaged) // 2] ^= 1
    (runs[0] / "episode_000001.mcap").write_bytes(damaged)
    with pytest.raises(DataError, match=r"episode_000001\.mcap"):
        act(runs[0], tmp_path / "out")
    assert not (tmp_path / "out").exists()


@every_tool
@pytest.mark.parametrize("harm", ["torn", "missing", "missing and not noted"])
def test_a_run_that_is_not_whole_is_recovered_first(
    tmp_path: Path, runs: list[Path], act: Callable[[Path, Path], object], harm: str
) -> None:
    if harm == "torn":
        write_episode(runs[0], 2, 4, end=None)
    else:
        (runs[0] / "episode_000001.mcap").unlink()
    if harm == "missing and not noted":
        (runs[0] / "SHA256SUMS").unlink()
    with pytest.raises(DataError, match=r"episode_00000[12].*torn or missing.*bag recover"):
        act(runs[0], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    recover(runs[0], tmp_path / "recovered")
    act(tmp_path / "recovered", tmp_path / "out")
