"""The paper's grid and what is made of its results; tiny sizes, real parts."""

import csv
import itertools
import json
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fixtures.browser import show
from fixtures.shipped import shipped
from fixtures.workers import Here
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from wayfarer_cli.evaluate import Trial as EvaluatedTrial
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_offline.evaluation import Evaluation, wilson
from wayfarer_paper import cells, run
from wayfarer_paper.cells import policy_folder
from wayfarer_paper.document import paper_page
from wayfarer_paper.grid import CellState, GridError, Result, file_of, run_grid
from wayfarer_paper.outcome import Score, Standing, finished, in_words, standings
from wayfarer_paper.plan import STAGES, cells_of, run_name
from wayfarer_paper.run import run_paper, write_results
from wayfarer_paper.scales import FULL, SMALL, Scale, Variant, scale
from wayfarer_paper.toy import STRATEGIES
from wayfarer_policies.acting.offline_policy import write_policy
from wayfarer_policies.algorithms.bcq_networks import Description
from wayfarer_policies.exploration.algorithm_1 import Schedule

TINY = replace(
    SMALL,
    name="tiny",
    variants=(
        Variant("goal", "goal"),
        Variant("random, robot hidden", "random", {"sim_bridge": {"hide_robot": True}}),
    ),
    repetitions=1,
    episodes=2,
    steps=6,
    epochs=1,
    tasks=("push",),
    updates=1,
    encoder_updates=1,
    trials=2,
    trial_steps=2,
    toy=replace(
        SMALL.toy, schedule=Schedule(episodes=6, episodes_per_cycle=2, steps=6, epochs=1), batch=4
    ),
)


@pytest.fixture(autouse=True)
def _threads() -> Iterator[None]:
    """Cells take one thread; other tests have theirs back."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def _no_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells are done in this process."""
    monkeypatch.setattr(run, "RayWorkers", lambda *_: nullcontext(Here()))


# --- the plan ---


def test_the_full_scale_is_the_paper_s() -> None:
    assert (FULL.repetitions, FULL.episodes * FULL.steps, FULL.epochs, FULL.predictor_seeds) == (
        5,
        300_000,
        25,
        5,
    )
    assert (FULL.updates, FULL.bcq_seeds, len(FULL.tasks)) == (50_000, 3, 3)
    assert {v.method for v in FULL.variants} == {"goal", "rnd", "random", "goal-random", "goal-min"}
    assert any(v.parameters == {"sim_bridge": {"hide_robot": True}} for v in FULL.variants)


@pytest.mark.parametrize("size", [SMALL, FULL], ids=lambda size: size.name)
def test_a_grid_has_a_cell_for_each_method_dataset_seed_and_task(size: Scale) -> None:
    planned = cells_of("all", size)
    kinds = [cell.name.split("/")[0] for cell in planned]
    datasets = len(size.variants) * size.repetitions
    assert kinds.count("collect") == kinds.count("describe") == datasets
    assert kinds.count("color") == kinds.count("position") == datasets * size.predictor_seeds
    assert (
        kinds.count("learn")
        == datasets * size.bcq_seeds * len(size.tasks)
        == kinds.count("try") - 1
    )
    assert kinds.count("toy") == 5 * size.repetitions
    assert len({cell.name for cell in planned}) == len(planned)


def test_every_stage_holds_what_it_needs(tmp_path: Path) -> None:
    for stage in STAGES:
        names: set[str] = set()
        for cell in cells_of(stage, TINY):
            assert names.issuperset(cell.after), f"{stage}: {cell.name}"
            names.add(cell.name)

    assert {cell.name.split("/")[0] for cell in cells_of("toy", TINY)} == {"toy", "show-toy"}
    with pytest.raises(ConfigError, match="stage 'everything' is not one of collect, report"):
        cells_of("everything", TINY)


def test_the_toy_world_takes_the_recipe_of_the_cube_world() -> None:
    learner, collector = (shipped("recipe_practical", node) for node in ("learner", "collector"))
    of = {recipe: cells_of("toy", scale("small", recipe)) for recipe in ("paper", "practical")}
    paper, found = (of[recipe][0].arguments["config"] for recipe in ("paper", "practical"))
    assert paper == SMALL.toy.to_plain()
    assert (found["near_goals"], found["lookahead"]) == (
        learner["near_goals"],
        learner["lookahead"],
    )
    assert found["schedule"]["episodes_per_cycle"] == collector["episodes_per_cycle"]
    assert found["after_arrival"] == "play"


