import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_core.errors import ConfigError
from wayfarer_core.options import ActingOptions
from wayfarer_policies.acting.schedules import GaussianNoise, LinearSchedule


def test_the_papers_noise_falls_from_one_and_a_half_to_a_half_over_300k_steps() -> None:
    paper = ActingOptions()
    noise = LinearSchedule(paper.noise_start, paper.noise_end, paper.noise_steps)
    assert [noise(step) for step in (0, 75_000, 150_000, 300_000, 10**7)] == [
        1.5,
        1.25,
        1.0,
        0.5,
        0.5,
    ]


@given(
    start=st.floats(-5, 5),
    end=st.floats(-5, 5),
    steps=st.integers(1, 10**6),
    step=st.integers(-10, 10**7),
)
def test_a_schedule_stays_between_its_ends(start: float, end: float, steps: int, step: int) -> None:
    value = LinearSchedule(start, end, steps)(step)
    assert min(start, end) - 1e-9 <= value <= max(start, end) + 1e-9


def test_noisy_actions_are_clipped_to_their_bounds() -> None:
    bounds = np.array([-1, -0.5, 0], np.float32), np.array([1, 0.5, 0.1], np.float32)
    rng = np.random.default_rng(0)
    actions = np.stack(
        [
            GaussianNoise(LinearSchedule(1.5, 0.5, 10))(np.zeros(3, np.float32), bounds, 0, rng)
            for _ in range(100)
        ]
    )
    assert actions.dtype == np.float32
    assert (actions.max(axis=0) == bounds[1]).all()
    assert (actions.min(axis=0) == bounds[0]).all()


def test_impossible_schedules_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 1 step"):
        LinearSchedule(1.0, 0.0, 0)
    with pytest.raises(ConfigError, match="standard deviation"):
        GaussianNoise(LinearSchedule(1.0, -0.5, 10))
