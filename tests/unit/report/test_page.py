"""The page of `wayfarer report`, made of small runs."""

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.episodes import expected_image, write_episode, write_run
from fixtures.plain_bags import record
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from wayfarer_bags.run_directory import RunWriter
from wayfarer_core.errors import DataError
from wayfarer_core.reason import Reason
from wayfarer_policies.algorithms import checkpoint
from wayfarer_policies.exploration.making import make_rnd
from wayfarer_report.page.dataset import dataset_page
from wayfarer_report.page.gathered import Gathered, gather
from wayfarer_report.page.markup import Markup, tag
from wayfarer_report.page.page import write_page

pytestmark = pytest.mark.slow

SECTIONS = (
    *(
        "runs",
        "cube",
        "coverage",
        "balance",
        "pictures",
        "novelty",
        "goals",
        "actions",
        "losses",
        "timing",
    ),
    "parameters",
)
EVIL = "<script>alert('x')</script>&\"$\\frac{"
NOBODY_KNOWS = "Where the cube was is not known"


def run_with(path: Path, episodes: int = 2, steps: int = 5, size: int = 36, **options: Any) -> Path:
    return write_run(path, episodes, steps, size=size, **options)


def page_of(*runs: Path) -> str:
    return dataset_page([gather(run) for run in runs], "the tests")


class Reader(HTMLParser):
    """Collects elements, their attributes and the text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_has_every_section_and_a_way_to_it(tmp_path: Path) -> None:
    read = Reader(page_of(run_with(tmp_path / "first"), run_with(tmp_path / "second")))
    ids = {attributes["id"] for name, attributes in read.elements if name == "section"}
    links = {attributes["href"] for name, attributes in read.elements if name == "a"}
    assert ids == set(SECTIONS)
    assert links == {f"#{section}" for section in SECTIONS}
    assert "2 runs, 4 episodes, 20 steps" in read.text
    assert "Written " in read.text
    assert "by the tests" in read.text


def test_the_page_needs_nothing_from_outside_and_runs_nothing(tmp_path: Path) -> None:
    page = page_of(run_with(tmp_path / "run"))
    read = Reader(page)
    names = {name for name, _ in read.elements}
    assert not names & {"script", "link", "iframe", "object", "embed"}
    sources = [attributes["src"] or "" for name, attributes in read.elements if name == "img"]
    assert sources
    assert all(source.startswith("data:image/") for source in sources)
    assert not re.search(r"url\((?!#)|@import", page)
    assert not any(key.startswith("on") for _, attributes in read.elements for key in attributes)


def test_pictures_and_drawings_have_words_for_those_who_do_not_see_them(tmp_path: Path) -> None:
    read = Reader(page_of(run_with(tmp_path / "run")))
    assert all(attributes.get("alt") for name, attributes in read.elements if name == "img")
    drawings = [attributes for name, attributes in read.elements if name == "svg"]
    assert len(drawings) >= 7
    assert all(attributes.get("aria-label") for attributes in drawings)
    ids = [attributes["id"] for _, attributes in read.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))  # figures of one page do not take each other's parts


def test_nothing_that_stands_in_a_bag_or_run_yaml_becomes_markup(tmp_path: Path) -> None:
    path = tmp_path / EVIL.replace("/", "")
    run = RunWriter(path)
    record = {"method": EVIL, "goal": EVIL, "goal_novelty": 3.0, "reason": EVIL, "run": EVIL}

    for number in range(2):
        run.add(write_episode(path, number, 4, size=36, record=record))

    session = {
        "started": EVIL,
        "commit": EVIL,
        "versions": {EVIL: EVIL},
        "collector": {"method": EVIL, "seed": EVIL},
    }
    run.describe({"configuration": {EVIL: {EVIL: [EVIL]}}, "sessions": [session]})
    run.release()
    page = page_of(path)
    read = Reader(page)
    assert "script" not in {name for name, _ in read.elements}
    assert EVIL in read.text
    assert page.count("&lt;script&gt;") >= 6
    assert page.count("alert(") == page.count("alert(&#x27;")


@pytest.mark.parametrize(
    "description", [{"sessions": 3}, {"sessions": [{"collector": 7}]}, {"configuration": [1]}]
)
def test_a_run_yaml_of_another_kind_is_an_error_that_names_it(
    tmp_path: Path, description: dict[str, Any]
) -> None:
    path = run_with(tmp_path / "run")
    run = RunWriter(path)
    run.describe(description)
    run.release()
    with pytest.raises(DataError, match=r"run\.yaml: its "):
        page_of(path)


def test_a_run_without_truth_says_so_in_place_of_empty_figures(tmp_path: Path) -> None:
    real = run_with(tmp_path / "real", truth=False)
    assert page_of(real).count(NOBODY_KNOWS) == 3
    both = page_of(real, run_with(tmp_path / "simulated"))
    # where the cube was; the other figures show the run that knows
    assert both.count(NOBODY_KNOWS) == 1
    assert "empty here: real." in both


def track(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Say that the cube moves 4 mm with each picture, 4 cm with the last, and is not seen in the
    second.
    """
    poses = np.tile([0.58, 0.0, -0.067, 0, 0, 0, 1.0], (len(images), 1))
    poses[:, 1] = 0.004 * np.arange(len(images))
    poses[-1, 1] += 0.04
    poses[1] = np.nan

    return poses


