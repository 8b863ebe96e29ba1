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


def test_a_mesh_keeps_a_tenth_of_its_faces_and_a_small_one_all(
    two_sources: list[Path], tmp_path: Path
) -> None:
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


def test_missing_meshes_are_made_on_first_use_and_then_kept(
    two_sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = meshes.require_meshes()
    assert folder.parent == tmp_path / "cache" / "wayfarer"
    assert len(list(folder.glob("*.stl"))) == 2
    monkeypatch.setattr(meshes, "thin", lambda *_: pytest.fail("made twice"))
    assert meshes.require_meshes() == folder


def test_each_recipe_has_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/somebody")
    before = meshes.mesh_directory()
    assert before.parent == Path("/home/somebody/.cache/wayfarer")
    monkeypatch.setattr(meshes, "KEPT", 0.2)
    assert meshes.mesh_directory() != before


def test_two_that_make_them_at_once_both_find_them(
    two_sources: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, thin = tmp_path / "meshes", meshes.thin

    def thin_late(source: Path, target: Path) -> tuple[int, int]:
        monkeypatch.setattr(meshes, "thin", thin)
        meshes.make(folder)  # the other
        return thin(source, target)

    monkeypatch.setattr(meshes, "thin", thin_late)
    assert meshes.require_meshes(folder) == folder
    assert meshes.up_to_date(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["meshes"]


def test_a_cache_that_cannot_be_written_is_named_with_what_to_do(two_sources: list[Path]) -> None:
    with pytest.raises(
        DeviceError, match=r"cannot keep thinned meshes in /proc/nowhere.*XDG_CACHE_HOME"
    ):
        meshes.require_meshes(Path("/proc/nowhere/meshes"))


def test_a_second_run_of_the_command_makes_nothing(
    two_sources: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("sys.argv", ["meshes", "--out", str(tmp_path / "meshes")])
    meshes.main()
    assert f"thinned {len(two_sources)} meshes" in capsys.readouterr().out
    meshes.main()
    assert "up to date" in capsys.readouterr().out
