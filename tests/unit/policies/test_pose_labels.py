import dataclasses
from pathlib import Path

import numpy as np
import pytest
from fixtures.painted import dataset, painted, trajectory
from numpy.typing import NDArray
from wayfarer_common.errors import DataError
from wayfarer_policies.pose_labels import TRACKER, TRUTH, PoseLabels, TaskDataError
from wayfarer_policies.replay.dataset import Dataset
from wayfarer_policies.replay.frames import FrameCache
from wayfarer_policies.tasks import task


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
    with pytest.raises(DataError, match="b does not tell where the cube was: record sim/object_pose"):
        PoseLabels.of(data)
    labels = PoseLabels.of(data, {1: track})
    assert labels.sources == {str(tmp_path / "a"): TRUTH, str(tmp_path / "b"): TRACKER}
    assert labels.known.tolist() == [True] * 5 + [True, True, False, True, True]
    assert labels.poses[5:, 1][labels.known[5:]].tolist() == [0.1] * 4


def test_steps_into_an_unknown_state_are_not_trained_on(tmp_path: Path) -> None:
    data = two_runs(tmp_path)
    labels = PoseLabels.of(data, {1: track})
    assert labels.transitions(data).tolist() == [0, 1, 2, 3, 5, 7, 8]  # row 6 leads to row 7, which has no label
    assert np.isnan(labels.rewards(data, task("push"))).tolist() == [False] * 7 + [True, False, False]


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
