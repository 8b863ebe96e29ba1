import json
import os
from pathlib import Path

import pytest
from wayfarer_control.stops import FILE, Keeper, Stops, folder_of
from wayfarer_core.errors import ConfigError, DataError


def test_nothing_waits_at_first_and_no_file_is_made(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path / "a" / "b")
    assert not keeper.stops
    keeper.save()
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_what_waits_outlives_the_keeper(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    keeper.force(stopped="stopped by the operator", scene=True)
    keeper.force(hand="robot: user stopped", exhausted=True, recoveries=(1.5, 2.5))
    keeper.save()
    said = Stops("stopped by the operator", True, "robot: user stopped", True, (1.5, 2.5))
    assert Keeper(tmp_path).stops == keeper.stops == said


def test_what_is_lifted_is_gone_from_the_disk(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    keeper.force(stopped="stopped by the operator", scene=True)
    keeper.save()
    keeper.lift(scene=False)
    assert Keeper(tmp_path).stops == Stops(stopped="stopped by the operator")
    keeper.lift(stopped="")
    assert not Keeper(tmp_path).stops
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"{}",
        b"[1, 2]",
        b"null",
        b'{"stopped": "x"',
        b'{"stopped": "", "scene": 0, "hand": "", "exhausted": false, "recoveries": []}',
        b'{"stopped": "", "scene": false, "hand": "", "exhausted": false, "recoveries": [NaN]}',
        b'{"stopped": "", "scene": false, "hand": "", "exhausted": false, "recoveries": [], "more": 1}',
        b"[" * 100_000,
    ],
)
def test_what_cannot_be_read_counts_as_a_stop_until_somebody_lifts_it(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / FILE).write_bytes(content)
    keeper = Keeper(tmp_path)
    assert "cannot be read" in keeper.stops.stopped
    keeper.lift(stopped="")
    assert not Keeper(tmp_path).stops


def test_a_stop_that_cannot_be_written_is_in_force_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Keeper(tmp_path)

    def full(*_: object) -> None:
        raise DataError("cannot write: No space left on device")

    monkeypatch.setattr("wayfarer_control.stops.write_atomically", full)
    keeper.force(stopped="stopped by the operator")
    with pytest.raises(DataError, match="No space left"):
        keeper.save()

    assert keeper.stops.stopped
    monkeypatch.undo()
    keeper.save()
    assert Keeper(tmp_path).stops.stopped, "it is written as soon as it can be"


def test_what_cannot_be_lifted_on_the_disk_stays_in_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Keeper(tmp_path)
    keeper.force(stopped="stopped by the operator")
    keeper.save()

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "unlink", denied)
    with pytest.raises(DataError, match="Permission denied"):
        keeper.lift(stopped="")

    assert keeper.stops.stopped


def test_a_place_where_nothing_can_be_kept_is_refused_and_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="set ROS_HOME to a folder that can be written"):
        Keeper(tmp_path / "file" / "folder")


def test_each_node_of_each_domain_has_a_folder_of_its_own_below_ros_home(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ROS_HOME", "/var/ros")
    assert folder_of(7, "/wayfarer/control") == Path("/var/ros/wayfarer/domain_7/wayfarer/control")
    assert (
        folder_of(7, "/lab/control")
        != folder_of(7, "/wayfarer/control")
        != folder_of(8, "/wayfarer/control")
    )
    monkeypatch.delenv("ROS_HOME")
    monkeypatch.setenv("HOME", "/home/somebody")
    assert folder_of(0, "/control") == Path("/home/somebody/.ros/wayfarer/domain_0/control")


def test_the_file_is_plain_enough_for_an_operator(tmp_path: Path) -> None:
    keeper = Keeper(tmp_path)
    keeper.force(stopped="stopped by the operator")
    keeper.save()
    assert json.loads((tmp_path / FILE).read_text())["stopped"] == "stopped by the operator"
    assert os.listdir(tmp_path) == [FILE]
