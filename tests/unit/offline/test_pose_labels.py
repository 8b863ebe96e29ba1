import dataclasses
from pathlib import Path

import numpy as np
import pytest
from fixtures.episodes import write_run
from fixtures.painted import dataset, painted, trajectory
from numpy.typing import NDArray
from wayfarer_core.calibration import Calibration, save_calibration
from wayfarer_core.cube import TRACKER, TRUTH
from wayfarer_core.errors import ConfigError, DataError
from wayfarer_data.cache.dataset import Dataset
from wayfarer_data.cache.frames import FrameCache
from wayfarer_offline.pose_labels import PoseLabels, TaskDataError, calibrated_tracker
from wayfarer_offline.tasks import task


def two_runs(tmp_path: Path) -> Dataset:
    """The first run with truth, the second without."""
    caches = []
    for name, truth in (("a", True), ("b", False)):
        cache = FrameCache(tmp_path / name / "cache")
        cache.append(trajectory(0, 4, truth))
        caches.append(cache)

    return Dataset([tmp_path / "a", tmp_path / "b"], caches)


def track(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A tracker that loses the cube in its third picture."""
    assert images.shape[1:] == (36, 36, 3)
    poses = np.tile([0.5, 0.1, -0.06, 0, 0, 0, 1.0], (len(images), 1))
    poses[2] = np.nan
    return poses


def test_recorded_truth_is_taken_and_its_source_named(tmp_path: Path) -> None:
    data = painted(tmp_path / "a", 2, 5)
    labels = PoseLabels.of(data)
    np.testing.assert_array_equal(labels.poses, data.column("object_poses"))
    assert labels.known.all()
    assert labels.sources == {str(tmp_path / "a"): TRUTH}
    assert labels.transitions(data).tolist() == data.transitions.tolist()


def test_a_run_without_truth_needs_a_tracker(tmp_path: Path) -> None:
    data = two_runs(tmp_path)
    with pytest.raises(
        DataError, match="b does not tell where the cube was: record sim/object_pose"
    ):
        PoseLabels.of(data)

    labels = PoseLabels.of(data, lambda run: track if run.name == "b" else None)
    assert labels.sources == {str(tmp_path / "a"): TRUTH, str(tmp_path / "b"): TRACKER}
    assert labels.known.tolist() == [True] * 5 + [True, True, False, True, True]
    assert labels.poses[5:, 1][labels.known[5:]].tolist() == [0.1] * 4


def test_the_tracker_of_a_run_is_made_from_the_calibration_its_camera_was_given(
    tmp_path: Path,
) -> None:
    run = write_run(tmp_path / "run", 1, 3)
    assert calibrated_tracker(run) is None
    assert calibrated_tracker(tmp_path) is None  # another recorder's bag
    file = tmp_path / "camera.yaml"
    (run / "run.yaml").write_text(
        f"configuration: {{camera: {{calibration: {file}, crop_size: 0}}}}\n"
    )

    with pytest.raises(ConfigError, match=r"camera\.yaml"):
        calibrated_tracker(run)

    K, above = (
        np.array([[60.0, 0, 41.5], [0, 60.0, 41.5], [0, 0, 1]]),
        np.diag([1.0, -1.0, -1.0, 1.0]),
    )
    above[:3, 3] = (0.58, 0.0, 0.9)
    save_calibration(
        Calibration("2026-01-31", 84, 84, K, np.zeros(5), 0.1, 20, above, 0.1, -0.092), file
    )
    tracker = calibrated_tracker(run)
    assert tracker is not None
    assert np.isnan(tracker(np.full((2, 84, 84, 3), 120, np.uint8))).all()  # a bare table


def test_steps_into_an_unknown_state_are_not_trained_on(tmp_path: Path) -> None:
    data = two_runs(tmp_path)
    labels = PoseLabels.of(data, lambda run: track if run.name == "b" else None)

    # row 6 leads to row 7, which has no label
    assert labels.transitions(data).tolist() == [0, 1, 2, 3, 5, 7, 8]
    assert np.isnan(labels.rewards(data, task("push"))).tolist() == [False] * 7 + [
        True,
        False,
        False,
    ]


def test_data_whose_every_step_pays_the_same_is_refused_with_the_numbers(tmp_path: Path) -> None:
    data = painted(tmp_path / "a", 2, 5, face="yellow")
    with pytest.raises(TaskDataError, match="flip-green pays 0 after every one of the 10 steps"):
        PoseLabels.of(data).rewards(data, task("flip-green"))

    with pytest.raises(TaskDataError, match="flip-yellow pays 1"):
        PoseLabels.of(data).rewards(data, task("flip-yellow"))

    assert PoseLabels.of(data).rewards(data, task("push")).std() > 0


def test_no_labelled_step_at_all_is_an_error(tmp_path: Path) -> None:
    one = trajectory(0, 3)
    poses = one.object_poses.copy()  # type: ignore[union-attr]
    poses[1:] = np.nan
    data = dataset(tmp_path / "a", dataclasses.replace(one, object_poses=poses))
    with pytest.raises(DataError, match="no step is complete"):
        PoseLabels.of(data).transitions(data)
