import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from fixtures import episodes as fixture
from fixtures.episodes import write_episode, write_run
from torch.utils.data import DataLoader
from wayfarer_bags import digests
from wayfarer_bags.episode import End
from wayfarer_bags.run_directory import RunWriter
from wayfarer_core.errors import DataError
from wayfarer_core.fault import DISCARDED
from wayfarer_data.cache.buffer import RunBuffer
from wayfarer_data.cache.cache_index import INDEX
from wayfarer_data.cache.dataset import Dataset, Place, Transitions, as_it_is
from wayfarer_data.cache.sampling import Batch
from wayfarer_data.upkeep.rewrite import merge
from wayfarer_policies.algorithms.algorithm import LabelledBatch
from wayfarer_policies.exploration.relabel import FutureGoals


@pytest.fixture(scope="module")
def two_runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")

    return [
        write_run(folder / "a", 3, 5, lost_images=[2]),
        write_run(folder / "b", 2, 4, truth=False, end=End.TERMINATED),
    ]


def expected_frame(number: int, step: int) -> torch.Tensor:
    return torch.from_numpy(fixture.expected_image(number, step).transpose(2, 0, 1).copy())


def test_several_runs_are_one_dataset_by_global_rows(two_runs: list[Path]) -> None:
    data = Dataset.open(two_runs)
    assert data.runs == tuple(two_runs)
    assert (data.rows, len(data), data.lost_steps) == (3 * 6 + 2 * 5, 3 * 3 + 2 * 4, 3 * 2)
    assert data.starts.tolist() == [0, 6, 12, 18, 23]
    assert data.lasts.tolist() == [5, 11, 17, 22, 27]
    assert data.index.numbers.tolist() == [0, 1, 2, 0, 1]
    assert data.episode_runs.tolist() == [0, 0, 0, 1, 1]
    assert len(data.known) == 28 - 3
    seen = 0

    for row in data.known.tolist():
        run, number, step = data.place(row)
        assert data.row(run, number, step) == row
        assert (data.frames(np.array([row]))[0] == expected_frame(number, step)).all()
        seen += 1

    assert seen == 25


def test_every_column_is_that_of_the_bag(two_runs: list[Path]) -> None:
    data = Dataset.open(two_runs)
    for row in data.transitions.tolist():
        run, number, step = data.place(row)
        one = torch.tensor([row])
        assert (data.actions(one)[0].numpy() == fixture.expected_action(number, step)).all()
        assert data.ee_positions(one)[0].numpy() == pytest.approx(
            fixture.expected_pose(number, step)[:3], abs=1e-6
        )

        if run == 0:
            assert data.object_poses(one)[0].numpy() == pytest.approx(
                fixture.expected_object(number, step), abs=1e-6
            )
        else:
            assert data.object_poses(one).isnan().all()

        assert bool(data.terminated(one)) == (run == 1 and step == 3)
        assert bool(data.truncated(one)) == (run == 0 and step == 4)


def test_a_lost_image_loses_its_steps_and_nothing_else(two_runs: list[Path]) -> None:
    data = Dataset.open(two_runs[:1])
    steps = {data.place(row).step for row in data.transitions.tolist()}
    assert steps == {0, 3, 4}


def test_who_chose_each_action_is_a_column_and_stays_when_runs_are_merged(tmp_path: Path) -> None:
    a = write_run(tmp_path / "a", 2, 3, human=[1])
    b = write_run(tmp_path / "b", 1, 3, human=[0, 2])
    merged = Path(merge([a, b], tmp_path / "both").run)

    for dataset in (Dataset.open([a, b]), Dataset.open([merged])):
        assert dataset.sources(dataset.transitions).tolist() == [0, 1, 0, 0, 1, 0, 1, 0, 1]
        assert dataset.column("sources")[dataset.lasts].tolist() == [0, 0, 0], (
            "no action belongs to the last row"
        )


def test_what_a_person_discarded_is_left_out_and_what_a_fault_aborted_is_not(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "run", 1, 4)
    write_episode(run, 1, 4, end=End.ABORTED, record={"reason": DISCARDED})
    write_episode(run, 2, 4, end=End.ABORTED, record={"reason": "no observation for 10.0 s"})
    dataset = Dataset.open([run])
    assert dataset.index.numbers.tolist() == [0, 2]
    assert len(list(run.glob("*.mcap"))) == 3


def test_random_batches_hold_transitions_of_every_run(two_runs: list[Path]) -> None:
    data = Dataset.open(two_runs)
    batch = data.sample(300, np.random.default_rng(0))
    assert set(data.run_of(batch.rows).tolist()) == {0, 1}

    for k in range(300):
        _, number, step = data.place(int(batch.rows[k]))
        assert (int(batch.episodes[k]), int(batch.steps[k])) == (number, step)
        assert (batch.states[k] == expected_frame(number, step)).all()
        assert (batch.next_states[k] == expected_frame(number, step + 1)).all()


