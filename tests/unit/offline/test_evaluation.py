from pathlib import Path

import numpy as np
import pytest
from fixtures.episodes import write_run
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from wayfarer_bags.episode import End
from wayfarer_core.errors import DataError
from wayfarer_offline.evaluation import count_successes, wilson


@pytest.mark.parametrize(  # Newcombe 1998, table I: Wilson's score interval without correction
    ("successes", "episodes", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_the_interval_is_that_of_the_literature(
    successes: int, episodes: int, low: float, high: float
) -> None:
    share = wilson([k < successes for k in range(episodes)])
    assert (share.successes, share.episodes) == (successes, episodes)
    assert share.low == pytest.approx(low, abs=5e-5)
    assert share.high == pytest.approx(high, abs=5e-5)


@given(st.lists(st.booleans(), min_size=1, max_size=200))
@example([True] * 10)  # 1 by the formula, 1 ulp less in float64
def test_the_interval_holds_the_share_and_lies_between_0_and_1(outcomes: list[bool]) -> None:
    share = wilson(outcomes)
    assert 0.0 <= share.low <= share.rate <= share.high <= 1.0
    assert share.high - share.low > 0


def test_no_episode_gives_no_share() -> None:
    with pytest.raises(DataError, match="no episode"):
        wilson([])


def test_successes_are_counted_from_the_recorded_truth(tmp_path: Path) -> None:
    """In the fixture the cube stands still in even episodes and moves 1 cm a step to the right in
    odd ones.
    """
    run = write_run(tmp_path / "run", 5, 20)
    found = count_successes(run, "push", 5)
    assert found.successes == (False, True, False, True, False)
    assert (found.at_end.successes, found.at_end.episodes, found.at_any_time.successes) == (2, 5, 2)
    still, moving = 20 * (1 - np.tanh(1.8)), sum(1 - np.tanh(1.8 - 0.1 * k) for k in range(1, 21))
    assert found.mean_return == pytest.approx((3 * still + 2 * moving) / 5)
    assert count_successes(run, "push", 2).successes == (False, True)
    assert count_successes(run, "flip-yellow", 5).at_end.rate == 1.0
    assert count_successes(run, "push-flip-green", 5).at_any_time.rate == 0.0


def test_episodes_that_did_not_come_to_their_end_do_not_count(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 2, 4, end=End.ABORTED)
    with pytest.raises(DataError, match="holds 0 finished episodes, 1 are to be judged"):
        count_successes(run, "push", 1)


def test_without_truth_a_tracker_judges_or_nobody(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 2, 4, truth=False)
    with pytest.raises(DataError, match="does not tell where the cube was at the end"):
        count_successes(run, "push", 2)

    def track(images: NDArray[np.uint8]) -> NDArray[np.float64]:
        assert images.shape == (5, 12, 12, 3)
        return np.tile([0.58, 0.2, -0.067, 0, 0, 0, 1.0], (5, 1))

    assert count_successes(run, "push", 2, lambda _: track).at_end.rate == 1.0
