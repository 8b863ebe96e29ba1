import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from fixtures import episodes as fixture
from fixtures.episodes import stamp_of, write_episode, write_run
from mcap.reader import make_reader
from wayfarer_bags import digests
from wayfarer_bags.bag import OPEN_SUFFIX, read_episode
from wayfarer_bags.episode import End
from wayfarer_bags.run_directory import RunDirectory, RunWriter
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_data.upkeep.recover import KEPT, Outcome, recover, recover_in_place
from wayfarer_data.upkeep.verify import DAMAGED, GOOD, UNUSABLE, verify

STEPS = 40
SIZE = 96  # pixels: several chunks to a file


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", 2, 5)


def contents(run: Path) -> dict[str, bytes]:
    return {str(p.relative_to(run)): p.read_bytes() for p in run.rglob("*") if p.is_file()}


def check(outcome: Outcome) -> None:
    verdict = verify(Path(outcome.out))
    assert not [finding for finding in verdict.findings if finding.damage]
    assert verdict.readable == verdict.episodes == outcome.sound + len(outcome.recovered)


def test_a_torn_episode_becomes_a_finished_one_in_a_new_run_and_the_old_one_stays(
    tmp_path: Path, run: Path
) -> None:
    write_episode(run, 2, STEPS, end=None, size=SIZE)
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "learner.safetensors").write_bytes(b"weights")
    before = contents(run)
    outcome = recover(run, tmp_path / "out")
    assert contents(run) == before
    assert (outcome.code, outcome.sound, outcome.failed) == (GOOD, 2, ())
    check(outcome)
    assert (tmp_path / "out" / "checkpoints" / "learner.safetensors").read_bytes() == b"weights"
    episode = read_episode(tmp_path / "out" / "episode_000002.mcap")
    assert episode.info.end is End.ABORTED
    assert "recovered" in episode.info.reason
    assert episode.steps == outcome.recovered[0].steps == STEPS

    for k in np.flatnonzero(episode.valid):
        assert (episode.images[k] == fixture.expected_image(2, int(k), SIZE)).all()
        assert (episode.actions[k] == fixture.expected_action(2, int(k))).all()


@pytest.mark.slow
def test_only_the_torn_chunk_is_lost_wherever_the_file_ends(tmp_path: Path) -> None:
    whole = write_episode(tmp_path, 1, STEPS, size=SIZE)
    with whole.open("rb") as file:
        summary = make_reader(file).get_summary()

    assert summary is not None
    ends = [chunk.chunk_start_offset + chunk.chunk_length for chunk in summary.chunk_indexes]
    times = [chunk.message_end_time for chunk in summary.chunk_indexes]
    assert len(ends) > 3
    data = whole.read_bytes()
    rng = random.Random(1)
    codes = set()

    for k in range(12):
        length = rng.randrange(len(data))
        run = write_run(tmp_path / f"run{k}", 1, 3)
        (run / f"episode_000001.mcap{OPEN_SUFFIX}").write_bytes(data[:length])
        outcome = recover(run, tmp_path / f"out{k}")
        codes.add(outcome.code)
        check(outcome)
        chunks = sum(end <= length for end in ends)

        if chunks == 0:
            assert outcome.code == DAMAGED
            assert "its first chunk is lost" in outcome.failed[0].why
            continue

        assert outcome.code == GOOD
        episode = read_episode(tmp_path / f"out{k}" / "episode_000001.mcap")
        whole_steps = sum(stamp_of(step) < times[chunks - 1] for step in range(STEPS))
        assert episode.valid[: whole_steps - 1].all()

        for step in np.flatnonzero(episode.seen):
            assert (episode.images[step] == fixture.expected_image(1, int(step), SIZE)).all()

    assert codes == {GOOD, DAMAGED}


def test_a_damaged_chunk_of_a_closed_file_is_left_out_and_its_losses_counted(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "run", 1, STEPS, size=SIZE)
    file = run / "episode_000000.mcap"
    with file.open("rb") as stream:
        summary = make_reader(stream).get_summary()

    assert summary is not None
    data = bytearray(file.read_bytes())
    data[summary.chunk_indexes[2].chunk_start_offset + 200] ^= 1
    file.write_bytes(data)
    outcome = recover(run, tmp_path / "out")
    assert outcome.code == DAMAGED  # something is lost for good
    check(outcome)
    (one,) = outcome.recovered
    assert (one.damaged_chunks, one.torn, one.steps) == (1, False, STEPS)
    episode = read_episode(tmp_path / "out" / "episode_000000.mcap")
    assert 0 < one.lost_steps == episode.lost_steps == episode.info.lost_steps < STEPS
    assert episode.info.end is End.TRUNCATED  # its end record was sound