def test_scales_are_looked_up_by_name_and_repeated_as_often_as_wanted() -> None:
    assert scale("small", "paper") == replace(SMALL, recipe="paper")
    assert scale("small", "practical") == SMALL
    assert scale("full", "paper", 7).repetitions == 7
    with pytest.raises(
        ConfigError, match="scale 'huge' is not one of small, medium, large, hidden, full"
    ):
        scale("huge", "paper")


def test_names_of_datasets_are_names_of_folders() -> None:
    assert run_name(Variant("goal, robot hidden", "goal"), 3) == "goal-robot-hidden-3"


# --- what is made of results ---


def scores(variant: str, *values: float) -> list[Score]:
    return [Score(variant, k, 0, value) for k, value in enumerate(values)]


def test_a_ranking_tells_medians_with_ranges_and_claims_only_what_lies_apart() -> None:
    found = [
        *scores("a", 1.0, 5.0, 9.0),
        *scores("b", 8.0, 12.0, 14.0),
        *scores("c", 0.5, 0.5, 0.4),
    ]
    ranking = standings(found, higher_is_better=True)
    assert ranking[:2] == [Standing("b", 3, 12.0, 8.0, 14.0), Standing("a", 3, 5.0, 1.0, 9.0)]
    assert (
        in_words(ranking, lambda v: f"{v:g}")
        == "b 12 (8 to 14; n = 3) ~ a 5 (1 to 9; n = 3) > c 0.5 (0.4 to 0.5; n = 3)"
    )
    assert [s.variant for s in standings(found, higher_is_better=False)] == ["c", "a", "b"]


def test_no_order_is_claimed_from_few_datasets_however_many_seeds() -> None:
    seeds = [
        Score(name, k % 2, k, value + k)
        for name, value in (("a", 100.0), ("b", 1.0))
        for k in range(9)
    ]
    assert ">" not in in_words(standings(seeds, higher_is_better=True), str)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(-100, 100)), min_size=1))
def test_a_ranking_loses_nobody_and_keeps_medians_within_their_ranges(
    pairs: list[tuple[str, float]],
) -> None:
    ranking = standings(
        [Score(name, k, 0, value) for k, (name, value) in enumerate(pairs)], higher_is_better=False
    )
    assert sum(s.datasets for s in ranking) == len(pairs)
    assert {s.variant for s in ranking} == {name for name, _ in pairs}
    assert all(s.low <= s.median <= s.high for s in ranking)
    assert all(a.median <= b.median for a, b in itertools.pairwise(ranking))


def test_a_method_of_which_a_dataset_gave_no_policy_is_told_but_not_ranked(tmp_path: Path) -> None:
    size = replace(TINY, repetitions=2)
    names = [run_name(variant, k) for variant in size.variants for k in range(2)]

    # the last has no policy
    counts = dict(zip(names, ((10, 5), (10, 3), (10, 9), (0, 0)), strict=True))
    results = {
        f"try/push-{name}-0": Result({}, {"episodes": n, "at_end": good, "at_any_time": good}, 1.0)
        for name, (n, good) in counts.items()
    }
    page = paper_page(size, tmp_path, results, "")
    assert "<p><b>push, success [%]: </b>goal 40 (30 to 50; n = 2)</p>" in page
    assert "push: not ranked" in page
    assert "<li>random, robot hidden 90 (90 to 90; n = 1): none from dataset 1</li>" in page


def test_a_page_of_nothing_says_what_is_not_done(tmp_path: Path) -> None:
    assert [path.name for path in write_results(TINY, tmp_path)] == ["paper.html"]
    page = (tmp_path / "paper.html").read_text()
    assert page.count("Not done: wayfarer paper") == 6


def test_another_policy_s_trials_lie_in_another_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[EvaluatedTrial] = []

    def look(trial: EvaluatedTrial) -> Evaluation:
        tried.append(trial)
        return Evaluation("push", "", wilson([True]), wilson([True]), 0.0, (True,))

    monkeypatch.setattr(cells, "try_in_process", look)
    for _ in range(2):  # learned anew, with other weights
        description = Description()
        file = policy_folder(tmp_path, "push", "goal-0", 0) / "policy.safetensors"
        write_policy(file, description, description.build(), {"task": "push", "updates": 1})
        cells.attempt(tmp_path, "push", "goal-0", 0, 1, 2, {})

    assert len({trial.out for trial in tried}) == 2


def done(folder: Path, name: str, value: Any) -> None:
    """Leave a cell of TINY as if it had been done."""
    cell = next(cell for cell in cells_of("all", TINY) if cell.name == name)
    file_of(folder, name).parent.mkdir(parents=True, exist_ok=True)
    file_of(folder, name).write_text(
        json.dumps({"arguments": cell.arguments, "seconds": 1.0, "value": value})
    )


