import dataclasses
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from wayfarer_bags.episode import End, Episode, EpisodeInfo
from wayfarer_core.errors import DataError
from wayfarer_data.cache import frames as frames_module
from wayfarer_data.cache.cache_index import INDEX, Entry, Index, Source
from wayfarer_data.cache.frames import FrameCache, Trajectory, synchronise
from wayfarer_data.cache.sampling import Replay

FELT = ("ee_orientations", "joint_positions", "joint_velocities", "gripper_widths")
Make = Callable[..., Trajectory]


def recorded_episode(steps: int = 4) -> Episode:
    rng = np.random.default_rng(0)

    return Episode(
        info=EpisodeInfo(7, "random", 0, steps, "", float("nan"), End.TRUNCATED, "", steps),
        stamps=np.arange(1, steps + 2, dtype=np.int64),
        images=rng.integers(0, 256, (steps + 1, 36, 40, 3), dtype=np.uint8),
        requested=np.zeros((steps, 3), np.float32),
        actions=rng.uniform(-1, 1, (steps, 3)).astype(np.float32),
        reasons=np.zeros(steps, np.uint16),
        sources=np.zeros(steps, np.uint8),
        seen=np.ones(steps + 1, bool),
        valid=np.ones(steps, bool),
        ee_positions=rng.uniform(size=(steps + 1, 3)),
        object_poses=None,
        observed_at=np.arange(1, steps + 2, dtype=np.int64),
        answered_at=np.arange(1, steps + 1, dtype=np.int64),
    )


def test_an_episode_is_stored_channels_first_with_one_row_per_observation(tmp_path: Path) -> None:
    episode = recorded_episode()
    cache = FrameCache(tmp_path)
    cache.append(episode)
    assert cache.rows == 5
    assert cache.column("frames").shape == (5, 3, 36, 40)
    assert (cache.column("frames")[2] == episode.images[2].transpose(2, 0, 1)).all()
    assert (cache.column("actions")[:4] == episode.actions).all()
    assert cache.column("valid").tolist() == [True, True, True, True, False]
    assert cache.column("ee_positions")[4] == pytest.approx(
        episode.ee_positions[4].astype(np.float32)
    )


def test_lost_images_and_numbers_that_are_not_finite_make_their_steps_invalid(
    tmp_path: Path,
) -> None:
    episode = recorded_episode(steps=6)
    episode.seen[2] = False
    episode.actions[5] = np.nan
    cache = FrameCache(tmp_path)
    cache.append(episode)
    assert cache.column("valid").tolist() == [True, False, False, True, True, False, False]
    assert cache.column("known").tolist() == [True, True, False, True, True, True, True]
    assert np.isfinite(cache.column("actions")).all()


def test_frames_are_mapped_and_not_copied(tmp_path: Path, make_trajectory: Make) -> None:
    cache = FrameCache(tmp_path)
    cache.append(make_trajectory(1))
    assert isinstance(cache.column("frames"), np.memmap)
    assert not cache.column("frames").flags.writeable


def test_a_reader_sees_new_episodes_after_refresh_only(
    tmp_path: Path, make_trajectory: Make
) -> None:
    writer, reader = FrameCache(tmp_path), FrameCache(tmp_path)
    writer.append(make_trajectory(1))
    assert len(reader) == 0
    assert reader.refresh()
    assert not reader.refresh()
    assert (reader.column("frames")[3] == 13).all()


@pytest.mark.slow
def test_a_reader_in_another_process_sees_what_was_written(
    tmp_path: Path, make_trajectory: Make
) -> None:
    FrameCache(tmp_path).append(make_trajectory(2))
    code = "import sys, pathlib; from wayfarer_data.cache.frames import FrameCache as C; "
    code += "c = C(pathlib.Path(sys.argv[1])); print(len(c), int(c.column('frames')[4].max()))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "24"]


