import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fixtures import episodes as fixture
from fixtures.episodes import PERIOD, executed_message, stamp_of, write_episode, write_run
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcap.reader import make_reader
from wayfarer_bags import digests
from wayfarer_bags.files.chunks import survey
from wayfarer_bags.run_directory import RunDirectory, RunWriter
from wayfarer_core import names
from wayfarer_core.errors import DataError
from wayfarer_data.upkeep.recover import recover
from wayfarer_data.upkeep.verify import DAMAGED, GOOD, UNUSABLE, Verdict, verify


def said(verdict: Verdict, damage: bool | None = None) -> str:
    return "\n".join(
        f"{f.file}: {f.what}" for f in verdict.findings if damage is None or f.damage == damage
    )


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", 3, 5)


def test_a_sound_run_is_good_and_nothing_is_said(run: Path) -> None:
    verdict = verify(run)
    assert said(verdict) == ""
    assert verdict.code == GOOD
    assert (verdict.episodes, verdict.readable, verdict.steps, verdict.lost_steps) == (3, 3, 15, 0)


def test_verifying_changes_nothing(run: Path) -> None:
    before = {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in run.iterdir()}
    verify(run)
    assert {p.name: (p.stat().st_mtime_ns, p.read_bytes()) for p in run.iterdir()} == before


@pytest.mark.slow
def test_every_one_of_200_random_single_byte_corruptions_is_found(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, 12, size=48)
    (file,) = run.glob("*.mcap")
    data = file.read_bytes()
    rng = random.Random(5)
    found = 0

    for _ in range(200):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= rng.randrange(1, 256)
        file.write_bytes(damaged)
        verdict = verify(run)
        found += verdict.code in (
            DAMAGED,
            UNUSABLE,
        ) and "episode_000000.mcap: is not as it was" in said(verdict, True)

    assert found == 200
    file.write_bytes(data)
    assert verify(run).code == GOOD


@pytest.mark.slow
def test_every_one_of_200_single_flips_over_every_file_of_a_run_is_found(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 3, 6)
    written(
        run,
        {
            "format": 1,
            "configuration": {"control": {"max_speed": 0.45}},
            "sessions": [{"host": "h"}],
        },
    )
    files = sorted(path for path in run.iterdir() if path.name != "run.lock")
    assert [path.name for path in files] == [
        *("SHA256SUMS", "episode_000000.mcap", "episode_000001.mcap", "episode_000002.mcap"),
        *("metadata.yaml", "run.yaml"),
    ]
    rng, found = random.Random(11), 0

    for k in range(200):
        file = files[k % len(files)]
        data = file.read_bytes()
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        file.write_bytes(damaged)
        verdict = verify(run)
        found += verdict.code in (DAMAGED, UNUSABLE)
        assert said(verdict, True), file
        file.write_bytes(data)

    assert found == 200
    assert (verify(run).code, said(verify(run))) == (GOOD, "")


@pytest.mark.parametrize("name", ["run.yaml", "metadata.yaml", "SHA256SUMS"])
def test_every_single_flip_in_what_lies_beside_the_episodes_is_found(
    tmp_path: Path, name: str
) -> None:
    run = write_run(tmp_path / "run", 1, 1)
    data = (run / name).read_bytes()
    for at in range(0, len(data), 1 if name != "metadata.yaml" else 7):
        for bit in range(8) if name == "run.yaml" else (at % 8,):
            damaged = bytearray(data)
            damaged[at] ^= 1 << bit
            (run / name).write_bytes(damaged)
            assert verify(run).code == DAMAGED, (at, bit)


