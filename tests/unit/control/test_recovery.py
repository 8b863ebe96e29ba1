from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_core.errors import ConfigError
from wayfarer_core.safety import RecoveryBudget


@given(st.integers(0, 5), st.lists(st.floats(0.0, 30.0), max_size=200))
def test_there_are_never_more_recoveries_in_the_window_than_allowed(
    attempts: int, waits: list[float]
) -> None:
    budget, now, tried = RecoveryBudget(attempts, window=60.0, pause=1.0), 0.0, []
    for wait in waits:
        now += wait
        if budget.try_now(now):
            tried.append(now)

    for start in tried:
        assert sum(start <= when <= start + 60.0 for when in tried) <= attempts

    assert all(b - a >= 1.0 for a, b in pairwise(tried))


def test_once_it_is_exhausted_only_an_operator_can_renew_it() -> None:
    budget = RecoveryBudget(2, window=10.0, pause=1.0)
    assert [budget.try_now(t) for t in (0.0, 0.5, 1.0, 2.0)] == [True, False, True, False]
    assert budget.exhausted
    assert not budget.try_now(1e9)
    budget.acknowledge()
    assert budget.try_now(1e9)


def test_recoveries_far_apart_do_not_add_up() -> None:
    budget = RecoveryBudget(1, window=10.0, pause=1.0)
    assert all(budget.try_now(20.0 * k) for k in range(50))


def test_negative_limits_are_refused() -> None:
    with pytest.raises(ConfigError, match="-1 attempts"):
        RecoveryBudget(-1, 1.0, 1.0)

    with pytest.raises(ConfigError, match=r"0.0 s.*must be positive"):
        RecoveryBudget(1, 0.0, 1.0)  # would count none

    with pytest.raises(ConfigError, match="nan s"):
        RecoveryBudget(1, float("nan"), 1.0)