def test_rows_a_killed_writer_left_behind_are_overwritten(
    tmp_path: Path, make_trajectory: Make
) -> None:
    cache = FrameCache(tmp_path)
    cache.append(make_trajectory(1))
    for raw in tmp_path.glob("*.raw"):
        with raw.open("ab") as file:
            file.write(b"\xff" * 1000)  # the index was never rewritten

    again = FrameCache(tmp_path)
    assert len(again) == 1
    again.append(make_trajectory(2))
    assert (again.column("frames")[7] == 20).all()
    assert again.column("actions").shape == (14, 3)


@pytest.mark.parametrize(
    "damage", ["truncate", "garbage", "version", "missing file", "nested", "other bytes"]
)
def test_a_damaged_cache_is_refused_with_its_name(
    tmp_path: Path, make_trajectory: Make, damage: str
) -> None:
    cache = FrameCache(tmp_path)
    cache.append(make_trajectory(1))
    index, frames = tmp_path / INDEX, cache.file("frames")

    if damage == "truncate":
        frames.write_bytes(frames.read_bytes()[:-1])
    elif damage == "garbage":
        index.write_text("{")
    elif damage == "nested":
        index.write_text("[" * 100_000)
    elif damage == "other bytes":
        frames.write_bytes(b"\1" * frames.stat().st_size)
    elif damage == "version":
        index.write_text(json.dumps({**json.loads(index.read_text()), "version": 99}))
    else:
        frames.unlink()

    with pytest.raises(DataError, match=str(tmp_path)):
        FrameCache(tmp_path)


