"""Numbers of a report against what the runs were made of."""

from pathlib import Path

import numpy as np
import pytest
from fixtures.episodes import write_run
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_report.numbers import gather as module
from wayfarer_report.numbers.gather import read_run
from wayfarer_report.numbers.scalars import read_scalars
from wayfarer_report.numbers.statistics import (
    coverage_curve,
    entropy,
    episode_losses,
    growth,
    movement_curve,
    observation_steps,
    periods,
    statistics,
)


def test_coverage_and_movement_follow_the_cube(tmp_path: Path) -> None:
    # the cube stands still, then moves 1 cm with every step
    run = read_run(write_run(tmp_path / "run", 2, 4))
    steps, cells = coverage_curve(run)
    assert cells.tolist() == [1, 2, 3, 4, 5]

    # episode 1 begins after 4 steps, in a cell that is known
    assert steps.tolist() == [0, 5, 6, 7, 8]
    steps, moved = movement_curve(run)
    assert steps.tolist() == [4, 5, 6, 7]
    assert moved.tolist() == [1, 2, 3, 4]
    assert growth(run, points=4) == [(2, 1, 0), (4, 1, 0), (6, 3, 2), (8, 5, 4)]
    numbers = statistics(run)
    assert (numbers.cells, numbers.moved_steps, numbers.steps, numbers.episodes) == (5, 4, 8, 2)
    assert numbers.faces["yellow"] == 10
    assert numbers.face_entropy == 0.0
    assert numbers.robot_s == pytest.approx(2 * 4 * 0.5)
    assert numbers.cell_entropy == pytest.approx(entropy([6, 1, 1, 1, 1]))
    assert periods(run) == pytest.approx(np.full(8, 0.5))


def test_without_truth_or_episodes_there_is_nothing_to_cover(tmp_path: Path) -> None:
    for run in (
        write_run(tmp_path / "real", 1, 3, truth=False),
        write_run(tmp_path / "none", 0, 1),
    ):
        record = read_run(run)
        assert not record.knows_cube
        assert (
            len(coverage_curve(record)[0])
            == len(movement_curve(record)[0])
            == len(observation_steps(record))
            == 0
        )
        assert statistics(record).faces == {}


def test_losses_are_told_by_episode(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", 2, 5, lost_executed=[1, 4]))
    assert episode_losses(run) == [(0, 2), (1, 2)]
    assert statistics(run).lost_steps == 4


def test_answer_times_are_those_of_the_recorder(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", 1, 3))  # which writes image and action at one time
    assert run.episodes[0].answer_ms.tolist() == [0.0, 0.0, 0.0]
    assert run.episodes[0].wall_s == pytest.approx(3 * 0.5)


def test_at_most_so_many_images_are_kept_evenly_over_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SAMPLE", 5)
    run = read_run(write_run(tmp_path / "run", 3, 4))  # 15 observations
    assert [(frame.episode, frame.step) for frame in run.frames] == [
        (0, 0),
        (0, 3),
        (1, 1),
        (1, 4),
        (2, 2),
    ]


def test_torn_episodes_are_told(tmp_path: Path) -> None:
    run = read_run(write_run(tmp_path / "run", 1, 3, end=None))
    assert run.torn == [("episode_000000.mcap.part", 3)]
    assert run.episodes == []


@given(st.lists(st.integers(0, 10**6), max_size=8))
def test_entropy_lies_between_nothing_and_equal_shares(counts: list[int]) -> None:
    value = entropy(counts)
    used = sum(count > 0 for count in counts)
    assert 0.0 <= value <= np.log2(max(used, 1)) + 1e-9
    assert entropy([7] * 4) == pytest.approx(2.0)


def test_curves_of_tensorboard_are_read_back(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    assert read_scalars(tmp_path) == {}

    # a killed run repeats its last episode
    for session, values in enumerate(([3.0, 2.0], [1.5, 1.0])):
        writer = SummaryWriter(str(tmp_path / "tensorboard"))
        for step, value in enumerate(values, start=session):
            writer.add_scalar("learned/critic_loss", value, step, walltime=100.0 * session + step)
        writer.close()

    steps, values = read_scalars(tmp_path)["learned/critic_loss"]
    assert steps.tolist() == [0, 1, 2]
    assert values.tolist() == [3.0, 1.5, 1.0]
