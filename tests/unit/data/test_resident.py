"""Frames in a device's own memory.

The CPU stands for the device: what is asked of it is the same.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures.episodes import write_run
from wayfarer_data.cache import resident
from wayfarer_data.cache.dataset import Dataset
from wayfarer_data.cache.frames import FrameCache, Trajectory
from wayfarer_data.cache.resident import ResidentFrames
from wayfarer_data.cache.sampling import Replay
from wayfarer_policies.exploration.relabel import FutureGoals

Make = Callable[..., Trajectory]
CPU = torch.device("cpu")


@pytest.fixture
def cache(tmp_path: Path, make_trajectory: Make) -> FrameCache:
    cache = FrameCache(tmp_path / "cache")
    cache.append(make_trajectory(1))
    return cache


def test_a_batch_is_the_same_from_the_disks_cache_and_from_the_device(
    cache: FrameCache, make_trajectory: Make
) -> None:
    held = ResidentFrames(CPU)
    for number in (2, 3, 4):
        assert held.take_in(cache)
        there, here = Replay(cache, held), Replay(cache)
        rows = np.array([0, 3, 5, 3])
        assert torch.equal(there.frames(rows), here.frames(rows))
        labels = [
            FutureGoals().label(s.batch(rows), s, np.random.default_rng(0)) for s in (there, here)
        ]
        assert torch.equal(labels[0].observations.pixels, labels[1].observations.pixels)
        assert torch.equal(labels[0].next_observations.pixels, labels[1].next_observations.pixels)
        cache.append(make_trajectory(number))


def test_only_what_is_new_is_copied(cache: FrameCache, make_trajectory: Make) -> None:
    held = ResidentFrames(CPU)
    held.take_in(cache)
    held._frames[0] = 99  # a mark that a second copy would wipe out
    cache.append(make_trajectory(2))
    held.take_in(cache)
    assert bool((held.gather(torch.tensor([0])) == 99).all())
    assert bool((held.gather(torch.tensor([7])) == 20).all())


def test_it_grows_and_keeps_what_it_holds(
    cache: FrameCache, make_trajectory: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resident, "_LEAST_ROWS", 8)
    held = ResidentFrames(CPU)
    for number in range(2, 9):
        held.take_in(cache)
        cache.append(make_trajectory(number))

    held.take_in(cache)
    rows = torch.arange(cache.rows)
    assert torch.equal(held.gather(rows), Replay(cache).frames(rows))


def test_a_cache_that_was_written_anew_is_copied_anew(
    tmp_path: Path, cache: FrameCache, make_trajectory: Make
) -> None:
    held = ResidentFrames(CPU)
    held.take_in(cache)
    other = FrameCache(tmp_path / "other")
    other.append(make_trajectory(5))
    other.append(make_trajectory(1))
    held.take_in(other)
    assert torch.equal(held.gather(torch.arange(14)), Replay(other).frames(torch.arange(14)))


def test_where_there_is_no_room_the_disks_cache_is_read(
    cache: FrameCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resident, "free_memory", lambda _: 1000.0)
    assert not ResidentFrames(CPU).take_in(cache)


def test_a_batch_keeps_its_frames_when_the_cache_is_made_anew(
    tmp_path: Path, cache: FrameCache, make_trajectory: Make
) -> None:
    held = ResidentFrames(CPU)
    held.take_in(cache)
    store = Replay(cache, held)
    batch = store.batch(store.index.transitions)
    other = FrameCache(tmp_path / "other")
    other.append(make_trajectory(5))
    held.take_in(other)
    assert batch.states[:, 0, 0, 0].tolist() == [10, 11, 12, 13, 14, 15]


def test_a_dataset_gathers_its_batches_from_the_device_that_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resident, "_LEAST_ROWS", 5)  # copies of several chunks
    runs = [write_run(tmp_path / name, 2, 6, size=36) for name in "ab"]
    there, here = Dataset.open(runs), Dataset.open(runs)
    there.hold("cpu")
    rows = there.transitions[::-1].copy()
    assert len(rows) == 24
    assert torch.equal(there.batch(rows).next_states, here.batch(rows).next_states)

    there._held.args[0][0] = 99  # a mark that the disk does not have
    there.hold("cpu")
    assert bool((there.batch(rows).states[-1] == 99).all())


def test_a_dataset_without_room_on_the_device_gathers_its_batches_from_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resident, "free_memory", lambda _: 1000.0)
    data = Dataset.open([write_run(tmp_path / "run", 2, 6, size=36)])
    data.hold("cpu")
    assert data.gatherer() == data.frames