def test_where_nobody_recorded_the_cube_a_tracker_looks_and_the_page_says_so(
    tmp_path: Path,
) -> None:
    real, simulated = (
        run_with(tmp_path / name, size=12, truth=name != "real") for name in ("real", "simulated")
    )
    found = [gather(run, tracker_of=lambda _: track) for run in (real, simulated)]
    assert [run.tracked for run in found] == [True, False]
    assert found[0].numbers.faces["yellow"] == 2 * 5
    assert found[0].numbers.moved_steps == 2  # nearer than a centimetre the tracker may err
    text = Reader(dataset_page(found, "the tests")).text
    assert "The cube's position, as the tracker saw it, in 10 observations" in text
    assert "The cube's position in 12 observations" in text
    assert text.count("As the tracker saw it: real. Nobody recorded the true pose there") == 2
    assert "2 (20.0 %) as the tracker saw it" in text
    assert "is not known" not in text


def test_why_no_tracker_looked_is_said(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", size=12, truth=False)
    assert "run.yaml names no camera calibration" in Reader(page_of(run)).text
    (run / "run.yaml").write_text("configuration: {camera: {calibration: /gone/<b>.yaml}}\n")
    assert "/gone/<b>.yaml" in Reader(page_of(run)).text
    blind = gather(run, tracker_of=lambda _: lambda images: np.full((len(images), 7), np.nan))
    assert not blind.tracked
    assert "the cube tracker did not find it in any image" in dataset_page([blind], "the tests")


def test_a_bag_of_another_recorder_has_a_page_beside_a_run(tmp_path: Path) -> None:
    goal = {"goal": "0/3", "goal_novelty": 2.5}
    files = [
        write_episode(tmp_path, number, 5, record=goal if number else None) for number in range(2)
    ]
    bag, run = record(tmp_path / "bag", files), run_with(tmp_path / "run", size=12)
    (file,) = bag.glob("*.mcap")
    before = {path.name for path in bag.iterdir()}
    found = [gather(path) for path in (bag, file, run)]
    assert {path.name for path in bag.iterdir()} == before

    for one in found[:2]:
        assert dataclasses.replace(one.numbers, wall_s=0) == dataclasses.replace(
            found[2].numbers, wall_s=0
        )
        assert one.numbers.wall_s == pytest.approx(2 * 5 * 0.5)
        assert [episode.answer_ms.tolist() for episode in one.record.episodes] == [[0.0] * 5] * 2
        assert len(one.record.frames) == 12

    text = Reader(dataset_page(found, "the tests")).text
    assert "3 runs, 6 episodes, 30 steps" in text
    assert "are not in it: their episodes are gone, or another recorder's" in text


def test_images_are_judged_by_the_run_s_own_rnd_or_by_one_fitted_here(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", size=84)
    fitted_here = gather(run).scores
    assert fitted_here.judge.startswith("an RND fitted for this page to these 12 images")
    rnd = make_rnd(5, "cpu")
    checkpoint.write(run / "checkpoints" / "novelty.safetensors", "novelty", rnd.state())
    own = gather(run)
    assert own.scores.judge == "the run's own RND after its last fit (0 fits)"
    images = np.stack([frame.pixels for frame in own.record.frames]).transpose(0, 3, 1, 2)
    assert own.scores.values == pytest.approx(rnd.novelty(images), rel=1e-3)
    order = own.scores.order()
    assert (np.diff(own.scores.values[order]) <= 0).all()
    assert "Judged by the run&#x27;s own RND" in dataset_page([own], "the tests")


def test_a_damaged_checkpoint_is_an_error_that_names_it(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", size=84)
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "novelty.safetensors").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"novelty\.safetensors"):
        gather(run)


def test_images_too_small_to_judge_are_shown_in_the_order_of_time(tmp_path: Path) -> None:
    page = page_of(run_with(tmp_path / "run", size=12))
    assert "images of 12x12 pixels are too small for RND" in page
    assert "In the order of time" in page


def test_goals_are_shown_above_what_came_of_them(tmp_path: Path) -> None:
    path = run_with(tmp_path / "run", episodes=1, steps=5)
    run = RunWriter(path)
    run.add(write_episode(path, 1, 5, size=36, record={"goal": "0/3", "goal_novelty": 2.5}))

    # that one is gone
    run.add(write_episode(path, 2, 5, size=36, record={"goal": "77/0", "goal_novelty": 9.0}))
    run.release()
    found = gather(path)
    [one] = found.record.goals
    assert (one.episode, one.name, one.novelty) == (1, "0/3", 2.5)
    assert (one.goal == expected_image(0, 3, 36)).all()
    assert one.final is not None
    assert (one.final == expected_image(1, 5, 36)).all()
    page = dataset_page([found], "the tests")
    assert "goal 0/3 above, the end of episode 1 below" in page
    assert "2, novelty 2.5 at first, 9 at last" in page


def test_losses_and_the_gate_are_told(tmp_path: Path) -> None:
    run = run_with(tmp_path / "run", 3, 5, lost_images=[2], reasons=int(Reason.WORKSPACE))
    text = Reader(page_of(run)).text
    assert "6 of 150: 2, 1: 2, 2: 2" in text  # steps 1 and 2 of each episode
    assert "workspace 100.0 %" in text


def test_what_a_person_chose_is_told_beside_what_a_policy_did(tmp_path: Path) -> None:
    page = Reader(page_of(run_with(tmp_path / "a", human=[1, 2]), run_with(tmp_path / "b")))
    assert "steps chosen by a person" in page.text
    assert "4 of 10 (40.0 %): episode/steps 0/1 to 2, 1/1 to 2" in page.text


def test_a_run_without_episodes_has_a_page_too(tmp_path: Path) -> None:
    text = Reader(page_of(run_with(tmp_path / "empty", episodes=0))).text
    assert "1 run, 0 episodes, 0 steps" in text
    assert "There is no image in this run." in text


def test_reading_tells_how_far_it_is_and_refuses_what_is_no_run(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    found = gather(
        run_with(tmp_path / "run", episodes=3), lambda done, total: told.append((done, total))
    )
    assert isinstance(found, Gathered)
    assert told == [(1, 3), (2, 3), (3, 3)]

    with pytest.raises(DataError, match="is not a directory"):
        gather(tmp_path / "nowhere")


def test_a_page_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    write_page(tmp_path / "new" / "page.html", "old")
    write_page(tmp_path / "new" / "page.html", "new")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["page.html"]
    assert (tmp_path / "new" / "page.html").read_text() == "new"
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot write"):
        write_page(tmp_path / "file" / "page.html", "")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])))
def test_any_text_comes_back_out_of_an_element_as_it_was(words: str) -> None:
    read = Reader(tag("p", words, title=words))
    assert read.text == words
    assert read.elements == [("p", {"title": words})]
    assert Reader(tag("p", tag("b", words))).elements == [("p", {}), ("b", {})]
    assert tag("p", Markup("<br>")) == "<p><br></p>"