@pytest.mark.slow
def test_every_single_flip_in_every_file_of_a_cache_is_found(
    tmp_path: Path, make_trajectory: Make
) -> None:
    synchronise(tmp_path / "cache", sources(1, 45, 2), Loader(make_trajectory))
    rng, found = random.Random(3), 0
    for file in sorted((tmp_path / "cache").iterdir()):
        data = file.read_bytes()
        for _ in range(30):
            damaged = bytearray(data)
            damaged[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            file.write_bytes(damaged)
            with pytest.raises(DataError, match=str(tmp_path)):
                FrameCache(tmp_path / "cache")

            found += 1

        file.write_bytes(data)

    assert found == 30 * 13  # twelve columns and the index
    assert len(FrameCache(tmp_path / "cache")) == 4


# --- generations: what was written is never written over ---


def whole(cache: FrameCache) -> dict[str, np.ndarray]:
    return {name: np.array(cache.column(name)) for name in ("frames", "actions", "valid", "stamps")}


@pytest.mark.parametrize("now", [(1, 3), (2, 3), (3, 2, 1), (5,), (), (0, 1)])
def test_a_reader_keeps_what_it_has_when_the_cache_is_made_otherwise(
    tmp_path: Path, make_trajectory: Make, now: tuple[int, ...]
) -> None:
    load = Loader(make_trajectory)
    reader = synchronise(tmp_path, sources(1, 2, 3), load)
    before = whole(reader)
    other = synchronise(tmp_path, sources(*now), load)
    assert all((before[name] == reader.column(name)).all() for name in before)
    assert [entry.number for entry in reader.entries] == [1, 2, 3]
    assert reader.row(2, 4) == 11
    assert other.generation != reader.generation

    for entry in other.entries:
        frames = other.column("frames")[entry.start : entry.start + entry.steps + 1]
        assert (frames == make_trajectory(entry.number).frames).all()

    assert reader.refresh()  # only now
    assert [entry.number for entry in reader.entries] == [number for number in now if number]


def test_files_of_earlier_generations_and_versions_do_not_stay(
    tmp_path: Path, make_trajectory: Make
) -> None:
    (tmp_path / "frames.raw").write_bytes(b"of version 3")
    load = Loader(make_trajectory)
    synchronise(tmp_path, sources(1, 2), load)
    cache = synchronise(tmp_path, sources(2), load)
    columns = (
        "frames",
        "actions",
        "ee_positions",
        *FELT,
        "object_poses",
        "stamps",
        "sources",
        "valid",
        "known",
    )
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(
        [INDEX, *(f"{name}-{cache.generation}.raw" for name in columns)]
    )


def test_a_generation_that_vanishes_while_it_is_opened_is_looked_for_again(
    tmp_path: Path, make_trajectory: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Loader(make_trajectory)
    synchronise(tmp_path, sources(1, 2), load)
    read = frames_module.read_index

    def and_then(path: Path) -> Index:
        index = read(path)
        monkeypatch.setattr(frames_module, "read_index", read)
        synchronise(tmp_path, sources(2, 3), load)  # as another process might, just now
        return index

    monkeypatch.setattr(frames_module, "read_index", and_then)
    assert [entry.number for entry in FrameCache(tmp_path).entries] == [2, 3]


def test_a_batch_keeps_its_images_when_the_store_looks_for_news(
    tmp_path: Path, make_trajectory: Make
) -> None:
    load = Loader(make_trajectory)
    store = Replay(synchronise(tmp_path, sources(1, 2, 3), load))
    batch = store.batch(store.index.transitions)
    expected = [10 * int(e) + int(s) for e, s in zip(batch.episodes, batch.steps, strict=True)]
    synchronise(tmp_path, sources(3, 2), load)
    store.refresh()
    assert batch.states[:, 0, 0, 0].tolist() == expected
    fresh = store.batch(store.index.transitions)
    assert fresh.episodes.tolist() == [3] * 6 + [2] * 6
    assert fresh.states[:, 0, 0, 0].tolist() == [*range(30, 36), *range(20, 26)]


def test_checksums_are_looked_at_once_in_a_process(
    tmp_path: Path, make_trajectory: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    load, checked = Loader(make_trajectory), set[tuple[str, Entry]]()
    synchronise(tmp_path, sources(1, 2), load)
    looked_at: list[int] = []
    checksum = frames_module.checksum_of
    monkeypatch.setattr(
        frames_module, "checksum_of", lambda columns: looked_at.append(1) or checksum(columns)
    )
    synchronise(tmp_path, sources(1, 2), load, checked=checked)
    assert len(looked_at) == 2
    FrameCache(tmp_path, checked)
    assert len(looked_at) == 2
    FrameCache(tmp_path).append(make_trajectory(3))
    assert len(looked_at) == 2 + 2 + 1  # another process opens, and writes one
    FrameCache(tmp_path, checked)
    assert len(looked_at) == 6


def test_another_image_size_or_the_same_episode_twice_is_refused(
    tmp_path: Path, make_trajectory: Make
) -> None:
    cache = FrameCache(tmp_path)
    one = make_trajectory(1)
    cache.append(one)

    with pytest.raises(DataError, match="already"):
        cache.append(one)

    with pytest.raises(DataError, match="rows"):
        cache.append(dataclasses.replace(one, number=2, frames=one.frames[:, :1]))

    with pytest.raises(DataError, match="need 7 frames"):
        cache.append(dataclasses.replace(one, number=2, frames=one.frames[:-1]))

    assert len(cache) == 1


def test_a_row_of_a_deleted_episode_is_an_error_that_names_it(
    tmp_path: Path, make_trajectory: Make
) -> None:
    cache = FrameCache(tmp_path)
    cache.append(make_trajectory(1))
    assert cache.row(1, 6) == 6
    with pytest.raises(DataError, match="episode 5"):
        cache.row(5, 0)

    with pytest.raises(DataError, match="0 to 6"):
        cache.row(1, 7)


class Loader:
    """The bags: remembers what was asked for. "0" holds no episode, "45" episodes 4 and 5."""

    def __init__(self, make: Make) -> None:
        self.make, self.asked = make, list[str]()

    def __call__(self, source: Source) -> Iterator[Trajectory]:
        self.asked.append(source.name)
        return (self.make(int(number)) for number in source.name.strip("0"))


def sources(*numbers: int) -> list[Source]:
    return [Source(str(number), 100, 5) for number in numbers]


def test_synchronise_loads_only_what_is_missing(tmp_path: Path, make_trajectory: Make) -> None:
    load = Loader(make_trajectory)
    synchronise(tmp_path, sources(1, 2), load)
    cache = synchronise(tmp_path, sources(1, 2, 3), load)
    assert load.asked == ["1", "2", "3"]
    assert [entry.number for entry in cache.entries] == [1, 2, 3]


def test_synchronise_rebuilds_from_the_first_changed_or_deleted_source(
    tmp_path: Path, make_trajectory: Make
) -> None:
    load = Loader(make_trajectory)
    synchronise(tmp_path, sources(1, 2, 3), load)
    changed = [sources(1)[0], Source("2", 101, 5), sources(3)[0]]
    cache = synchronise(tmp_path, changed, load)
    assert load.asked == ["1", "2", "3", "2", "3"]
    cache = synchronise(tmp_path, changed[:1] + changed[2:], load)
    assert [entry.number for entry in cache.entries] == [1, 3]
    assert (cache.column("frames")[7] == 30).all()


def test_synchronise_rebuilds_a_damaged_cache(tmp_path: Path, make_trajectory: Make) -> None:
    load = Loader(make_trajectory)
    synchronise(tmp_path, sources(1, 2), load)
    (tmp_path / INDEX).write_text("not json")
    cache = synchronise(tmp_path, sources(1, 2), load)
    assert len(cache) == 2
    assert load.asked == ["1", "2", "1", "2"]


def test_a_source_without_an_episode_is_remembered_and_one_may_have_several(
    tmp_path: Path, make_trajectory: Make
) -> None:
    load = Loader(make_trajectory)
    for _ in range(2):
        cache = synchronise(tmp_path, sources(0, 1, 45, 2), load)
        assert [entry.number for entry in cache.entries] == [1, 4, 5, 2]
        assert (cache.column("frames")[14] == 50).all()

    assert load.asked == ["0", "1", "45", "2"]


def test_a_source_that_was_read_only_in_part_is_read_again(
    tmp_path: Path, make_trajectory: Make
) -> None:
    class Killed(BaseException):
        pass

    def load(source: Source) -> Iterator[Trajectory]:
        yield make_trajectory(4)
        yield make_trajectory(5)
        raise Killed

    with pytest.raises(Killed):
        synchronise(tmp_path, sources(45), load)

    assert len(FrameCache(tmp_path)) == 1
    cache = synchronise(tmp_path, sources(45), Loader(make_trajectory))
    assert [entry.number for entry in cache.entries] == [4, 5]


def test_progress_counts_what_is_there_and_what_is_read(
    tmp_path: Path, make_trajectory: Make
) -> None:
    heard: list[tuple[int, int]] = []
    synchronise(tmp_path, sources(1), Loader(make_trajectory))
    synchronise(
        tmp_path,
        sources(1, 0, 2),
        Loader(make_trajectory),
        lambda done, total: heard.append((done, total)),
    )
    assert heard == [(1, 3), (2, 3), (3, 3)]


def test_object_poses_are_stored_and_unknown_without_truth(tmp_path: Path) -> None:
    cache = FrameCache(tmp_path)
    poses = np.random.default_rng(0).uniform(size=(5, 7))
    poses[3] = np.nan
    without = Trajectory.of(recorded_episode())
    cache.append(dataclasses.replace(recorded_episode(), object_poses=poses))
    cache.append(dataclasses.replace(without, number=2))
    stored = cache.column("object_poses")
    assert stored[:5] == pytest.approx(poses.astype(np.float32), nan_ok=True)
    assert np.isnan(stored[5:]).all()


def test_a_source_is_known_by_size_and_time(tmp_path: Path) -> None:
    file = tmp_path / "episode.mcap"
    file.write_bytes(b"12345")
    assert (Source.of(file).name, Source.of(file).size) == ("episode.mcap", 5)
