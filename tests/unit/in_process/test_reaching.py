from pathlib import Path

import numpy as np
import pytest
from fixtures.episodes import (
    expected_image,
    expected_object,
    expected_pose,
    write_episode,
    write_run,
)
from fixtures.shipped import CONTROL
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.errors import DataError
from wayfarer_in_process.config import configuration_of_run
from wayfarer_in_process.goals import stored_goals
from wayfarer_in_process.reaching import Distances, distances, policies_of


@given(st.lists(st.floats(0.0, 2.0), min_size=1, max_size=30), st.integers(0, 100))
def test_an_interval_holds_its_figure_and_stays_within_what_was_measured(
    values: list[float], seed: int
) -> None:
    found = Distances.of(values, seed)
    assert found.each == values
    for figure in (found.mean, found.median):
        assert figure.low - 1e-9 <= figure.value <= figure.high + 1e-9
        assert min(values) - 1e-9 <= figure.low
        assert figure.high <= max(values) + 1e-9


def test_an_interval_is_as_wide_as_the_normal_approximation_says() -> None:
    mean = Distances.of(np.random.default_rng(0).normal(1.0, 0.2, 400).tolist(), 0).mean
    assert mean.high - mean.low == pytest.approx(2 * 1.96 * 0.2 / 20, rel=0.1)


def test_an_end_point_is_held_against_its_own_goal_and_against_all_others() -> None:
    goals = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0]])
    own, others = distances(goals.copy(), goals)
    assert own == [0.0, 0.0, 0.0]
    assert others == pytest.approx([1.5, (1 + np.sqrt(5)) / 2, (2 + np.sqrt(5)) / 2])

    # whoever always goes to the same place is as near to the others' goals as to its own
    one_corner = np.ones((3, 3))
    own, others = distances(one_corner, goals)
    assert np.mean(own) == pytest.approx(np.mean(others))


def test_goals_are_stored_next_states_with_the_places_of_that_moment(tmp_path: Path) -> None:
    run = RunDirectory(write_run(tmp_path / "run", 3, 4))
    goals = stored_goals(run, 20, seed=1)
    assert len({goal.name for goal in goals}) > 5

    for goal in goals:
        number, step = map(int, goal.name.split("/"))
        assert 1 <= step <= 4
        np.testing.assert_array_equal(goal.image, expected_image(number, step))
        np.testing.assert_allclose(goal.ee_position, expected_pose(number, step)[:3])
        np.testing.assert_allclose(goal.cube_position, expected_object(number, step)[:3])

    assert [g.name for g in goals] == [g.name for g in stored_goals(run, 20, seed=1)]


@pytest.mark.slow
def test_episodes_without_a_usable_step_and_steps_without_a_pose_give_no_goals(
    tmp_path: Path,
) -> None:
    path = write_run(tmp_path / "run", 1, 0)  # stopped with Ctrl-C before its first step
    write_episode(path, 1, 4, truth=False)

    # whole steps lead to 1 and 2 only
    write_episode(path, 2, 4, lost_truth=(0, 1, 2), lost_images=(3,))
    write_episode(path, 3, 4, lost_truth=(0, 1, 2))
    names = {goal.name for goal in stored_goals(RunDirectory(path), 40, seed=0)}
    assert names == {"3/3", "3/4"}


def test_goals_need_episodes_with_a_true_cube_pose(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no episode"):
        stored_goals(RunDirectory(write_run(tmp_path / "empty", 0, 4)), 1, seed=0)
    with pytest.raises(DataError, match="cube pose"):
        stored_goals(RunDirectory(write_run(tmp_path / "run", 1, 4, truth=False)), 1, seed=0)


@pytest.mark.parametrize(
    ("method", "words"),
    [("random", "'random', which has no policy for goals"), ("goal", "nothing has been learned")],
)
def test_a_run_that_learned_nothing_has_no_policy_to_evaluate(
    method: str, words: str, tmp_path: Path
) -> None:
    run = write_run(tmp_path / "run", 1, 4)
    nodes = {"sim_bridge": {}, "camera": {}, "control": CONTROL, "collector": {"method": method}}
    with pytest.raises(DataError, match=words):
        policies_of(run, configuration_of_run({"configuration": nodes}, ""))
