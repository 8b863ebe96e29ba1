import numpy as np
import pytest
from visualization_msgs.msg import Marker, MarkerArray
from wayfarer_core.reason import Reason
from wayfarer_core.safety import Workspace
from wayfarer_report.view.scene import Scene, Wanted
from wayfarer_report.view.shapes import shapes_of
from wayfarer_view.markers import markers_of

LOW, HIGH, PLACE = np.array([0.3, -0.2, 0.0]), np.array([0.7, 0.2, 0.4]), np.array([0.5, 0.1, 0.2])


def scene(refused: bool) -> Scene:
    made = Scene()
    made.workspace = Workspace(LOW, HIGH, 0.1)
    made.target, made.goal = PLACE, PLACE + 0.1
    made.wanted = Wanted(PLACE + 0.2, Reason.SPEED | Reason.WORKSPACE, refused)

    return made


def by_group(found: MarkerArray) -> dict[str, Marker]:
    return {marker.ns: marker for marker in found.markers}


def at(marker: Marker) -> list[float]:
    p = marker.pose.position
    return [p.x, p.y, p.z]


def test_what_is_not_known_takes_an_earlier_marker_away() -> None:
    found = markers_of(shapes_of(Scene()))
    assert {marker.action for marker in found.markers} == {Marker.DELETE}
    assert by_group(found).keys() == by_group(markers_of(shapes_of(scene(refused=False)))).keys()


def test_each_group_has_one_marker_in_the_base_frame_with_a_pose_that_is_a_rotation() -> None:
    found = markers_of(shapes_of(scene(refused=False)))
    assert len(by_group(found)) == len(found.markers) >= 5
    for marker in found.markers:
        assert (marker.header.frame_id, marker.id, marker.pose.orientation.w) == ("base", 0, 1.0)
        assert min(marker.scale.x, marker.scale.y, marker.scale.z, marker.color.a) > 0.0


def test_the_box_is_drawn_by_its_twelve_edges() -> None:
    points = [
        (p.x, p.y, p.z) for p in by_group(markers_of(shapes_of(scene(refused=False))))["box"].points
    ]
    edges = {frozenset(points[k : k + 2]) for k in range(0, len(points), 2)}
    assert len(points) == 24
    assert len(edges) == 12
    for a, b in map(tuple, edges):
        assert sum(x != y for x, y in zip(a, b, strict=True)) == 1

    np.testing.assert_allclose([np.min(points, axis=0), np.max(points, axis=0)], [LOW, HIGH])


def test_target_goal_and_what_was_wanted_stand_where_they_are() -> None:
    found = by_group(markers_of(shapes_of(scene(refused=False))))
    np.testing.assert_allclose(at(found["target"]), PLACE)
    np.testing.assert_allclose(at(found["goal"]), PLACE + 0.1)
    np.testing.assert_allclose(at(found["wanted"]), PLACE + 0.2)
    assert found["why"].text == "SPEED, WORKSPACE"


@pytest.mark.parametrize("refused", [False, True])
def test_a_changed_action_leads_to_its_target_and_a_refused_one_is_red_and_leads_nowhere(
    refused: bool,
) -> None:
    found = by_group(markers_of(shapes_of(scene(refused))))
    assert found["way"].action == (Marker.DELETE if refused else Marker.ADD)
    assert (found["wanted"].color.g < 0.2) == refused
