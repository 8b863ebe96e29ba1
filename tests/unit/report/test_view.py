"""`wayfarer view RUN`: what is written for rerun is read back."""

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.episodes import expected_action, expected_pose, write_run
from wayfarer_bags.run_directory import RunDirectory, RunWriter
from wayfarer_core.errors import ConfigError
from wayfarer_core.reason import Reason
from wayfarer_report.view import recording
from wayfarer_report.view.recording import STEP, Recording
from wayfarer_report.view.run import tell

SCALE = 0.1  # m per action unit
CONTROL = {
    "workspace_min": [0.3, -0.2, 0.0],
    "workspace_max": [0.7, 0.2, 0.4],
    "action_scale": SCALE,
}
GOAL = {"goal": "0/2", "goal_novelty": 0.5}

needs_rerun = pytest.mark.skipif(
    find_spec("rerun") is None, reason="NOT TESTED: rerun is absent: make .venv/.view"
)


def written(run: Path, save: Path) -> dict[str, list[dict[str, Any]]]:
    """Entity -> rows, as rerun reads them from the file."""
    from rerun.chunk import RrdReader

    target = Recording(str(run), save, STEP)
    for _ in tell(RunDirectory(run), target):
        pass

    target.close()
    reader = RrdReader(save)
    assert len(reader.recordings()) == 1
    assert reader.blueprints()  # another one from the wrist camera's first image on
    found: dict[str, list[dict[str, Any]]] = {}

    for chunk in reader.stream():
        batch = chunk.to_record_batch()
        names = [name for name in batch.schema.names if name == STEP or ":" in name]
        found.setdefault(chunk.entity_path, []).extend(batch.select(names).to_pylist())

    return found


def values(rows: list[dict[str, Any]], component: str) -> dict[int, Any]:
    """Step -> what a component says then."""
    key = next((key for row in rows for key in row if key.endswith(f":{component}")), None)
    assert key is not None, rows
    return {row[STEP]: row[key] for row in rows if row.get(key) is not None}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    path = write_run(tmp_path / "run", 2, 4, reasons=int(Reason.SPEED), record=GOAL)
    writer = RunWriter(path)
    writer.describe({"configuration": {"control": CONTROL}})
    writer.release()

    return path


@needs_rerun
def test_a_recording_holds_each_observation_pose_target_and_goal_of_the_run(
    run: Path, tmp_path: Path
) -> None:
    found = written(run, tmp_path / "run.rrd")
    assert len(values(found["/observation"], "buffer")) == 2 * 5
    poses = values(found["/base/end_effector"], "positions")
    targets = values(found["/base/target"], "positions")
    assert len(targets) == 2 * 4

    for number in range(2):
        for k in range(5):
            np.testing.assert_allclose(
                poses[number * 5 + k][0], expected_pose(number, k)[:3], rtol=1e-5
            )

        for k in range(4):
            target = expected_pose(number, k)[:3] + SCALE * expected_action(number, k)
            np.testing.assert_allclose(targets[number * 5 + k][0], target, rtol=1e-5)

    assert {k: row[0] for k, row in values(found["/novelty"], "scalars").items()} == {
        0: 0.5,
        5: 0.5,
    }
    np.testing.assert_allclose(
        values(found["/base/goal"], "positions")[0][0], expected_pose(0, 2)[:3], rtol=1e-5
    )
    assert len(values(found["/goal"], "buffer")) == 2


@needs_rerun
def test_a_recording_holds_the_wrist_s_images_where_there_are_any(tmp_path: Path) -> None:
    seen = written(write_run(tmp_path / "run", 2, 4, wrist=True), tmp_path / "run.rrd")
    assert len(values(seen["/wrist"], "buffer")) == 2 * 5
    without = written(write_run(tmp_path / "plain", 2, 4), tmp_path / "plain.rrd")
    assert "/wrist" not in without


@needs_rerun
def test_what_the_gate_changed_is_shown_with_where_it_would_have_led_and_why(
    run: Path, tmp_path: Path
) -> None:
    found = written(run, tmp_path / "run.rrd")
    wanted = values(found["/base/wanted"], "positions")
    asked = expected_pose(1, 2)[:3] + SCALE * 1.5 * expected_action(1, 2)
    np.testing.assert_allclose(wanted[7][0], asked, rtol=1e-5)
    assert values(found["/base/wanted"], "labels")[7] == ["SPEED"]
    assert len(values(found["/reasons"], "text")) == 2 * 4


@needs_rerun
def test_the_box_stands_for_all_time(run: Path, tmp_path: Path) -> None:
    [box] = written(run, tmp_path / "run.rrd")["/base/box"]
    half = next(value for key, value in box.items() if key.endswith(":half_sizes"))
    np.testing.assert_allclose(half[0], [0.2, 0.2, 0.2], rtol=1e-5)
    assert STEP not in box


@needs_rerun
@pytest.mark.parametrize(
    ("name", "why"),
    [("there.rrd", "exists"), ("run.txt", r"must end in \.rrd"), ("no/run.rrd", "no folder")],
)
def test_a_recording_is_a_new_file_of_rerun_s_kind(tmp_path: Path, name: str, why: str) -> None:
    (tmp_path / "there.rrd").touch()
    with pytest.raises(ConfigError, match=why):
        Recording("run", tmp_path / name, STEP)


def test_without_rerun_the_error_has_the_line_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ConfigError, match=r"needs rerun: make \.venv/\.view"):
        Recording("run", tmp_path / "run.rrd", STEP)
    assert "pip install --group view" in recording.INSTALL
