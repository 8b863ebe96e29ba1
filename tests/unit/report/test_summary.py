from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
from fixtures.episodes import write_episode, write_run
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from wayfarer_bags.episode import ActionSource, End
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_core.errors import DataError
from wayfarer_core.reason import Reason
from wayfarer_report.drawings.draw import draw_contact_sheet, draw_cube_positions
from wayfarer_report.numbers.hands import Hands, Stretch
from wayfarer_report.numbers.summary import summarise_run


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def test_a_run_is_summed_up_over_its_closed_episodes(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 2, 4)
    write_run(run, 1, 4, end=End.TERMINATED)
    summary = summarise_run(RunDirectory(run))
    assert summary.run == str(run)
    assert (summary.episodes, summary.steps, summary.lost_steps) == (3, 12, 0)
    assert summary.ends == {"truncated": 2, "terminated": 1}
    assert summary.duration_s == pytest.approx(3 * 4 * 0.5)
    assert summary.cube_moved_steps == 4  # episode 1 alone moves it
    assert summary.top_faces == {
        "white": 0,
        "red": 0,
        "green": 0,
        "blue": 0,
        "yellow": 15,
        "cyan": 0,
    }
    assert summary.size_bytes == sum(p.stat().st_size for p in run.iterdir())
    assert summary.torn == []


def test_losses_are_counted(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 2, 5, lost_images=[2], lost_executed=[4])
    assert summarise_run(RunDirectory(run)).lost_steps == 2 * 3


def test_reasons_are_counted_by_name_and_bit_by_bit(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, 3, reasons=int(Reason.WORKSPACE | Reason.SPEED))
    write_run(run, 1, 2, reasons=int(Reason.SPEED))
    assert summarise_run(RunDirectory(run)).reasons == {"speed": 5, "workspace": 3}


def test_without_truth_nothing_is_said_about_the_cube(tmp_path: Path) -> None:
    summary = summarise_run(RunDirectory(write_run(tmp_path / "run", 1, 3, truth=False)))
    assert summary.top_faces == {}
    assert summary.cube_moved_steps == 0


def test_torn_episodes_are_told_with_what_is_readable_of_them(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, 3)
    write_episode(run, 1, 3, end=None)
    (run / "episode_000002.mcap.part").write_bytes(b"")
    summary = summarise_run(RunDirectory(run))
    assert (summary.episodes, summary.steps) == (1, 3)
    assert [(t.file, t.steps) for t in summary.torn] == [
        ("episode_000001.mcap.part", 3),
        ("episode_000002.mcap.part", 0),
    ]


def test_a_run_of_no_episodes_is_all_zeros(tmp_path: Path) -> None:
    summary = asdict(summarise_run(RunDirectory(write_run(tmp_path / "run", 0, 1))))
    assert {
        key: summary[key] for key in ("episodes", "ends", "steps", "lost_steps", "reasons", "torn")
    } == {
        "episodes": 0,
        "ends": {},
        "steps": 0,
        "lost_steps": 0,
        "reasons": {},
        "torn": [],
    }


def test_a_damaged_episode_is_an_error_that_names_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 2, 3)
    file = run / "episode_000001.mcap"
    data = bytearray(file.read_bytes())
    data[len(data) // 4] ^= 255
    file.write_bytes(data)
    with pytest.raises(DataError, match=r"episode_000001\.mcap is damaged"):
        summarise_run(RunDirectory(run))


def test_the_contact_sheet_shows_observations_in_as_many_rows_as_there_are(tmp_path: Path) -> None:
    run = RunDirectory(write_run(tmp_path / "run", 2, 3))
    out = draw_contact_sheet(run, tmp_path / "sheet.png", columns=6, rows=8)
    assert out == tmp_path / "sheet.png"
    sheet = pixels(out)
    assert sheet.std() > 40  # thumbnails of noise
    assert sheet.shape[1] > 3 * sheet.shape[0]  # six in one row


def test_lost_steps_are_not_drawn(tmp_path: Path) -> None:
    run = RunDirectory(write_run(tmp_path / "run", 1, 4, lost_executed=[0, 1, 2, 3]))
    with pytest.raises(DataError, match="holds no complete step to draw"):
        draw_contact_sheet(run, tmp_path / "sheet.png")


def test_the_cube_s_positions_are_drawn(tmp_path: Path) -> None:
    out = draw_cube_positions(
        RunDirectory(write_run(tmp_path / "run", 2, 3)), tmp_path / "cube.png"
    )
    assert out.read_bytes()[:4] == b"\x89PNG"
    assert min(pixels(out).shape[:2]) > 400


def test_without_truth_there_are_no_positions_to_draw(tmp_path: Path) -> None:
    run = RunDirectory(write_run(tmp_path / "run", 1, 3, truth=False))
    with pytest.raises(DataError, match="holds no true cube poses"):
        draw_cube_positions(run, tmp_path / "cube.png")


def test_a_picture_that_cannot_be_written_is_an_error_with_its_name(tmp_path: Path) -> None:
    run = RunDirectory(write_run(tmp_path / "run", 1, 2))
    with pytest.raises(DataError, match=r"cannot write .*gone/sheet\.png: No such file"):
        draw_contact_sheet(run, tmp_path / "gone" / "sheet.png")


def test_what_a_person_chose_is_told_with_its_share_and_its_places(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", 1, 8, human=[0, 1, 4, 7])
    write_run(run, 1, 4)
    write_run(run, 1, 4, human=[0, 1, 2, 3])
    summary = summarise_run(RunDirectory(run))
    assert summary.human == [Stretch(0, 0, 1), Stretch(0, 4, 4), Stretch(0, 7, 7), Stretch(2, 0, 3)]
    hands = Hands(summary.human_steps, summary.human)
    assert (
        hands.in_words(summary.steps)
        == "8 of 16 (50.0 %): episode/steps 0/0 to 1, 0/4 to 4, 0/7 to 7, 2/0 to 3"
    )
    assert Hands.of([(0, np.zeros(3, np.uint8)), (1, np.zeros(0, np.uint8))]).in_words(3) == "none"


@given(st.lists(st.lists(st.sampled_from(ActionSource), max_size=30), max_size=5))
def test_every_step_of_a_person_lies_in_one_stretch_and_no_other_does(
    episodes: list[list[ActionSource]],
) -> None:
    hands = Hands.of(
        (number, np.array(sources, np.uint8)) for number, sources in enumerate(episodes)
    )
    inside = [(of.episode, step) for of in hands.stretches for step in range(of.first, of.last + 1)]
    human = [
        (e, k)
        for e, sources in enumerate(episodes)
        for k, by in enumerate(sources)
        if by is ActionSource.HUMAN
    ]
    assert inside == human
    assert hands.steps == len(human)
