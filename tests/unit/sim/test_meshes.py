from pathlib import Path

import pytest
from wayfarer_core.errors import DeviceError
from wayfarer_sim import meshes


@pytest.fixture
def two_sources(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    chosen = [path for path in meshes.sources() if path.stem in ("link0_vis_6", "hand_vis")]
    monkeypatch.setattr(meshes, "sources", lambda: chosen)
    return chosen


def test_every_visual_mesh_of_the_arm_gripper_and_mount_is_a_source() -> None:
    names = [path.stem for path in meshes.sources()]
    assert len(names) == len(set(names)) == 53
    assert {"link0_vis_0", "link7_vis_7", "hand_vis", "finger_vis", "pedestal"} <= set(names)
    assert all(path.is_file() for path in meshes.sources())


def test_a_mesh_keeps_a_tenth_of_its_faces_and_a_small_one_all(two_sources: list[Path], tmp_path: Path) -> None:
    counts = {source.stem: meshes.thin(source, tmp_path / "mesh.stl") for source in two_sources}
    assert counts["link0_vis_6"] == (36, 36)
    before, after = counts["hand_vis"]
    assert after == pytest.approx(0.1 * before, rel=0.1)


def test_meshes_made_are_up_to_date_until_the_recipe_changes(
    two_sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "deep" / "meshes"
    meshes.make(folder)
    assert meshes.require_meshes(folder) == folder
    assert len(list(folder.glob("*.stl"))) == len(two_sources) == 2
    assert [path.name for path in folder.parent.iterdir()] == ["meshes"]
    (folder / "hand_vis.stl").unlink()
    assert not meshes.up_to_date(folder)
    meshes.make(folder)
    monkeypatch.setattr(meshes, "KEPT", 0.2)
    assert not meshes.up_to_date(folder)
    meshes.make(folder)
    assert meshes.up_to_date(folder)


def test_a_failure_leaves_the_old_meshes_whole(
    two_sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "meshes"
    meshes.make(folder)
    before = sorted(path.name for path in folder.iterdir())

    def fail(source: Path, target: Path) -> tuple[int, int]:
        raise OSError(f"{source} to {target}")

    monkeypatch.setattr(meshes, "thin", fail)
    with pytest.raises(OSError, match=two_sources[0].name):
        meshes.make(folder)
    assert sorted(path.name for path in folder.iterdir()) == before
    assert meshes.up_to_date(folder)


def test_missing_meshes_name_the_command_to_run(tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"-m wayfarer_sim\.meshes"):
        meshes.require_meshes(tmp_path / "nowhere")


def test_a_second_run_of_the_command_makes_nothing(
    two_sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["meshes", "--out", str(tmp_path / "meshes")])
    meshes.main()
    assert f"thinned {len(two_sources)} meshes" in capsys.readouterr().out
    meshes.main()
    assert "up to date" in capsys.readouterr().out