def test_goals_come_from_the_future_of_the_same_episode(two_runs: list[Path]) -> None:
    data = Dataset.open(two_runs)
    rows = np.repeat(data.transitions, 50)
    goals = data.index.future(rows, np.random.default_rng(0))
    assert (goals >= rows).all()
    assert (data.index.place[goals] == data.index.place[rows]).all()
    assert set(goals.tolist()) <= set(data.known.tolist())
    assert data.row(0, 0, 5) in goals.tolist()


def test_rows_and_places_that_are_not_there_are_named(two_runs: list[Path]) -> None:
    data = Dataset.open(two_runs)
    for act, words in (
        (lambda: data.place(28), "rows 0 to 27"),
        (lambda: data.row(2, 0, 0), "runs 0 to 1"),
        (lambda: data.row(1, 2, 0), "no episode 2"),
        (lambda: data.row(0, 1, 6), "observations 0 to 5, not 6"),
    ):
        with pytest.raises(DataError, match=words):
            act()

    assert data.place(27) == Place(1, 1, 4)


@pytest.mark.parametrize("workers", [0, 2])
def test_torch_s_loader_gives_every_transition_once(two_runs: list[Path], workers: int) -> None:
    data = Dataset.open(two_runs)
    loader = DataLoader(
        Transitions(data), batch_size=4, shuffle=True, collate_fn=as_it_is, num_workers=workers
    )
    batches = list(loader)
    assert all(isinstance(batch, Batch) for batch in batches)
    assert (
        sorted(row for batch in batches for row in batch.rows.tolist()) == data.transitions.tolist()
    )


def test_torch_s_loader_gives_goals_anew_each_time(two_runs: list[Path]) -> None:
    data = Dataset.open(two_runs)
    transitions = Transitions(data, FutureGoals(), seed=3)
    epochs = [
        list(DataLoader(transitions, batch_size=len(data), collate_fn=as_it_is)) for _ in range(2)
    ]
    (one,), (two,) = epochs
    assert isinstance(one, LabelledBatch)
    assert one.observations.pixels.shape == (len(data), 6, 12, 12)
    assert (one.observations.pixels[:, :3] == two.observations.pixels[:, :3]).all()
    assert not (one.observations.pixels[:, 3:] == two.observations.pixels[:, 3:]).all()
    again = Transitions(data, FutureGoals(), seed=3).__getitems__(range(len(data)))
    assert isinstance(again, LabelledBatch)
    assert (one.observations.pixels == again.observations.pixels).all()


def test_workers_draw_different_goals(two_runs: list[Path]) -> None:
    data = Dataset.open(two_runs[1:])
    same = [0] * 8  # the first step, eight times for each of two workers
    batches = DataLoader(
        Transitions(data, FutureGoals()),
        batch_sampler=[same, same],
        collate_fn=as_it_is,
        num_workers=2,
    )
    goals = [batch.observations.pixels[:, 3:] for batch in batches]
    assert not (goals[0] == goals[1]).all()


# --- the cache ---


def test_the_first_opening_tells_its_progress_and_later_ones_read_no_bag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = [write_run(tmp_path / "a", 2, 3), write_run(tmp_path / "b", 1, 3)]
    heard: list[tuple[int, int]] = []
    Dataset.open(runs, lambda done, total: heard.append((done, total)))
    assert heard == [(0, 3), (1, 3), (2, 3), (2, 3), (3, 3)]

    def refuse(*_: object) -> None:
        raise AssertionError("a bag was read again")

    monkeypatch.setattr("wayfarer_data.cache.buffer.read_episode", refuse)
    assert len(Dataset.open(runs)) == 9


def test_an_episode_without_steps_or_without_images_is_left_out(tmp_path: Path) -> None:
    write_run(tmp_path / "a", 1, 0)
    write_run(tmp_path / "a", 1, 3, lost_images=range(4))
    write_run(tmp_path / "a", 1, 3)
    assert Dataset.open([tmp_path / "a"]).index.numbers.tolist() == [2]


def test_a_cache_of_an_older_version_is_made_anew(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", 2, 3)
    Dataset.open([run])
    index = run / "cache" / INDEX
    index.write_text(json.dumps({**json.loads(index.read_text()), "version": 1}))
    assert len(Dataset.open([run])) == 6


def test_a_run_that_cannot_be_written_to_keeps_its_cache_with_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "a", 2, 3)
    before = sorted(run.iterdir())
    writable: Callable[..., bool] = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != run and writable(path, mode))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    assert len(Dataset.open([run])) == 6
    assert sorted(run.iterdir()) == before
    assert list((tmp_path / "home" / "wayfarer").glob(f"*/{INDEX}"))
    assert RunBuffer(run).open().episodes == 2


