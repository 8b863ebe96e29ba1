"""The files for RViz and Foxglove.

What they show is in the contract, with the type and quality that they expect.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from wayfarer_common import contract
from wayfarer_common.contract import Topic
from wayfarer_core import names

CONFIG = Path(__file__).parents[3] / "launch" / "config"
NAMESPACE = "/wayfarer/"
BY_NAME = {topic.name: topic for topic in contract.TOPICS}
RVIZ_SHOWS = {
    "rviz_default_plugins/MarkerArray": "MarkerArray",
    "rviz_default_plugins/Camera": "Image",
    "rviz_default_plugins/Image": "Image",
}
FOXGLOVE_3D_SHOWS = {"MarkerArray", "PoseStamped", "CameraInfo"}


def topic_of(path: str) -> Topic:
    assert path.startswith(NAMESPACE), path
    return BY_NAME[path.removeprefix(NAMESPACE)]


def displays() -> list[dict[str, Any]]:
    found = yaml.safe_load((CONFIG / "view.rviz").read_text())["Visualization Manager"]["Displays"]
    return [display for display in found if "Topic" in display]


def panels() -> dict[str, Any]:
    return json.loads((CONFIG / "view.foxglove.json").read_text())


def leaves(layout: Any) -> Iterator[str]:
    if isinstance(layout, str):
        yield layout
    else:
        yield from leaves(layout["first"])
        yield from leaves(layout["second"])


@pytest.mark.parametrize("display", displays(), ids=lambda display: display["Name"])
def test_an_rviz_display_hears_a_topic_of_its_type_with_the_contracts_quality(
    display: dict[str, Any],
) -> None:
    topic = topic_of(display["Topic"]["Value"])
    assert topic.type.__name__ == RVIZ_SHOWS[display["Class"]]
    for policy in ("reliability", "durability"):
        wanted = display["Topic"][f"{policy.title()} Policy"].upper().replace(" ", "_")
        assert wanted == getattr(topic.qos, policy).name, policy


def test_rviz_stands_in_the_frame_that_everything_is_told_in() -> None:
    told = yaml.safe_load((CONFIG / "view.rviz").read_text())["Visualization Manager"]
    assert told["Global Options"]["Fixed Frame"] == names.BASE_FRAME
    assert any(display["Class"].endswith("/TF") for display in told["Displays"])


def test_every_panel_of_the_foxglove_layout_is_laid_out_and_described() -> None:
    told = panels()
    shown = [*leaves(told["layout"])]
    assert sorted(shown) == sorted(told["configById"])
    assert {panel.partition("!")[0] for panel in shown} == {"3D", "Image", "Plot"}


def test_foxglove_s_scene_shows_topics_that_it_can_draw_and_stands_in_the_base_frame() -> None:
    scene = panels()["configById"]["3D!scene"]
    assert scene["followTf"] == names.BASE_FRAME
    assert names.MARKERS in {topic_of(path).name for path in scene["topics"]}
    for path in scene["topics"]:
        assert topic_of(path).type.__name__ in FOXGLOVE_3D_SHOWS, path


def test_foxglove_s_pictures_are_images_with_their_own_lens() -> None:
    pictures = [
        of["imageMode"]
        for panel, of in panels()["configById"].items()
        if panel.startswith("Image!")
    ]
    assert {topic_of(of["imageTopic"]).name for of in pictures} == {
        names.CAMERA_IMAGE, names.OBSERVATION_IMAGE, names.NOVELTY_GOAL
    }  # fmt: skip
    for of in pictures:
        assert topic_of(of["imageTopic"]).type.__name__ == "Image"
        if "calibrationTopic" in of:
            assert topic_of(of["calibrationTopic"]).type.__name__ == "CameraInfo"


def test_foxglove_s_curves_are_numbers_of_their_messages() -> None:
    curves = [
        path["value"]
        for panel, of in panels()["configById"].items()
        if panel.startswith("Plot!")
        for path in of["paths"]
    ]
    assert len(curves) == 4
    for curve in curves:
        path, _, field = curve.rpartition(".")
        name, index = re.fullmatch(r"(\w+)(?:\[(\d)\])?", field).groups()
        kind = topic_of(path).type.get_fields_and_field_types()[name]
        assert kind == ("float" if index is None else "sequence<float, 4>"), curve
