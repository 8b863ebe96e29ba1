"""`wayfarer label`: by options, and by keys of a terminal."""

import contextlib
import json
import os
import pty
import subprocess
from pathlib import Path

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from fixtures.episodes import write_episode, write_run
from fixtures.graph import VENV, wait_for
from typer.testing import CliRunner, Result
from wayfarer_bags.episode import End
from wayfarer_bags.labels import Label, read_labels
from wayfarer_cli.label.picture import picture
from wayfarer_cli.main import app
from wayfarer_core.errors import ConfigError


def invoke(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run = write_run(tmp_path / "run", 2, 4)
    write_episode(run, 2, 4, end=End.TERMINATED)
    write_episode(run, 3, 4, end=End.TERMINATED)
    return run


def test_options_say_it_and_take_it_back(run: Path) -> None:
    done = invoke("label", run, "--episode", 1, "--success", "--note", "at last")
    assert done.output == "episode 1: success, note: at last\n"
    assert (
        invoke("label", run, "--episode", 1, "--failure").output
        == "episode 1: failure, note: at last\n"
    )
    assert (
        invoke("label", run, "--episode", 1, "--unjudged").output
        == "episode 1: not judged, note: at last\n"
    )
    assert read_labels(run) == {1: Label(None, "at last")}


def test_what_makes_no_sense_is_refused(run: Path) -> None:
    for words, why in (
        (["--success"], "--episode says which"),
        (["--episode", "1", "--success", "--unjudged"], "--unjudged takes a word back"),
        (["--episode", "9", "--failure"], "has no episode 9"),
        ([], "needs a terminal"),
    ):
        with pytest.raises(ConfigError, match=why):
            invoke("label", run, *words)

    assert read_labels(run) == {}


def test_bag_info_and_every_export_tell_what_was_said(run: Path, tmp_path: Path) -> None:
    invoke("label", run, "--episode", 0, "--success", "--note", "pushed")
    invoke("label", run, "--episode", 2, "--failure")
    info = json.loads(invoke("bag", "info", run, "--json").output)
    assert info["labels"] == {"success": 1, "failure": 1, "notes": 1}
    assert "success 1, failure 1, notes 1" in invoke("bag", "info", run).output

    # the last: success by the recorded end, and not taken back
    labels, paid = [1, -1, 0, 1], [1.0, 0.0, 0.0, 1.0]
    assert invoke("export", "robomimic", run, tmp_path / "a.hdf5").exit_code == 0

    with h5py.File(tmp_path / "a.hdf5") as file:
        demos = [file[f"data/demo_{k}"] for k in range(4)]
        assert [demo.attrs["label"] for demo in demos] == labels
        assert [demo.attrs["note"] for demo in demos] == ["pushed", "", "", ""]
        assert [demo["rewards"][:].tolist() for demo in demos] == [
            [0.0, 0.0, 0.0, last] for last in paid
        ]

    assert invoke("export", "minari", run, tmp_path / "b-v0").exit_code == 0
    with h5py.File(tmp_path / "b-v0" / "data" / "main_data.hdf5") as file:
        assert [file[f"episode_{k}"].attrs["label"] for k in range(4)] == labels

    assert invoke("export", "lerobot", run, tmp_path / "c").exit_code == 0
    (parquet,) = (tmp_path / "c" / "data").rglob("*.parquet")
    assert pq.read_table(parquet)["label"].to_numpy().reshape(4, 4)[:, 0].tolist() == labels
    about = json.loads((tmp_path / "c" / "meta" / "info.json").read_text())
    assert about["wayfarer"]["notes"] == {"0": "pushed"}


def test_an_image_is_drawn_two_pixels_to_a_letter() -> None:
    image = np.zeros((4, 3, 3), np.uint8)
    image[0, 0], image[1, 0] = (255, 0, 0), (0, 255, 0)
    drawn = picture(image)
    assert drawn.plain == "▀▀▀\n▀▀▀\n"
    style = drawn.spans[0].style
    assert (style.color.triplet, style.bgcolor.triplet) == ((255, 0, 0), (0, 255, 0))


@pytest.mark.slow
def test_keys_judge_one_episode_after_the_other_while_it_plays(run: Path) -> None:
    ours, theirs = pty.openpty()
    words = [str(VENV / "bin" / "wayfarer"), "label", str(run)]
    said = b""
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs)
    os.set_blocking(ours, False)

    def shows(what: bytes) -> bool:
        nonlocal said
        with contextlib.suppress(BlockingIOError):
            said += os.read(ours, 1 << 20)
        return what in said

    try:
        for number, keys in enumerate((b"y", b"tslipped\nn", b"\n", b"q")):
            wait_for(
                lambda number=number: shows(f"episode {number}:".encode()), f"episode {number}"
            )
            os.write(ours, keys)

        wait_for(lambda: shows(b"\0") or process.poll() is not None, "its end")
    finally:
        process.kill()
        process.wait(10.0)
        os.close(ours)
        os.close(theirs)

    assert read_labels(run) == {0: Label(True), 1: Label(False, "slipped")}
