"""Bags compressed as a whole, as `ros2 bag record --compression-mode file` leaves them."""

import random
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml
from backports import zstd
from fixtures import episodes as fixture
from fixtures.episodes import write_episode
from wayfarer_bags.episode import Episode
from wayfarer_bags.files import unpacking
from wayfarer_bags.files.chunks import survey
from wayfarer_bags.files.unpacking import plain_file
from wayfarer_bags.run_directory import RunWriter
from wayfarer_core.errors import DataError
from wayfarer_data.cache.buffer import recording
from wayfarer_data.upkeep.verify import DAMAGED, GOOD, UNUSABLE, verify

STEPS = 6


@pytest.fixture
def bag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two episodes in two files with checksums in their chunks, as rosbag2's own writer makes them,
    then packed.
    """
    run = RunWriter(tmp_path / "bag")
    run.add(write_episode(run.path, 0, STEPS))
    with monkeypatch.context() as patch:
        patch.setattr(fixture, "START", fixture.START + 100 * fixture.PERIOD)
        run.add(write_episode(run.path, 1, STEPS))

    run.release()
    for name in ("run.yaml", "SHA256SUMS", "run.lock"):
        (run.path / name).unlink(missing_ok=True)

    for file in run.path.glob("*.mcap"):
        file.with_name(file.name + ".zstd").write_bytes(zstd.compress(file.read_bytes()))
        file.unlink()

    path = run.path / "metadata.yaml"
    content = yaml.safe_load(path.read_text())
    about = content["rosbag2_bagfile_information"]
    about |= {"compression_format": "zstd", "compression_mode": "FILE"}
    about["relative_file_paths"] = [f"bag/{name}.zstd" for name in about["relative_file_paths"]]
    path.write_text(yaml.safe_dump(content))

    return run.path


def files(bag: Path) -> list[Path]:
    return sorted(bag.glob("*.zstd"))


def load(path: Path) -> list[Episode]:
    (source,) = recording(path).sources()
    return list(recording(path).load(source))


def spoil_a_chunk(file: Path) -> None:
    """Change a byte in the chunk of a file, and pack it again."""
    with plain_file(file) as plain:
        chunk, data = survey(plain).chunks[0], bytearray(plain.read_bytes())
    data[(chunk.start + chunk.end) // 2] ^= 1
    file.write_bytes(zstd.compress(bytes(data)))


def same(a: list[Episode], b: list[Episode]) -> bool:
    return len(a) == len(b) and all(
        np.array_equal(one.images, other.images)
        and np.array_equal(one.actions, other.actions, equal_nan=True)
        for one, other in zip(a, b, strict=True)
    )


def test_a_sound_one_is_good_as_a_whole_and_file_by_file(bag: Path) -> None:
    verdict = verify(bag)
    assert (verdict.code, verdict.episodes, verdict.steps, verdict.lost_steps) == (
        GOOD,
        2,
        2 * STEPS,
        0,
    )
    assert verdict.findings == ()

    for number, file in enumerate(files(bag)):
        alone = verify(file)
        assert (alone.code, alone.steps, alone.findings) == (GOOD, STEPS, ())
        assert [episode.info.number for episode in load(file)] == [number]


@pytest.mark.slow
def test_none_of_200_random_single_byte_corruptions_passes_for_good_and_reads_otherwise(
    bag: Path,
) -> None:
    (file, _), whole, rng = files(bag), load(files(bag)[0]), random.Random(3)
    data, found, harmless = file.read_bytes(), 0, 0
    for _ in range(200):
        damaged = bytearray(data)
        damaged[rng.randrange(len(data))] ^= rng.randrange(1, 256)
        file.write_bytes(damaged)
        verdict = verify(file)

        # a byte that no message depends on: packed, it has no checksum of its own
        if verdict.code == GOOD:
            assert same(load(file), whole)
            harmless += 1
        else:
            assert file.name in str(verdict.findings)
            found += 1

    assert (found + harmless, found > 180) == (200, True)
    file.write_bytes(data)
    assert verify(file).code == GOOD


def test_one_damaged_file_of_two_is_named_and_the_other_is_checked_too(bag: Path) -> None:
    first, second = files(bag)
    first.write_bytes(first.read_bytes()[:-40])
    spoil_a_chunk(second)
    verdict = verify(bag)
    assert verdict.code == UNUSABLE  # nothing can be read of a bag with a file that does not unpack
    told = {finding.file: finding.what for finding in verdict.findings if finding.file != bag.name}
    assert f"{first} is damaged: zstd stops behind" in told[first.name]
    assert "chunk 1 of" in told[second.name]


def test_damage_inside_a_file_that_unpacks_is_named_with_its_chunk(bag: Path) -> None:
    _, second = files(bag)
    spoil_a_chunk(second)
    verdict = verify(bag)
    # a bag's episodes are told apart by all that is in it
    assert (verdict.code, verdict.episodes) == (UNUSABLE, 0)
    assert f"file='{second.name}', what='chunk 1 of" in str(verdict.findings)


def test_no_more_is_unpacked_than_there_is_room_for(
    bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = files(bag)[0]
    file.write_bytes(zstd.compress(bytes(80_000_000)))
    assert file.stat().st_size < 10_000
    usage = shutil.disk_usage(bag)
    monkeypatch.setattr(unpacking.shutil, "disk_usage", lambda _: usage._replace(free=20_000_000))

    with pytest.raises(
        DataError, match=r"zstd unpacks to more than 0\.01 GB, half of what is free in .*TMPDIR"
    ):
        load(bag)

    assert verify(bag).code == UNUSABLE


def test_a_disk_that_stands_still_is_not_waited_for_for_ever(
    bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times = iter([0.0, unpacking.LONGEST + 1])
    monkeypatch.setattr(unpacking, "time", SimpleNamespace(monotonic=lambda: next(times)))
    with pytest.raises(DataError, match="is not unpacked after 3600 s, "):
        load(bag)


def test_a_full_disk_is_an_error_that_names_the_folder(
    bag: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        unpacking.zstd, "open", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left"))
    )
    with pytest.raises(
        DataError, match=rf"cannot unpack .*zstd into {tempfile.gettempdir()}: No space left"
    ):
        load(bag)


def test_nothing_stays_behind_and_a_file_that_is_gone_is_named(
    bag: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    before = {path.name: path.read_bytes() for path in bag.iterdir()}

    with plain_file(files(bag)[0]) as plain:
        assert (plain.name, plain.read_bytes()) == (
            "episode_000000.mcap",
            zstd.decompress(files(bag)[0].read_bytes()),
        )

    assert verify(bag).code == GOOD
    assert list((tmp_path / "scratch").iterdir()) == []
    assert {path.name: path.read_bytes() for path in bag.iterdir()} == before
    files(bag)[1].unlink()
    assert len(load(bag)) == 1
    assert "lists episode_000001.mcap, which is not there" in str(verify(bag).findings)
    assert verify(bag).code == DAMAGED


def test_a_file_that_was_being_packed_when_its_recorder_was_killed_is_read_once(bag: Path) -> None:
    packed = files(bag)[0]
    packed.with_suffix("").write_bytes(zstd.decompress(packed.read_bytes()))
    packed.write_bytes(packed.read_bytes()[:100])
    assert [episode.info.number for episode in load(bag)] == [0, 1]
    assert verify(bag).code == GOOD
