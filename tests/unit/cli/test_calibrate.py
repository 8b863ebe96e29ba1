"""`wayfarer calibrate camera` from the printed board to the calibration file, on pictures of a
known camera.
"""

import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
from fixtures.boards import VIEWS, K, photograph
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from typer.testing import CliRunner, Result
from wayfarer_cli.calibrate import COLUMNS, board_on_table, calibrate, read_poses
from wayfarer_core.calibration import load_calibration
from wayfarer_core.errors import ConfigError, DataError

pytestmark = pytest.mark.slow

T_BASE_BOARD = board_on_table(0.5, -0.1, -0.09, 90.0)


def run(*words: object) -> Result:
    return CliRunner().invoke(calibrate, ["camera", *(str(word) for word in words)])


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The board as `wayfarer calibrate camera board` prints it, photographed.

    One picture shows no board.
    """
    folder = tmp_path_factory.mktemp("pictures")
    assert run("board", folder / "board.png").exit_code == 0
    page = cv2.resize(
        cv2.imread(str(folder / "board.png")), (294 * 4, 204 * 4), interpolation=cv2.INTER_AREA
    )
    (folder / "board.png").unlink()
    drawn = np.ascontiguousarray(page[48:-48, 48:-48])  # without its margin of 12 mm

    for k, T in enumerate(VIEWS):
        cv2.imwrite(str(folder / f"{k:03d}.png"), photograph(T, drawn))

    cv2.imwrite(str(folder / "empty.png"), np.full((480, 640, 3), 90, np.uint8))

    return folder


def hand_poses(path: Path, hands: list[NDArray[np.float64]]) -> None:
    with path.open("w", newline="") as file:
        rows = [
            [f"{k:03d}.png", *T[:3, 3], *Rotation.from_matrix(T[:3, :3]).as_quat()]
            for k, T in enumerate(hands)
        ]
        csv.writer(file).writerows([COLUMNS, *rows])


def test_from_the_printed_board_to_lens_and_pose(pictures: Path, tmp_path: Path) -> None:
    file = tmp_path / "camera.yaml"
    done = run("intrinsics", pictures, "--out", file)
    assert done.exit_code == 0, done.output
    assert "empty.png: the board is not seen well enough, left out" in done.output
    assert "reprojection error 0." in done.output
    assert (tmp_path / "camera_lens.png").stat().st_size > 10_000
    np.testing.assert_allclose(load_calibration(file).camera_matrix, K, atol=2.0)

    T_base_camera = T_BASE_BOARD @ np.linalg.inv(VIEWS[0])
    one = tmp_path / "one"
    one.mkdir()
    (one / "000.png").write_bytes((pictures / "000.png").read_bytes())
    done = run("pose", file, one, "--board-at", 0.5, -0.1, -0.09, 90.0)
    assert done.exit_code == 0, done.output
    lying = load_calibration(file)
    assert lying.T_base_camera is not None
    np.testing.assert_allclose(lying.T_base_camera[:3, 3], T_base_camera[:3, 3], atol=4e-3)
    assert lying.table_height == -0.09
    assert (tmp_path / "camera_pose.png").exists()

    T_hand_board = board_on_table(0.02, 0.03, 0.05, 30.0)
    hand_poses(
        tmp_path / "poses.csv", [T_base_camera @ T @ np.linalg.inv(T_hand_board) for T in VIEWS]
    )
    done = run("pose", file, pictures, "--poses", tmp_path / "poses.csv")
    assert done.exit_code == 0, done.output
    assert "give --table-height" in done.output
    held = load_calibration(file)
    assert held.T_base_camera is not None
    np.testing.assert_allclose(held.T_base_camera[:3, 3], T_base_camera[:3, 3], atol=3e-3)


def test_what_is_missing_is_said_with_what_to_do(pictures: Path, tmp_path: Path) -> None:
    error = run("intrinsics", tmp_path / "none", "--out", tmp_path / "c.yaml").exception
    assert isinstance(error, ConfigError)
    assert "wayfarer calibrate camera record" in str(error)
    few = tmp_path / "few"
    few.mkdir()
    (few / "000.png").write_bytes((pictures / "000.png").read_bytes())
    error = run("intrinsics", few, "--out", tmp_path / "c.yaml").exception
    assert isinstance(error, DataError)
    assert "seen in 1 pictures, must be in 8" in str(error)
    assert not (tmp_path / "c.yaml").exists()

    with pytest.raises(ConfigError, match="give --poses, or --board-at"):
        read_poses(tmp_path / "poses.csv")

    (tmp_path / "poses.csv").write_text("file,x,y\n000.png,1,2\n")
    with pytest.raises(ConfigError, match="must be a table with the columns file,x,y,z,qx"):
        read_poses(tmp_path / "poses.csv")


def test_a_board_on_the_table_lies_face_up_along_its_heading() -> None:
    T = board_on_table(0.5, -0.1, 0.0, 90.0)
    # its top edge along +y of the base
    np.testing.assert_allclose(T[:3, :3] @ [1, 0, 0], [0, 1, 0], atol=1e-12)
    # z goes into the paper
    np.testing.assert_allclose(T[:3, :3] @ [0, 0, 1], [0, 0, -1], atol=1e-12)
    np.testing.assert_allclose(T[:3, :3] @ [0, 1, 0], [1, 0, 0], atol=1e-12)
