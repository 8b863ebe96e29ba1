from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from wayfarer_core.calibration import Calibration, load_calibration, load_optional, save_calibration
from wayfarer_core.errors import ConfigError

K = np.array([[610.0, 0.0, 320.5], [0.0, 600.0, 239.0], [0.0, 0.0, 1.0]])
T = np.array(
    [[0.0, 0.0, -1.0, 1.1], [1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.4], [0.0, 0.0, 0.0, 1.0]]
)
LENS = Calibration("2026-03-04", 640, 480, K, np.array([0.1, -0.2, 0.0, 0.001, 0.05]), 0.21, 17)
PLACED = replace(LENS, T_base_camera=T, pose_error=0.4, table_height=-0.09)


@pytest.mark.parametrize("calibration", [LENS, PLACED])
def test_what_is_written_is_read_again(calibration: Calibration, tmp_path: Path) -> None:
    save_calibration(calibration, tmp_path / "camera.yaml")
    read = load_calibration(tmp_path / "camera.yaml")
    for f in fields(Calibration):
        np.testing.assert_array_equal(getattr(read, f.name), getattr(calibration, f.name))
    assert [p.name for p in tmp_path.iterdir()] == ["camera.yaml"]


def test_no_name_is_no_calibration() -> None:
    assert load_optional("") is None


def test_half_the_size_has_half_the_focal_length_and_the_same_field_of_view() -> None:
    half = LENS.matrix_for(320, 240)
    np.testing.assert_allclose(half, [[305.0, 0.0, 160.0], [0.0, 300.0, 119.25], [0.0, 0.0, 1.0]])
    np.testing.assert_array_equal(LENS.matrix_for(640, 480), K)


def test_another_shape_is_refused() -> None:
    with pytest.raises(ConfigError, match="640x480 camera: 84x84 has another shape"):
        LENS.matrix_for(84, 84)


def test_a_missing_file_and_a_folder_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"no calibration at .*none.yaml .*wayfarer calibrate camera"
    ):
        load_calibration(tmp_path / "none.yaml")

    with pytest.raises(ConfigError, match=r"cannot write the calibration .*nowhere"):
        save_calibration(LENS, tmp_path / "nowhere" / "camera.yaml")


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("format", "something else", "its `format` must be"),
        ("camera_matrix", [[1, 2], [3, 4]], "camera_matrix must be 3 x 3 finite numbers"),
        (
            "camera_matrix",
            [[600, 0, 1], [0, -600, 1], [0, 0, 1]],
            r"camera_matrix must be \[\[fx, 0, cx\]",
        ),
        ("distortion", [0, 0, 0, 0], "distortion must be 5 finite numbers"),
        ("distortion", [0, 0, 0, 0, float("nan")], "distortion must be 5 finite numbers"),
        ("image_size", [0, 480], "image_size must be two positive numbers"),
        ("image_size", "large", "image_size must be 2 finite numbers"),
        ("reprojection_error", None, "reprojection_error must be a finite number"),
        ("T_base_camera", np.diag([1, 1, -1, 1]).tolist(), "must be a rotation and a translation"),
        ("table_height", "low", "table_height must be a finite number"),
    ],
)
def test_what_is_wrong_in_a_file_is_said(
    key: str, value: object, words: str, tmp_path: Path
) -> None:
    path = tmp_path / "camera.yaml"
    save_calibration(PLACED, path)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {key: value}))
    with pytest.raises(ConfigError, match=words):
        load_calibration(path)


def test_a_key_too_many_or_too_few_and_what_is_no_yaml_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "camera.yaml"
    save_calibration(PLACED, path)
    content = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(content | {"colour": "red"}))

    with pytest.raises(ConfigError, match="colour is unknown"):
        load_calibration(path)

    path.write_text(yaml.safe_dump({k: v for k, v in content.items() if k != "distortion"}))
    with pytest.raises(ConfigError, match="distortion is missing"):
        load_calibration(path)

    path.write_text("[: no yaml")
    with pytest.raises(ConfigError, match="is no YAML"):
        load_calibration(path)
