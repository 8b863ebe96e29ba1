from pathlib import Path

import numpy as np
import pytest
from fixtures.painted import painted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_data.cache.dataset import Dataset
from wayfarer_offline.splits import SPLITS, Split, draw_split

datasets_of = settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def datasets(tmp_path_factory: pytest.TempPathFactory) -> list[Dataset]:
    folder = tmp_path_factory.mktemp("runs")
    return [painted(folder / "a", 20, 9, seed=1), painted(folder / "b", 10, 19, seed=2)]


def split(
    datasets: list[Dataset], which: int, name: str = "frames", share: float = 0.05, seed: int = 0
) -> Split:
    return draw_split(datasets, [data.known for data in datasets], which, name, share, seed)


@datasets_of
@given(
    st.sampled_from(sorted(SPLITS)), st.floats(0.01, 0.6), st.integers(0, 1000), st.integers(0, 1)
)
def test_no_row_is_both_trained_on_and_tested_and_none_is_lost(
    datasets: list[Dataset], name: str, share: float, seed: int, which: int
) -> None:
    found = split(datasets, which, name, share, seed)
    assert not set(found.train) & set(found.test[which])
    assert sorted([*found.train, *found.test[which]]) == datasets[which].known.tolist()
    assert len(found.unseen) == sum(map(len, found.test))
    assert all(len(rows) for rows in found.test)


def test_five_percent_of_every_dataset_are_tested(datasets: list[Dataset]) -> None:
    assert [len(rows) for rows in split(datasets, 0).test] == [10, 10]


@pytest.mark.parametrize("name", SPLITS)
def test_the_test_set_is_the_same_whichever_dataset_is_trained_on_and_another_seed_draws_another(
    datasets: list[Dataset], name: str
) -> None:
    a, b, other = (
        split(datasets, 0, name),
        split(datasets, 1, name),
        split(datasets, 0, name, seed=1),
    )
    for k in (0, 1):
        np.testing.assert_array_equal(a.test[k], b.test[k])
        assert a.test[k].tolist() != other.test[k].tolist()


def test_whole_episodes_are_tested_where_that_is_asked_for(datasets: list[Dataset]) -> None:
    found = split(datasets, 0, "episodes", 0.12)
    episodes = datasets[0].index.place
    assert not set(episodes[found.train]) & set(episodes[found.test[0]])
    assert len(found.test[0]) == 30  # 24 rows are wanted, an episode has 10
    by_frame = split(datasets, 0, "frames", 0.12)
    assert set(episodes[by_frame.train]) & set(episodes[by_frame.test[0]])


def test_pictures_that_are_also_trained_on_are_told_from_the_unseen(
    datasets: list[Dataset],
) -> None:
    found = split(datasets, 0, share=0.3)
    train = {frame.tobytes() for frame in datasets[0].frames(found.train).numpy()}
    expected = [
        frame.tobytes() not in train
        for data, rows in zip(datasets, found.test, strict=True)
        for frame in data.frames(rows).numpy()
    ]
    assert found.unseen.tolist() == expected
    assert 0 < sum(expected) < len(expected)  # every episode begins in one of six ways


def test_too_little_data_and_unknown_names_are_refused(
    tmp_path: Path, datasets: list[Dataset]
) -> None:
    with pytest.raises(ConfigError, match="choose from frames, episodes"):
        split(datasets, 0, "runs")

    one = [painted(tmp_path / "one", 1, 5)]
    with pytest.raises(DataError, match="a run is given twice"):
        split([datasets[0], datasets[0]], 0)

    with pytest.raises(DataError, match="of 6 labelled images none is left to train on"):
        split(one, 0, "episodes")