def test_a_reader_keeps_its_frames_when_another_process_makes_the_cache_anew(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "a", 4, 3)
    data = Dataset.open([run])
    rows = data.transitions
    before = data.frames(rows).numpy()
    (run / "episode_000001.mcap").unlink()
    digests.replace(run, {k: v for k, v in digests.read(run).items() if "000001" not in k})
    code = "import sys, pathlib; from wayfarer_data.cache.dataset import Dataset; "
    code += "print(len(Dataset.open([pathlib.Path(sys.argv[1])])))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(run)], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["9"]
    assert (data.frames(rows).numpy() == before).all()
    assert Dataset.open([run]).index.numbers.tolist() == [0, 2, 3]


def test_a_flip_anywhere_in_the_cache_is_never_trained_on(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", 2, 4)
    data = Dataset.open([run])
    rows, rng, looked_at = data.transitions, random.Random(4), 0
    whole = data.frames(rows).numpy(), data.actions(rows).numpy(), data.ee_positions(rows).numpy()

    for name in sorted(file.name for file in (run / "cache").iterdir() if file.stat().st_size):
        for _ in range(4):
            kept = tmp_path / "kept"
            shutil.copytree(run, kept)  # with its times: the bags are those the cache was made of
            file = kept / "cache" / name
            content = bytearray(file.read_bytes())
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            file.write_bytes(content)
            again = Dataset.open([kept])
            found = (
                again.frames(rows).numpy(),
                again.actions(rows).numpy(),
                again.ee_positions(rows).numpy(),
            )
            assert (again.transitions == rows).all()
            assert all((a == b).all() for a, b in zip(whole, found, strict=True))
            shutil.rmtree(kept)
            looked_at += 1

    assert looked_at == 4 * 13


# --- what is refused ---


def test_a_file_of_another_run_is_not_opened_in_this_one_s_place(tmp_path: Path) -> None:
    run, other = write_run(tmp_path / "a", 2, 3), write_run(tmp_path / "b", 2, 3, reasons=4)
    Dataset.open([run])
    file = run / "episode_000001.mcap"
    shutil.copy2(other / file.name, file)

    with pytest.raises(
        DataError, match=rf"{file} is damaged, not as it was written: `wayfarer bag recover` first"
    ):
        Dataset.open([run])

    shutil.rmtree(run / "cache")
    with pytest.raises(DataError, match=str(file)):
        Dataset.open([run])


@pytest.mark.parametrize("name", ["run.yaml", "SHA256SUMS"])
def test_what_lies_beside_the_episodes_must_be_as_it_was_written(tmp_path: Path, name: str) -> None:
    run = write_run(tmp_path / "a", 1, 3)
    (run / name).write_bytes((run / name).read_bytes().replace(b"1", b"2", 1))
    with pytest.raises(DataError, match=name if name == "run.yaml" else str(run)):
        Dataset.open([run])


def test_an_empty_run_no_run_and_a_run_twice_are_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", 0, 0)
    with pytest.raises(DataError, match="a holds no episode with a step"):
        Dataset.open([run])

    with pytest.raises(DataError, match="no run was given"):
        Dataset.open([])

    with pytest.raises(DataError, match="given twice"):
        Dataset.open([run, tmp_path / "x" / ".." / "a"])

    with pytest.raises(DataError, match="is not a directory"):
        Dataset.open([tmp_path / "nothing"])


def test_runs_and_episodes_of_other_image_sizes_are_refused_by_name(tmp_path: Path) -> None:
    small, large = write_run(tmp_path / "small", 1, 3), write_run(tmp_path / "large", 1, 3, size=16)
    with pytest.raises(DataError, match=r"large has images and actions .*16.*small has .*12"):
        Dataset.open([small, large])

    write_run(large, 1, 3)
    with pytest.raises(DataError, match=r"episode 1 has rows .*12.*16"):
        Dataset.open([large])


def test_a_run_of_another_format_is_refused(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", 1, 3)
    RunWriter(run).describe({"format": 7})
    with pytest.raises(DataError, match=r"run\.yaml is of format 7, this Wayfarer reads 1"):
        Dataset.open([run])


def test_a_damaged_episode_is_named_when_the_run_is_opened(tmp_path: Path) -> None:
    run = write_run(tmp_path / "a", 2, 3)
    file = run / "episode_000001.mcap"
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"episode_000001\.mcap is damaged"):
        Dataset.open([run])
