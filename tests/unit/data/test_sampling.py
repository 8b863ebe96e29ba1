import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from wayfarer_bags.episode import End
from wayfarer_core.errors import DataError
from wayfarer_data.cache.frames import Trajectory
from wayfarer_data.cache.sampling import Replay

Make = Callable[..., Trajectory]
MakeReplay = Callable[..., Replay]


def test_a_batch_holds_transitions_with_their_origin(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    one, two = make_trajectory(1), make_trajectory(2, steps=3)
    batch = make_replay(one, two).sample(200, np.random.default_rng(0))
    assert batch.states.shape == (200, 3, 36, 36)
    assert batch.states.dtype == torch.uint8
    assert set(batch.episodes.tolist()) == {1, 2}

    for k in range(200):
        of = one if batch.episodes[k] == 1 else two
        t = int(batch.steps[k])
        assert int(batch.states[k, 0, 0, 0]) == 10 * of.number + t
        assert int(batch.next_states[k, 0, 0, 0]) == 10 * of.number + t + 1
        assert batch.actions[k].numpy() == pytest.approx(of.actions[t])
        assert batch.next_ee_positions[k].numpy() == pytest.approx(of.ee_positions[t + 1])


def test_every_valid_step_is_drawn_equally_often(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    one = make_trajectory(1)
    one.valid[2] = False
    store = make_replay(one, make_trajectory(2, steps=3))
    assert store.transitions == 8
    rows = store.sample(8000, np.random.default_rng(0)).rows
    counts = torch.bincount(rows, minlength=11)
    assert counts[[2, 6, 10]].tolist() == [0, 0, 0]
    assert counts[[0, 1, 3, 4, 5, 7, 8, 9]].min() > 850
    assert counts.max() < 1150


def test_the_last_step_is_terminated_or_truncated_by_how_its_episode_ended(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    store = make_replay(
        make_trajectory(1, 2, End.TERMINATED),
        make_trajectory(2, 2, End.TRUNCATED),
        make_trajectory(3, 2, End.ABORTED),
    )
    batch = store.sample(300, np.random.default_rng(0))
    last = batch.steps == 1
    assert (batch.terminated == (last & (batch.episodes == 1))).all()
    assert (batch.truncated == (last & (batch.episodes != 1))).all()
    assert batch.terminated.any()
    assert batch.truncated.any()


def test_future_rows_lie_between_the_row_and_the_end_of_its_episode(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    one = make_trajectory(1)
    one.known[4] = False
    one.valid[3:5] = False
    store = make_replay(one, make_trajectory(2))
    rng = np.random.default_rng(0)
    futures = store.index.future(np.full(5000, 2), rng)
    shares = np.bincount(futures, minlength=14) / 5000
    assert shares[[2, 3, 5, 6]].tolist() == pytest.approx([0.25] * 4, abs=0.03)
    assert float(shares[[2, 3, 5, 6]].sum()) == pytest.approx(1.0)


def test_sample_images_gives_different_next_state_images(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    store = make_replay(make_trajectory(1), make_trajectory(2))
    images = store.sample_images(100, np.random.default_rng(0))
    found = sorted(zip(images.episodes.tolist(), images.steps.tolist(), strict=True))
    assert found == [(e, t) for e in (1, 2) for t in range(1, 7)]
    for frame, episode, step in zip(images.frames, images.episodes, images.steps, strict=True):
        assert frame[0, 0, 0] == 10 * episode + step

    assert len(store.sample_images(5, np.random.default_rng(0)).steps) == 5


def test_last_images_are_those_of_the_last_episodes_in_order(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    store = make_replay(*(make_trajectory(k, steps=2) for k in (1, 2, 3)))
    images = store.last_images(2)
    assert images.episodes.tolist() == [2, 2, 3, 3]
    assert images.frames[:, 0, 0, 0].tolist() == [21, 22, 31, 32]
    assert len(store.last_images(50).steps) == 6


def test_an_empty_buffer_is_an_error_and_not_an_empty_batch(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    rng = np.random.default_rng(0)
    empty = make_replay()
    for draw in (
        lambda: empty.sample(3, rng),
        lambda: empty.sample_images(3, rng),
        lambda: empty.last_images(1),
    ):
        with pytest.raises(DataError, match="no valid step"):
            draw()

    lost = make_trajectory(1)
    with pytest.raises(DataError, match="no valid step"):
        make_replay(dataclasses.replace(lost, valid=np.zeros(6, bool))).sample(3, rng)


def test_a_reader_takes_in_what_another_appended(
    make_trajectory: Make, make_replay: MakeReplay
) -> None:
    writer = make_replay(make_trajectory(1))
    reader = make_replay()
    assert reader.episodes == 1
    writer.add(make_trajectory(2))
    assert reader.episodes == 1
    reader.refresh()
    assert (reader.episodes, reader.transitions) == (2, 12)
