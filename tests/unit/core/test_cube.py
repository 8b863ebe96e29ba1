import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation
from wayfarer_core.cube import FACE_NORMALS, FACES, top_face, top_faces

unit_quaternions = (
    st.tuples(*[st.floats(-1.0, 1.0)] * 4).map(np.array).filter(lambda q: np.linalg.norm(q) > 0.1)
).map(lambda q: q / np.linalg.norm(q))


def face_up(face: str) -> NDArray[np.float64]:
    """An orientation xyzw that brings the face's normal to the world's z."""
    rotation, _ = Rotation.align_vectors([[0, 0, 1]], [FACE_NORMALS[face]])
    return rotation.as_quat()


def test_the_cube_has_six_faces_whose_normals_are_the_six_axis_directions() -> None:
    assert len(FACES) == 6
    normals = np.array([FACE_NORMALS[face] for face in FACES])
    assert (np.abs(normals).sum(axis=1) == 1).all()
    assert len({tuple(n) for n in normals.tolist()}) == 6


def test_the_colours_lie_as_the_simulator_was_seen_to_paint_them() -> None:
    assert FACE_NORMALS["white"] == (1, 0, 0)
    assert FACE_NORMALS["green"] == (0, 1, 0)
    assert FACE_NORMALS["yellow"] == (0, 0, 1)
    for face, opposite in (("white", "red"), ("green", "blue"), ("yellow", "cyan")):
        assert np.add(FACE_NORMALS[face], FACE_NORMALS[opposite]).tolist() == [0, 0, 0]


def test_a_cube_that_is_not_turned_shows_yellow() -> None:
    assert top_face(np.array([0.0, 0.0, 0.0, 1.0])) == "yellow"


@pytest.mark.parametrize("face", FACES)
def test_each_face_is_found_when_it_points_up(face: str) -> None:
    assert top_face(face_up(face)) == face


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("turn", [0.3, 1.5, 3.0])
def test_turning_the_cube_about_the_vertical_does_not_change_its_top(
    face: str, turn: float
) -> None:
    turned = Rotation.from_rotvec([0, 0, turn]) * Rotation.from_quat(face_up(face))
    assert top_face(turned.as_quat()) == face


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("axis", [[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0.7, 0.7, 0]])
def test_a_cube_tilted_by_less_than_45_degrees_keeps_its_top(face: str, axis: list[float]) -> None:
    tilted = Rotation.from_rotvec(np.radians(40) * np.array(axis)) * Rotation.from_quat(
        face_up(face)
    )
    assert top_face(tilted.as_quat()) == face


@given(unit_quaternions)
def test_the_top_face_is_the_one_whose_turned_normal_is_highest(
    quaternion: NDArray[np.float64],
) -> None:
    heights = Rotation.from_quat(quaternion).apply(np.array(list(FACE_NORMALS.values()), float))[
        :, 2
    ]
    assume(np.sort(heights)[-1] - np.sort(heights)[-2] > 1e-6)  # a tie may go either way
    assert top_face(quaternion) == FACES[int(np.argmax(heights))]


@given(unit_quaternions)
def test_a_quaternion_and_its_negative_are_the_same_orientation(
    quaternion: NDArray[np.float64],
) -> None:
    assert top_face(quaternion) == top_face(-quaternion)


def test_many_orientations_at_once_give_the_same_faces_in_the_same_shape() -> None:
    quaternions = Rotation.random(24, random_state=0).as_quat().reshape(2, 3, 4, 4)
    faces = top_faces(quaternions)
    assert faces.shape == (2, 3, 4)
    assert [FACES[k] for k in faces.flat] == [top_face(q) for q in quaternions.reshape(-1, 4)]
    assert len(set(faces.flat)) == 6


def test_no_orientations_give_no_faces() -> None:
    assert top_faces(np.zeros((0, 4))).shape == (0,)
