from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from wayfarer_export.foreign.resample import FrameStretch, frame_times, gaps, resample

EVER = [(-(2**62), 2**62)]
SECOND = 10**9

RATES = st.fractions(min_value=Fraction(1, 3), max_value=60, max_denominator=1001)
SOURCES = st.lists(
    st.tuples(
        st.lists(st.integers(0, 20 * SECOND), min_size=1, max_size=60),
        st.integers(SECOND // 100, 3 * SECOND),
    ),
    min_size=1,
    max_size=4,
)


def sorted_stamps(
    sources: list[tuple[list[int], int]],
) -> tuple[list[NDArray[np.int64]], list[int]]:
    return [np.array(sorted(stamps), np.int64) for stamps, _ in sources], [
        age for _, age in sources
    ]


@given(SOURCES, RATES)
def test_a_value_is_the_latest_that_is_not_from_the_future_and_its_age_is_right(
    sources: list[tuple[list[int], int]], rate: Fraction
) -> None:
    stamps, ages = sorted_stamps(sources)
    for stretch in resample(stamps, ages, rate, EVER):
        for k, (of_one, most) in enumerate(zip(stamps, ages, strict=True)):
            for time, place, age in zip(
                stretch.times, stretch.chosen[:, k], stretch.ages[:, k], strict=True
            ):
                assert of_one[place] == max(s for s in of_one if s <= time)
                assert age == time - of_one[place]
                assert 0 <= age <= most


@given(SOURCES, RATES)
def test_a_time_at_which_all_have_a_young_value_lies_in_a_stretch_and_no_other_does(
    sources: list[tuple[list[int], int]], rate: Fraction
) -> None:
    stamps, ages = sorted_stamps(sources)
    found = resample(stamps, ages, rate, EVER)
    spans = [(int(s.times[0]), int(s.times[-1])) for s in found]
    assert spans == sorted(spans)
    assert all(before[1] < after[0] for before, after in pairwise(spans))
    step = 1 / rate

    for time in {int(s) for of_one in stamps for s in of_one}:
        latest = [
            max((int(s) for s in of_one if s <= time), default=-(10**12)) for of_one in stamps
        ]
        good = all(time - s <= most for s, most in zip(latest, ages, strict=True))

        # between a stretch's first and last frame, or in the rest of a period behind the last
        near = any(first <= time < last + step * SECOND + 1 for first, last in spans)
        inside = any(first <= time <= last for first, last in spans)
        assert near if good else not inside


@given(st.integers(0, 10**18), st.integers(0, 100 * SECOND), RATES)
def test_frames_are_as_many_as_the_rate_says_and_none_drifts(
    start: int, length: int, rate: Fraction
) -> None:
    times = frame_times(start, start + length, rate)
    assert len(times) == int(length * rate / SECOND) + 1
    for k in (0, len(times) // 2, len(times) - 1):
        exact = start + k * SECOND / rate
        assert 0 <= exact - int(times[k]) < 1


def test_an_hour_at_a_rate_of_television_keeps_its_count() -> None:
    assert len(frame_times(0, 3600 * SECOND, Fraction(30000, 1001))) == 107_893
    assert len(frame_times(0, 10 * SECOND, Fraction(5, 2))) == 26


@given(SOURCES, RATES, st.integers(0, 20 * SECOND))
def test_no_value_crosses_from_one_episode_to_the_next(
    sources: list[tuple[list[int], int]], rate: Fraction, cut: int
) -> None:
    stamps, ages = sorted_stamps(sources)
    for stretch in resample(stamps, ages, rate, [(EVER[0][0], cut), (cut, EVER[0][1])]):
        values = np.stack([s[k] for s, k in zip(stamps, stretch.chosen.T, strict=True)], axis=1)
        assert (values < cut).all() or (values >= cut).all()
        assert (stretch.times < cut).all() or (stretch.times >= cut).all()


def of(*stamps: list[float], age: float = 0.3, rate: float = 10) -> list[FrameStretch]:
    arrays = [np.round(np.array(s) * SECOND).astype(np.int64) for s in stamps]
    return resample(arrays, [round(age * SECOND)] * len(stamps), Fraction(str(rate)), EVER)


def test_a_gap_ends_a_stretch_and_the_next_begins_with_the_next_value() -> None:
    first, second = of([0, 0.1, 0.2, 1.25, 1.35])
    assert (first.times / SECOND).tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert (first.ages[:, 0] / SECOND).tolist() == pytest.approx([0, 0, 0, 0.1, 0.2, 0.3])
    assert (second.times / SECOND).tolist() == pytest.approx([1.25, 1.35])


def test_frames_begin_when_the_last_source_does_and_end_with_the_last_value_of_all() -> None:
    (stretch,) = of([0, 0.1, 0.2, 0.3], [0.15, 0.25])
    assert (stretch.times / SECOND).tolist() == pytest.approx([0.15, 0.25])
    assert of([0, 0.1], [5, 5.1]) == []


def test_a_clock_that_jumps_ahead_for_years_makes_no_frames_of_it() -> None:
    found = of([0, 0.1, 1.7e9, 1.7e9 + 0.1], age=3)
    assert sum(len(stretch.times) for stretch in found) == 32 + 2


def test_gaps_are_where_the_next_value_comes_too_late() -> None:
    assert gaps(np.array([0, 10, 20, 31, 41]), 10).tolist() == [2]
