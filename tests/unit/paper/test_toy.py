"""The toy experiment, on a world of 36x36 images in which a dot walks over a 3x3 board."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from torch import Tensor
from wayfarer_core.atomic import write_table
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_paper.toy import (
    FULL,
    SMALL,
    STRATEGIES,
    Coverage,
    Row,
    ToyConfig,
    ToyRobot,
    load_rnd,
    read_rows,
    run_strategy,
)
from wayfarer_paper.toy_figures import coverage, coverage_png, curves, novelty_map
from wayfarer_policies.acting.schedules import LinearSchedule
from wayfarer_policies.algorithms.ddqn import DDQNConfig
from wayfarer_policies.algorithms.networks import EncoderConfig
from wayfarer_policies.exploration.algorithm_1 import Schedule
from wayfarer_report.drawings.drawing import method_colour


class Board:
    """Three by three places, and a third part of the state that never changes."""

    actions = 4
    frame_shape = (1, 36, 36)
    state_shape = (3, 3, 1)

    def __init__(self) -> None:
        self.state: tuple[int, ...] = (1, 1, 0)

    def reset(self) -> NDArray[np.uint8]:
        self.state = (1, 1, 0)
        return self.render(self.state)

    def step(self, action: int) -> NDArray[np.uint8]:
        dx, dy = ((1, 0), (-1, 0), (0, 1), (0, -1))[action]
        self.state = (min(max(self.state[0] + dx, 0), 2), min(max(self.state[1] + dy, 0), 2), 0)
        return self.render(self.state)

    def render(self, state: Sequence[int]) -> NDArray[np.uint8]:
        frame = np.zeros((1, 36, 36), np.uint8)
        x, y = state[:2]
        frame[0, 12 * y : 12 * y + 12, 12 * x : 12 * x + 12] = 255
        return frame


CONFIG = ToyConfig(
    Schedule(episodes=4, episodes_per_cycle=2, steps=8, epochs=1),
    filters=(4, 4, 4),
    features=8,
    rnd_features=8,
    batch=4,
    epsilon=LinearSchedule(1.0, 0.5, 10),
)


def test_coverage_counts_all_an_episodes_and_its_new_states() -> None:
    coverage = Coverage((3, 3, 1))
    assert coverage.add(np.array([[1, 1, 0], [1, 2, 0], [1, 1, 0]])) == (2, 2, 2)
    assert coverage.add(np.array([[1, 1, 0], [0, 1, 0], [0, 1, 0]])) == (3, 2, 1)
    assert coverage.visits[1, 1, 0] == 3
    assert coverage.visits.sum() == 6


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_runs_and_repeats_itself(strategy: str, tmp_path: Path) -> None:
    first, second = (
        run_strategy(strategy, 3, CONFIG, Board(), tmp_path / name) for name in ("a", "b")
    )
    assert first == second
    assert [row.episode for row in first] == [0, 1, 2, 3]
    assert all(row.new_states + (row.episode > 0) >= 1 for row in first)
    assert first[-1].total_states == sum(row.new_states for row in first) <= 9
    assert read_rows(tmp_path / "a" / "coverage.csv") == first
    assert np.load(tmp_path / "a" / "visits.npy").sum() == 4 * 9
    assert not (tmp_path / "a" / "frames").exists()


def test_seeds_differ(tmp_path: Path) -> None:
    runs = [
        run_strategy("random", seed, CONFIG, Board(), tmp_path / str(seed)) for seed in range(4)
    ]
    assert len({tuple((row.episode_states, row.new_states) for row in run) for run in runs}) > 1


def test_the_random_episodes_come_first() -> None:
    class Never:
        config = DDQNConfig(EncoderConfig(channels=1))

        def greedy(self, _: object) -> Tensor:
            raise AssertionError("asked too early")

    config = ToyConfig(CONFIG.schedule, epsilon=LinearSchedule(0.0, 0.0, 1), random_episodes=1)
    robot = ToyRobot(Board(), config, Never(), seed=0)  # type: ignore[arg-type]
    robot.run_episode(None)

    with pytest.raises(AssertionError, match="too early"):
        robot.run_episode(None)


def test_figures_are_drawn_from_what_the_runs_have_left(tmp_path: Path) -> None:
    rows = [
        row
        for name in ("goal", "random")
        for row in run_strategy(name, 0, CONFIG, Board(), tmp_path / name)
    ]
    write_table(tmp_path / "coverage.csv", Row, rows)
    assert read_rows(tmp_path / "coverage.csv") == rows
    header = (tmp_path / "coverage.csv").read_text().splitlines()[0]
    assert header == "strategy,seed,episode,total_states,episode_states,new_states"
    drawn = coverage(rows, "a")
    assert drawn.count(method_colour("goal")) == drawn.count(method_colour("random")) > 0
    assert method_colour("rnd") not in drawn  # it has no rows
    rnd = load_rnd(CONFIG, Board(), tmp_path / "goal")
    visits, png = np.load(tmp_path / "goal" / "visits.npy"), tmp_path / "map.png"
    assert novelty_map(visits, rnd, Board(), "b", png).count("<image") == 4  # with bars
    assert (
        min(file.stat().st_size for file in (png, coverage_png(rows, tmp_path / "curves.png")))
        > 3000
    )


@pytest.mark.parametrize("config", [CONFIG, SMALL, FULL])
def test_sizes_travel_as_plain_data(config: ToyConfig) -> None:
    assert ToyConfig.from_plain(json.loads(json.dumps(config.to_plain()))) == config


def test_curves_go_as_far_as_all_seeds_have_come() -> None:
    rows = [
        Row("goal", seed, k, 10 * (seed + 1) * (k + 1), 3, 2)
        for seed in (0, 1)
        for k in range(2 + seed)
    ]
    assert curves(rows, "goal", lambda row: row.total_states).tolist() == [[10, 20], [20, 40]]
    assert curves(rows, "rnd", lambda row: row.total_states).size == 0


def test_unknown_strategies_and_other_tables_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="choose from goal"):
        run_strategy("best", 0, CONFIG, Board(), tmp_path)
    (tmp_path / "coverage.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match=r"not a coverage\.csv"):
        read_rows(tmp_path / "coverage.csv")