def test_a_damaged_length_does_not_hide_the_chunks_behind_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, STEPS, size=SIZE)
    file = run / "episode_000000.mcap"
    with file.open("rb") as stream:
        summary = make_reader(stream).get_summary()

    assert summary is not None
    data = bytearray(file.read_bytes())

    # in the length of the second chunk's record
    data[summary.chunk_indexes[1].chunk_start_offset + 5] = 0xFF
    file.write_bytes(data)
    outcome = recover(run, tmp_path / "out")
    check(outcome)
    assert outcome.recovered[0].lost_steps < STEPS / 2


def test_a_damaged_header_byte_costs_nothing(tmp_path: Path, run: Path) -> None:
    file = run / "episode_000001.mcap"
    data = bytearray(file.read_bytes())
    data[20] ^= 1
    file.write_bytes(data)
    outcome = recover(run, tmp_path / "out")
    check(outcome)
    assert (outcome.code, outcome.recovered[0].lost_steps, outcome.recovered[0].damaged_chunks) == (
        GOOD,
        0,
        0,
    )


def test_what_cannot_be_read_is_left_behind_and_never_exit_0(tmp_path: Path, run: Path) -> None:
    (run / "episode_000001.mcap").write_bytes(b"\0" * 5000)
    outcome = recover(run, tmp_path / "out")
    assert outcome.code == DAMAGED
    assert [one.file for one in outcome.failed] == ["episode_000001.mcap"]
    check(outcome)
    (run / "episode_000000.mcap").write_bytes(b"")
    assert recover(run, tmp_path / "nothing").code == UNUSABLE


def test_a_closed_file_that_was_cut_short_is_not_all_there_again(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, STEPS, size=SIZE)
    file = run / "episode_000000.mcap"
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    outcome = recover(run, tmp_path / "out")
    check(outcome)
    assert outcome.code == DAMAGED
    assert (outcome.recovered[0].damaged_chunks, outcome.recovered[0].torn) == (0, True)


@pytest.mark.parametrize("forgotten", ["SHA256SUMS", "metadata.yaml", None])
def test_an_episode_that_is_gone_is_told(tmp_path: Path, run: Path, forgotten: str | None) -> None:
    (run / "episode_000001.mcap").unlink()
    if forgotten is not None:
        (run / forgotten).unlink()

    outcome = recover(run, tmp_path / "out")
    check(outcome)
    assert (outcome.code, outcome.sound, [one.file for one in outcome.failed]) == (
        DAMAGED,
        1,
        ["episode_000001.mcap"],
    )
    assert "is in SHA256SUMS or metadata.yaml, and not there" in outcome.failed[0].why


@pytest.mark.slow
def test_random_harm_never_gives_an_unreadable_file(tmp_path: Path) -> None:
    source = write_run(tmp_path / "run", 1, STEPS, size=SIZE)
    data = (source / "episode_000000.mcap").read_bytes()
    rng = random.Random(2)
    codes = []

    for k in range(20):
        harmed = bytearray(data[: rng.randrange(len(data))] if k % 4 == 0 else data)
        for _ in range(rng.randrange(1, 4)):
            if harmed:
                harmed[rng.randrange(len(harmed))] = rng.randrange(256)

        (source / "episode_000000.mcap").write_bytes(harmed)
        outcome = recover(source, tmp_path / f"out{k}")
        codes.append(outcome.code)
        verdict = verify(Path(outcome.out))
        assert outcome.code != GOOD or verdict.code == GOOD
        assert verdict.readable == verdict.episodes

    assert {DAMAGED, UNUSABLE} == set(codes)  # with one episode that has lost something


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize(
    ("content", "kept"),
    [
        (b"format: 1\nsessions: []\n", True),
        (b"a: [", False),
        (b"sessions: 3\n", False),
        (b"\xff", False),
    ],
)
def test_a_run_yaml_that_is_another_counts_as_it_is_and_one_that_cannot_be_read_is_empty(
    tmp_path: Path, run: Path, in_place: bool, content: bytes, kept: bool
) -> None:
    (run / "run.yaml").write_bytes(content)
    outcome = recover_in_place(run) if in_place else recover(run, tmp_path / "out")
    assert (outcome.code, outcome.sound, [one.file for one in outcome.failed]) == (
        DAMAGED,
        2,
        ["run.yaml"],
    )
    out = run if in_place else tmp_path / "out"
    assert verify(out).code == GOOD
    assert (out / "run.yaml").read_bytes() == (content if kept else b"{}\n")
    assert ("it is kept as it is" if kept else "an empty one takes its place") in outcome.failed[
        0
    ].why

    if in_place:
        assert (run / KEPT / "run.yaml").read_bytes() == content
        assert recover_in_place(run).code == GOOD