@pytest.mark.parametrize("byte", range(8))
def test_a_length_beyond_all_bounds_is_damage_too(tmp_path: Path, byte: int) -> None:
    run = write_run(tmp_path / "run", 1, 3)
    (file,) = run.glob("*.mcap")
    # behind opcode, length and both times: the size unpacked
    flip(file, survey(file).chunks[0].start + 9 + 16 + byte)
    assert verify(run).code in (DAMAGED, UNUSABLE)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_byte_may_be_the_corrupted_one(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    run = write_run(tmp_path_factory.mktemp("runs") / "run", 1, 3)
    (file,) = run.glob("*.mcap")
    content = bytearray(file.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    file.write_bytes(content)
    assert verify(run).code in (DAMAGED, UNUSABLE)


def flip(file: Path, at: int) -> None:
    data = bytearray(file.read_bytes())
    data[at] ^= 255
    file.write_bytes(data)


def test_damage_in_a_chunk_is_named_with_its_place(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, 40, size=96)
    (file,) = run.glob("*.mcap")
    with file.open("rb") as stream:
        summary = make_reader(stream).get_summary()

    assert summary is not None
    second = summary.chunk_indexes[1]
    start, end = second.chunk_start_offset, second.chunk_start_offset + second.chunk_length
    flip(file, end - 20)
    told = said(verify(run), damage=True)
    assert f"chunk 2 of {len(summary.chunk_indexes)} (bytes {start} to {end}) is damaged" in told
    assert "is not as it was written: its SHA-256 is" in told


def test_damage_outside_the_chunks_is_said_to_be_there(run: Path) -> None:
    file = run / "episode_000001.mcap"
    flip(file, file.stat().st_size - 60)  # in the footer's neighbourhood
    verdict = verify(run)
    assert verdict.code == DAMAGED
    assert "episode_000001.mcap: is not as it was written" in said(verdict, True)
    assert "episode_000000" not in said(verdict)


@pytest.mark.parametrize("length", [0, 4, 9, 300, -1])
def test_a_file_cut_short_is_damaged(run: Path, length: int) -> None:
    file = run / "episode_000002.mcap"
    file.write_bytes(file.read_bytes()[:length])
    verdict = verify(run)
    assert verdict.code == DAMAGED
    assert (verdict.episodes, verdict.readable) == (3, 2)
    assert "episode_000002.mcap" in said(verdict, True)


def test_bytes_behind_the_end_are_found(run: Path) -> None:
    with (run / "episode_000000.mcap").open("ab") as file:
        file.write(b"more")
    assert "the bytes behind its footer are not MCAP's last ones" in said(verify(run), True)


def test_a_file_without_a_digest_is_checked_by_mcap_s_own_sums_and_that_is_said(run: Path) -> None:
    (run / digests.NAME).unlink()
    verdict = verify(run)
    assert verdict.code == GOOD
    assert (
        "SHA256SUMS: has no digest of episode_000000.mcap, episode_000001.mcap, episode_0000"
        in said(verdict, False)
    )


# --- steps ---


def test_losses_the_recorder_did_not_count_are_damage(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, 6, lost_images=[3], lost_executed=[0], final=False)
    verdict = verify(run)
    assert verdict.code == DAMAGED
    told = said(verdict, True)
    assert "no image at step 3; the recorder counted 0 lost steps, there are 4" in told
    assert "no next image at step 2, 5" in told
    assert "no executed record at step 0" in told


def test_steps_without_an_image_of_the_wrist_are_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, 6, wrist=True, lost_wrist=[3])
    verdict = verify(run)
    said = " ".join(finding.what for finding in verdict.findings)
    assert "no image of the wrist at step 3" in said
    assert "no next image of the wrist at step 2" in said
    assert verdict.lost_steps == 2


def test_steps_without_a_pose_are_named(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, 6, lost_poses=[2], lost_truth=[4, 5])
    verdict = verify(run)
    assert (verdict.code, verdict.lost_steps) == (DAMAGED, 2)
    told = said(verdict, True)
    assert (
        "no pose of the end effector at step 2; the recorder counted 0 lost steps, there are 2"
        in told
    )
    assert "no next pose of the end effector at step 1" in told
    assert "no pose of the object at step 4, 5" in said(verdict, False)
    counted = write_run(tmp_path / "counted", 1, 6, lost_poses=[2], record={"lost_steps": 2})
    assert verify(counted).code == GOOD
    assert "no pose of the end effector at step 2" in said(verify(counted), False)


def test_stamps_that_go_back_are_named(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "run")
    run.describe({"format": 1})
    earlier = [(names.POLICY_ACTION, fixture.action_message(0, 9))]
    path = write_episode(run.path, 0, 4, before=earlier)
    run.add(path)
    told = said(verify(run.path), True)
    assert "it has actions up to step 9, its record says 4 steps" in told
    assert "the stamps do not increase at step" in told
    assert stamp_of(9) - stamp_of(4) == 5 * PERIOD


def test_actions_out_of_range_are_named(tmp_path: Path) -> None:
    run = RunWriter(tmp_path / "run")
    wild = executed_message(0, 2, stamp_of(2))
    wild.executed[:] = 1.5
    run.add(write_episode(run.path, 0, 4, before=[(names.EXECUTED, wild)]))
    assert "the executed action leaves [-1, 1] at step 2" in said(verify(run.path), True)


def test_a_file_under_another_s_number_is_found(run: Path) -> None:
    shutil.copy(run / "episode_000000.mcap", run / "episode_000009.mcap")
    told = said(verify(run))
    assert "episode_000009.mcap: its record says that it is episode 0" in told
    assert "metadata.yaml: does not list episode_000009.mcap" in told


# --- the run around the files ---


def written(run: Path, description: dict[str, Any]) -> None:
    """Describe a run as its recorder does."""
    recorder = RunWriter(run)
    recorder.describe(description)
    recorder.release()


def test_a_changed_configuration_is_found_by_its_digest(run: Path) -> None:
    from wayfarer_bags.run_description import describe

    content = describe({}, {"control": {"max_step": 0.125}})
    written(run, content)
    assert verify(run).code == GOOD
    content["configuration"]["control"]["max_step"] = 0.2
    written(run, content)
    assert "run.yaml: its configuration is not the one" in said(verify(run), True)


def test_sessions_of_different_versions_are_told_and_are_no_damage(run: Path) -> None:
    sessions = [{"versions": {"torch": "2.13.0"}}, {"versions": {"torch": "2.14.0"}}]
    written(run, {"format": 1, "sessions": sessions})
    verdict = verify(run)
    assert verdict.code == GOOD
    assert "different versions of torch: 2.13.0, 2.14.0" in said(verdict, False)


@pytest.mark.parametrize("name", ["run.yaml", "metadata.yaml"])
@pytest.mark.parametrize("stage", ["staged", "noted"])
def test_a_recorder_that_is_killed_while_it_writes_beside_the_episodes_damages_nothing(
    run: Path, name: str, stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(*_: object) -> None:
        raise Killed

    recorder = RunWriter(run)
    old = recorder.description()
    act = {
        "run.yaml": lambda: recorder.describe({**old, "sessions": [{"host": "new"}]}),
        "metadata.yaml": recorder.write_metadata,
    }
    monkeypatch.setattr(digests, "note" if stage == "staged" else "give_name", kill)

    with pytest.raises(Killed):
        act[name]()

    monkeypatch.undo()
    recorder.release()
    verdict = verify(run)
    assert (verdict.code, said(verdict, True)) == (GOOD, "")
    new = stage == "noted" and name == "run.yaml"
    assert RunDirectory(run).description() == (
        {**old, "sessions": [{"host": "new"}]} if new else old
    )
    again = RunWriter(run)  # goes on, and gives what was noted its name
    assert again.description() == RunDirectory(run).description()
    again.release()
    assert verify(run).code == GOOD
    assert not (run / f"{name}.new").exists() or stage == "staged"


def test_a_run_without_digests_of_what_changes_says_so(run: Path) -> None:
    noted = digests.read(run)
    digests.replace(run, {name: digest for name, digest in noted.items() if name.endswith(".mcap")})
    verdict = verify(run)
    assert verdict.code == GOOD
    assert (
        said(verdict) == "SHA256SUMS: has no digest of run.yaml and metadata.yaml: not all is seen"
    )


def test_a_run_that_lost_its_run_yaml_is_damaged_and_its_episodes_are_there(
    run: Path, tmp_path: Path
) -> None:
    (run / "run.yaml").unlink()
    verdict = verify(run)
    assert (verdict.code, verdict.readable) == (DAMAGED, 3)
    assert "run.yaml: cannot read" in said(verdict, True)
    assert "run.yaml: is in SHA256SUMS, and not there" in said(verdict, True)
    recover(run, tmp_path / "out")
    assert verify(tmp_path / "out").code == GOOD


def delete_an_episode(run: Path) -> None:
    (run / "episode_000001.mcap").unlink()


def change(name: str, content: bytes, noted: bool = True) -> Callable[[Path], None]:
    """Put other bytes in a file's place.

    Not `noted`: in a run of before digests of such files were noted.
    """

    def act(run: Path) -> None:
        (run / name).write_bytes(content)
        if not noted:
            digests.replace(
                run, {key: value for key, value in digests.read(run).items() if key != name}
            )

    return act


LONE = b"a: [x, \xff]\n"


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (change("run.yaml", b"format: 1"), "run.yaml is not as it was written: its SHA-256 is "),
        (change("run.yaml", b"a: ["), "run.yaml: cannot read"),
        (change("run.yaml", b"a: [", noted=False), "run.yaml: while parsing a flow node"),
        (change("run.yaml", LONE, noted=False), "run.yaml: byte 7 is not UTF-8"),
        (
            change("run.yaml", b"sessions: {a: 1}", noted=False),
            "run.yaml: its sessions are no list of mappings",
        ),
        (
            change("run.yaml", b"configuration: {a: 1}", noted=False),
            "its configuration of 'a' is no mapping of names",
        ),
        (
            change("metadata.yaml", b"nothing\n"),
            "metadata.yaml is not as it was written: its SHA-256 is ",
        ),
        (
            change("metadata.yaml", b"nothing\n", noted=False),
            "cannot be read, so `ros2 bag` cannot open the bag",
        ),
        (
            change("metadata.yaml", LONE, noted=False),
            "cannot be read, so `ros2 bag` cannot open the bag: byte 7",
        ),
        (
            change("metadata.yaml", b"", noted=False),
            "cannot be read, so `ros2 bag` cannot open the bag: ",
        ),
        (
            change("SHA256SUMS", b"one two three\n"),
            "SHA256SUMS: line 1 is not a digest and the name of one file more",
        ),
        (change("SHA256SUMS", LONE), "SHA256SUMS: 'utf-8' codec can't decode"),
        (delete_an_episode, "episode_000001.mcap: is in SHA256SUMS, and not there"),
    ],
)
def test_what_lies_beside_the_episodes_is_checked(
    run: Path, harm: Callable[[Path], None], words: str
) -> None:
    harm(run)
    verdict = verify(run)
    assert verdict.code == DAMAGED
    assert words in said(verdict, True)


def test_a_torn_episode_is_damage_unless_it_is_being_recorded(run: Path) -> None:
    write_episode(run, 3, 5, end=None)
    verdict = verify(run)
    assert verdict.code == DAMAGED
    assert "episode_000003.mcap.part: its recorder was killed; 5 steps of it can be read" in said(
        verdict, True
    )
    recorder = RunWriter(run)
    assert verify(run).code == GOOD
    recorder.release()


def test_an_empty_run_and_one_of_ruins_are_unusable_and_no_run_is_an_error(
    tmp_path: Path, run: Path
) -> None:
    assert verify(write_run(tmp_path / "empty", 0, 0)).code == UNUSABLE
    for file in run.glob("*.mcap"):
        file.write_bytes(b"\0" * 100)

    assert verify(run).code == UNUSABLE
    with pytest.raises(DataError, match="is not a run"):
        verify(tmp_path)


def test_progress_counts_files(run: Path) -> None:
    heard: list[tuple[int, int]] = []
    verify(run, lambda done, total: heard.append((done, total)))
    assert heard == [(0, 3), (1, 3), (2, 3), (3, 3)]
