from pathlib import Path

import numpy as np
import pytest
from fixtures.episodes import expected_image, expected_object, expected_pose, write_run
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_core.errors import DataError
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.exploration.making import make_rnd
from wayfarer_policies.exploration.methods import novelty_file
from wayfarer_report.live.monitor import Monitor, _with
from wayfarer_report.numbers.statistics import CELL


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(tmp_path_factory.mktemp("monitor") / "run", episodes=2, steps=4, size=84)


def test_coverage_counts_the_centimetres_of_all_episodes_so_far(run: Path) -> None:
    figures = Monitor(run).figures("episode_000001.mcap", "")
    cells = {
        tuple(np.floor(expected_object(n, k)[:2] / 0.01).astype(int))
        for n in range(2)
        for k in range(5)
    }
    reached = {
        tuple(np.floor(expected_pose(n, k)[:3] / 0.01).astype(int))
        for n in range(2)
        for k in range(5)
    }
    assert figures["coverage/cube_cells"] == len(cells) >= 5
    assert figures["coverage/end_effector_cells"] == len(reached) >= 2


def test_a_monitor_started_in_the_middle_of_a_run_counts_what_it_did_not_see(run: Path) -> None:
    watching = Monitor(run)
    watching.figures("episode_000000.mcap", "")
    assert watching.figures("episode_000001.mcap", "") == Monitor(run).figures(
        "episode_000001.mcap", ""
    )


def test_the_distances_are_those_between_the_last_observation_and_the_goals(run: Path) -> None:
    figures = Monitor(run).figures("episode_000001.mcap", "0/2")
    apart = np.abs(expected_image(0, 2, 84).astype(float) - expected_image(1, 4, 84)).mean()
    assert figures["goal_distance/image"] == pytest.approx(apart)
    assert figures["goal_distance/end_effector"] == pytest.approx(
        np.linalg.norm(expected_pose(0, 2)[:3] - expected_pose(1, 4)[:3])
    )
    assert figures["goal_distance/cube"] == pytest.approx(0.04)


def test_a_goal_of_a_deleted_episode_has_no_distance_and_one_behind_its_end_is_an_error(
    run: Path,
) -> None:
    assert "goal_distance/image" not in Monitor(run).figures("episode_000001.mcap", "7/2")
    with pytest.raises(DataError, match="0/9"):
        Monitor(run).figures("episode_000001.mcap", "0/9")


def test_the_novelty_of_what_was_reached_follows_the_rnd_that_lies_on_disk(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", episodes=1, steps=4, size=84)
    watching = Monitor(run)
    assert "novelty/reached_mean" not in watching.figures("episode_000000.mcap", "")
    rnd = make_rnd(3, "cpu")
    frames = np.stack([expected_image(0, k, 84) for k in range(5)]).transpose(0, 3, 1, 2)
    checkpoint.write(novelty_file(run), "novelty", rnd.state())
    first = watching.figures("episode_000000.mcap", "")
    np.testing.assert_allclose(
        first["novelty/reached_mean"], rnd.novelty(np.ascontiguousarray(frames)).mean()
    )
    assert first["novelty/reached_max"] >= first["novelty/reached_mean"]
    rnd.fit(np.ascontiguousarray(frames), epochs=3)
    checkpoint.write(novelty_file(run), "novelty", rnd.state())
    assert (
        watching.figures("episode_000000.mcap", "")["novelty/reached_mean"]
        != first["novelty/reached_mean"]
    )


@given(
    st.lists(
        st.lists(st.tuples(*[st.floats(-400.0, 400.0) | st.just(float("nan"))] * 3), max_size=20),
        min_size=1,
        max_size=4,
    )
)
def test_a_cell_counts_once_however_often_something_was_in_it_and_takes_six_bytes(
    episodes: list[list[tuple[float, float, float]]],
) -> None:
    cells, expected = np.empty((0, 3), np.int16), set()
    for positions in episodes:
        cells = _with(cells, np.array(positions, dtype=float).reshape(-1, 3))
        at = [
            tuple(np.floor(np.array(p) / CELL).astype(int))
            for p in positions
            if np.isfinite(p).all()
        ]
        expected |= {tuple(np.clip(cell, -(2**15), 2**15 - 1).tolist()) for cell in at}

    assert set(map(tuple, cells.tolist())) == expected
    assert cells.nbytes == 6 * len(expected)