def test_metadata_that_is_damaged_is_made_anew(tmp_path: Path, run: Path) -> None:
    before = (run / "metadata.yaml").read_bytes()
    (run / "metadata.yaml").write_bytes(b"\xff" + before)
    recover(run, tmp_path / "out")
    assert (tmp_path / "out" / "metadata.yaml").read_bytes() == before
    assert recover_in_place(run).code == verify(run).code == GOOD
    assert (run / "metadata.yaml").read_bytes() == before


def test_another_recorder_s_bag_is_not_mended_here(tmp_path: Path, run: Path) -> None:
    file = (run / "episode_000000.mcap").rename(tmp_path / "alone.mcap")
    for act in (lambda: recover(file, tmp_path / "out"), lambda: recover_in_place(file)):
        with pytest.raises(DataError, match=r"alone\.mcap is another recorder's bag"):
            act()


# --- in place ---


def test_in_place_the_originals_are_kept_beside_the_run(run: Path) -> None:
    torn = write_episode(run, 2, 5, end=None)
    ruin = run / "episode_000001.mcap"
    ruin.write_bytes(b"\0" * 5000)
    originals = {path.name: path.read_bytes() for path in (torn, ruin)}
    outcome = recover_in_place(run)
    check(outcome)
    assert outcome.code == DAMAGED
    assert {path.name: path.read_bytes() for path in (run / KEPT).iterdir()} == originals
    assert list(RunDirectory(run).episodes()) == [0, 2]
    assert RunDirectory(run).torn() == {}
    assert verify(run).code == GOOD


def test_in_place_an_episode_that_is_gone_stays_noted(run: Path) -> None:
    noted = digests.read(run)
    (run / "episode_000001.mcap").rename(run.with_name("elsewhere"))
    for _ in range(2):  # every time
        outcome = recover_in_place(run)
        assert (outcome.code, [one.file for one in outcome.failed]) == (
            DAMAGED,
            ["episode_000001.mcap"],
        )
        assert {**digests.read(run), "metadata.yaml": noted["metadata.yaml"]} == noted
        assert "episode_000001.mcap" in {finding.file for finding in verify(run).findings}

    run.with_name("elsewhere").rename(run / "episode_000001.mcap")
    assert recover_in_place(run).code == verify(run).code == GOOD


def test_a_run_that_is_being_recorded_is_not_touched(run: Path) -> None:
    recorder = RunWriter(run)
    before = contents(run)
    with pytest.raises(ConfigError, match="another recorder is writing"):
        recover_in_place(run)

    assert contents(run) == before
    recorder.release()


def test_a_sound_run_stays_as_it_is(run: Path) -> None:
    before = {k: v for k, v in contents(run).items() if k.endswith(".mcap") or k == "SHA256SUMS"}
    outcome = recover_in_place(run)
    assert (outcome.code, outcome.sound, outcome.recovered) == (GOOD, 2, ())
    assert {k: v for k, v in contents(run).items() if k in before} == before


def test_an_existing_directory_is_never_written_to(tmp_path: Path, run: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        recover(run, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_digest_list_that_is_damaged_is_made_anew(tmp_path: Path, run: Path) -> None:
    (run / "SHA256SUMS").write_text("one two three\n")
    check(recover(run, tmp_path / "out"))
    recover_in_place(run)
    assert verify(run).code == GOOD
    shutil.rmtree(run / KEPT)