def test_results_of_another_scale_and_what_was_made_of_them_are_left_out(tmp_path: Path) -> None:
    done(tmp_path, "collect/goal-0", {"run": "goal-0"})

    # its own arguments are the dataset's name alone
    done(tmp_path, "describe/goal-0", {"steps": 12})
    done(tmp_path, "try/random-actions", {"push": {}})
    assert set(finished(tmp_path, cells_of("all", TINY))) == {
        "collect/goal-0",
        "describe/goal-0",
        "try/random-actions",
    }
    assert set(finished(tmp_path, cells_of("all", replace(TINY, steps=7)))) == {
        "try/random-actions"
    }


@pytest.mark.usefixtures("_no_ray")
def test_a_refused_paper_leaves_page_and_tables_as_they_were(tmp_path: Path) -> None:
    done(tmp_path, "toy/goal-0", {"states": 3})
    for name in ("paper.html", "coverage.csv"):
        (tmp_path / name).write_text("as it was")

    with pytest.raises(ConfigError, match="done with other arguments"):
        run_paper("toy", replace(TINY, toy=replace(TINY.toy, batch=5)), tmp_path, None, "")

    assert [(tmp_path / name).read_text() for name in ("paper.html", "coverage.csv")] == [
        "as it was"
    ] * 2


@pytest.mark.usefixtures("_no_ray")
def test_what_is_finished_is_shown_although_other_jobs_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise DataError("no such luck [today]")

    for name in ("collect", "attempt_at_random"):
        monkeypatch.setattr(cells, name, fail)

    with pytest.raises(GridError, match="no such luck"):
        run_paper("offline", TINY, tmp_path, None, "")

    assert (tmp_path / "paper.html").exists()
    told = capsys.readouterr().err
    assert "failed: collect/goal-0: no such luck [today]" in told
    assert told.index("failed: collect/goal-0") < told.index("paper.html")
    assert (tmp_path / "cells/collect/goal-0.error").read_text() == "no such luck [today]\n"


# --- all of it ---


def lines(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.usefixtures("_no_ray")
@pytest.mark.slow
def test_the_toy_world_leaves_its_table_and_pictures(tmp_path: Path) -> None:
    run_paper("toy", TINY, tmp_path, None, "")
    table = lines(tmp_path / "coverage.csv")
    columns = ["strategy", "seed", "episode", "total_states", "episode_states", "new_states"]
    assert list(table[0]) == columns
    assert [(row["strategy"], row["episode"]) for row in table] == [
        (s, str(k)) for s in STRATEGIES for k in range(6)
    ]

    for name in ("figure2-goal", "figure2-rnd", "figure3"):
        picture = np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB"))
        assert picture.shape[1] > 600
        assert (picture[0, 0] == 255).all()
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50


@pytest.mark.slow
def test_the_whole_paper_is_done_shown_and_kept(tmp_path: Path) -> None:
    planned = cells_of("all", TINY)
    run_grid(planned, tmp_path, Here())
    written = {path.name for path in write_results(TINY, tmp_path)}
    assert written == {
        *("coverage.csv", "figure3.png", "growth.csv", "growth.png", "paper.html"),
        *("figure5.csv", "figure6-color.csv", "figure6-position.csv", "figure7.csv"),
    }
    assert (tmp_path / "report.html").exists()
    assert [(row["variant"], row["steps"]) for row in lines(tmp_path / "figure5.csv")] == [
        ("goal", "12"),
        ("random, robot hidden", "12"),
    ]
    assert all(0 <= float(row["accuracy"]) <= 1 for row in lines(tmp_path / "figure6-color.csv"))
    assert all(float(row["error_mm"]) >= 0 for row in lines(tmp_path / "figure6-position.csv"))
    at_random = [
        row for row in lines(tmp_path / "figure7.csv") if row["variant"] == "random actions"
    ]
    assert [(row["task"], row["episodes"]) for row in at_random] == [("push", "2")]

    shown = show(tmp_path / "paper.html", tmp_path / "paper.png", height=5000)
    assert shown.console == []
    assert (shown.pixels < 100).all(axis=2).mean() > 0.002  # words and axes
    assert "Not done" not in (tmp_path / "paper.html").read_text()

    told: list[tuple[str, CellState]] = []
    file_of(tmp_path, "describe/goal-0").unlink()  # as if killed there
    run_grid(planned, tmp_path, Here(), lambda cell, state, _: told.append((cell.name, state)))
    assert [name for name, state in told if state is not CellState.KEPT] == ["describe/goal-0"] * 2

    with pytest.raises(ConfigError, match=r"done with other arguments .epochs was 1, is 2."):
        run_grid(cells_of("supervised", replace(TINY, epochs=2)), tmp_path, Here())
