"""What people say of episodes, beside the bag."""

import json
import threading
from pathlib import Path

import pytest
from fixtures.episodes import write_run
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_bags import digests
from wayfarer_bags.labels import NAME, Label, read_labels, write_label, write_labels
from wayfarer_core.errors import ConfigError, DataError


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(tmp_path / "run", 3, 4)


def test_a_label_is_read_as_it_was_said_and_what_is_not_said_stays(run: Path) -> None:
    assert read_labels(run) == {}
    assert write_label(run, 1, success=True) == Label(True)
    assert write_label(run, 1, note="käfig gestreift") == Label(True, "käfig gestreift")
    write_label(run, 2, success=False)
    assert read_labels(run) == {1: Label(True, "käfig gestreift"), 2: Label(False)}
    write_label(run, 2, success=None)
    assert write_label(run, 1, note="") == Label(True)
    assert read_labels(run) == {1: Label(True)}, "of whom nothing is said any more, nothing is kept"


def test_the_bag_stays_as_it_is(run: Path) -> None:
    before = {file.name: file.read_bytes() for file in run.iterdir()}
    write_label(run, 0, success=True, note="well done")
    after = {file.name: file.read_bytes() for file in run.iterdir()}
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {NAME, f"{NAME}.lock"}
    assert NAME not in digests.read(run)


def test_an_episode_there_is_not_and_a_note_too_long_are_refused(run: Path) -> None:
    with pytest.raises(ConfigError, match="has no episode 3; it has 0, 1, 2"):
        write_label(run, 3, success=True)
    with pytest.raises(ConfigError, match="10000 letters at most"):
        write_label(run, 0, note="x" * 10_001)
    assert not (run / NAME).exists()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{",
        '{"format": 2, "episodes": {}}',
        '{"format": 1, "episodes": []}',
        '{"format": 1, "episodes": {"one": {}}}',
        '{"format": 1, "episodes": {"0": {"success": 1}}}',
        '{"format": 1, "episodes": {"0": {"success": "yes"}}}',
        '{"format": 1, "episodes": {"0": {"note": 3}}}',
        "[" * 100_000,
    ],
)
def test_a_file_that_is_damaged_is_an_error_that_names_it_and_is_not_written_over(
    run: Path, content: str
) -> None:
    (run / NAME).write_text(content)
    for attempt in (lambda: read_labels(run), lambda: write_label(run, 0, success=True)):
        with pytest.raises(DataError, match=r"cannot read .*labels.json"):
            attempt()

    assert (run / NAME).read_text() == content


def test_two_people_may_label_at_once(run: Path) -> None:
    def say(episode: int) -> None:
        for k in range(20):
            write_label(run, episode, note=str(k))

    people = [threading.Thread(target=say, args=(episode,)) for episode in range(3)]
    for one in people:
        one.start()

    for one in people:
        one.join()

    assert read_labels(run) == {episode: Label(None, "19") for episode in range(3)}


@given(
    st.dictionaries(
        st.integers(0, 10**6), st.builds(Label, st.sampled_from([True, False, None]), st.text())
    )
)
def test_whatever_is_said_comes_back(
    tmp_path_factory: pytest.TempPathFactory, labels: dict[int, Label]
) -> None:
    folder = tmp_path_factory.mktemp("labels")
    try:
        write_labels(folder, labels)
    except UnicodeEncodeError:
        pytest.fail("a note that cannot be written")

    assert read_labels(folder) == {number: label for number, label in labels.items() if label}
    json.loads((folder / NAME).read_text())
