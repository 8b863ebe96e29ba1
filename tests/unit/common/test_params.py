import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from rclpy.parameter import Parameter
from wayfarer_common.params import declare
from wayfarer_core.errors import ConfigError
from wayfarer_core.parameter import param, required


@dataclass(frozen=True)
class Params:
    speed: float = param(0.5, "how fast [m/s]", 0.0, 1.0)
    count: int = param(3, "how many", 1, 10)
    way: str = param("left", "which way", choices=("left", "right"))
    place: tuple[float, float, float] = param((0.1, 0.2, 0.3), "where [m]", -1.0, 1.0)
    label: str = param("", "what it is called")
    loud: bool = param(False, "whether it is heard")


MakeNode = Callable[..., Node]


@pytest.fixture
def make_node(domain: int) -> Iterator[MakeNode]:
    """Nodes in a ROS domain of their own; overrides by keyword, or as ROS arguments."""
    context = Context()
    rclpy.init(args=[], context=context, domain_id=domain)
    nodes: list[Node] = []

    def make(*arguments: str, **overrides: Any) -> Node:
        node = Node(
            "tested",
            context=context,
            cli_args=["--ros-args", *arguments] if arguments else None,
            parameter_overrides=[Parameter(key, value=value) for key, value in overrides.items()],
            enable_rosout=False,
            start_parameter_services=False,
        )
        nodes.append(node)

        return node

    yield make
    for node in nodes:
        node.destroy_node()

    rclpy.shutdown(context=context)


def test_a_node_that_is_given_nothing_has_the_defaults(make_node: MakeNode) -> None:
    assert declare(make_node(), Params) == Params()


def test_given_values_take_the_defaults_place(make_node: MakeNode) -> None:
    node = make_node(speed=1.0, count=10, way="right", place=[-1.0, 0.0, 1.0], label="x", loud=True)
    assert declare(node, Params) == Params(1.0, 10, "right", (-1.0, 0.0, 1.0), "x", True)


def test_values_are_taken_from_ros_arguments(make_node: MakeNode) -> None:
    node = make_node(
        "-p", "speed:=0.25", "-p", "place:=[0.0, 0.5, 1.0]", "-p", "loud:=true", "-p", "label:=a b"
    )
    assert declare(node, Params) == Params(
        speed=0.25, place=(0.0, 0.5, 1.0), loud=True, label="a b"
    )


def test_values_are_taken_from_a_parameter_file_for_any_namespace(
    make_node: MakeNode, tmp_path: Any
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(
        "/**/tested:\n  ros__parameters:\n    count: 7\n/**/other:\n  ros__parameters:\n    "
        "nonsense: 7\n"
    )
    assert declare(make_node("--params-file", str(file)), Params).count == 7


def test_the_result_cannot_be_changed(make_node: MakeNode) -> None:
    values = declare(make_node(), Params)
    with pytest.raises(dataclasses.FrozenInstanceError):
        values.speed = 0.1  # type: ignore[misc]


def test_each_parameter_is_described_with_its_range_and_cannot_be_set_later(
    make_node: MakeNode,
) -> None:
    node = make_node()
    declare(node, Params)
    speed, count, way = node.describe_parameters(["speed", "count", "way"])
    assert speed.description == "how fast [m/s]"
    assert (speed.floating_point_range[0].from_value, speed.floating_point_range[0].to_value) == (
        0.0,
        1.0,
    )
    assert (count.integer_range[0].from_value, count.integer_range[0].to_value) == (1, 10)
    assert way.additional_constraints == "one of left, right"
    assert not node.set_parameters([Parameter("speed", value=0.1)])[0].successful


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("speed", -0.1),
        ("speed", 1.1),
        ("speed", float("nan")),
        ("speed", float("inf")),
        ("count", 0),
        ("count", 11),
        ("place", [0.0, 0.0, 1.5]),
        ("place", [float("nan"), 0.0, 0.0]),
    ],
)
def test_a_value_out_of_range_is_refused_with_node_key_and_meaning(
    make_node: MakeNode, key: str, value: Any
) -> None:
    with pytest.raises(ConfigError, match=rf"node tested: .*{key}.*it is: ({'how|where'})"):
        declare(make_node(**{key: value}), Params)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_the_ends_of_a_range_belong_to_it(make_node: MakeNode, value: float) -> None:
    assert declare(make_node(speed=value), Params).speed == value


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("speed", "fast"),
        ("speed", 1),
        ("count", 2.0),
        ("count", True),
        ("way", 1),
        ("loud", "yes"),
        ("label", 5),
        ("place", 0.5),
        ("place", ["a", "b", "c"]),
        ("place", [1, 2, 3]),
    ],
)
def test_a_value_of_another_type_is_refused_with_node_and_key(
    make_node: MakeNode, key: str, value: Any
) -> None:
    with pytest.raises(ConfigError, match=rf"node tested: .*{key}"):
        declare(make_node(**{key: value}), Params)


@pytest.mark.parametrize("value", [[0.1], [0.1, 0.2], [0.1, 0.2, 0.3, 0.4]])
def test_an_array_of_another_length_is_refused(make_node: MakeNode, value: list[float]) -> None:
    with pytest.raises(ConfigError, match="node tested: place needs 3 numbers"):
        declare(make_node(place=value), Params)


def test_an_empty_array_is_refused(make_node: MakeNode) -> None:
    with pytest.raises(ConfigError, match="place"):
        declare(make_node("-p", "place:=[]"), Params)


def test_a_value_that_is_no_choice_is_refused_with_the_choices(make_node: MakeNode) -> None:
    with pytest.raises(ConfigError, match="node tested: way = 'up' is not one of left, right"):
        declare(make_node(way="up"), Params)


def test_a_key_that_nobody_declared_is_refused_with_the_known_ones(make_node: MakeNode) -> None:
    with pytest.raises(
        ConfigError,
        match="unknown parameter 'sped'; known are count, label, loud, place, speed, way",
    ):
        declare(make_node("-p", "sped:=0.1"), Params)


def test_the_parameters_of_ros_itself_are_let_through(make_node: MakeNode) -> None:
    node = make_node(
        "-p", "use_sim_time:=true", "-p", "qos_overrides./camera.subscription.depth:=3"
    )
    assert declare(node, Params) == Params()
    assert node.get_parameter("use_sim_time").value is True


@dataclass(frozen=True)
class Limited:
    box: tuple[float, float, float] = required((0.0, 0.0, 0.0), "lowest corner [m]", -1.0, 1.0)
    speed: float = required(0.0, "highest speed [m/s]", 0.0, 1.0)
    period: float = param(0.5, "time between two [s]", 0.01, 10.0)


def test_what_is_required_and_was_not_given_is_refused_by_name_meaning_and_place(
    make_node: MakeNode,
) -> None:
    with pytest.raises(ConfigError) as caught:
        declare(make_node(period=0.1), Limited)

    said = str(caught.value)
    assert "node tested was not given box, speed" in said
    assert "lowest corner [m]" in said
    assert "highest speed [m/s]" in said
    assert "section /**/tested" in said


def test_a_misspelt_section_gives_a_node_nothing_to_fall_back_to(
    make_node: MakeNode, tmp_path: Any
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("/**/testd:\n  ros__parameters: {box: [0.0, 0.0, 0.1], speed: 0.1}\n")
    with pytest.raises(ConfigError, match="was not given box, speed"):
        declare(make_node("--params-file", str(file)), Limited)


def test_what_is_required_is_taken_and_checked_as_any_other(make_node: MakeNode) -> None:
    assert declare(make_node(box=[0.0, 0.5, 1.0], speed=0.0), Limited) == Limited(
        (0.0, 0.5, 1.0), 0.0, 0.5
    )
    for bad in ({"speed": 1.5}, {"speed": 1}, {"box": [0.0, 0.0]}, {"box": [0.0, 0.0, 7.0]}):
        with pytest.raises(ConfigError, match=f"node tested: .*{next(iter(bad))}"):
            declare(make_node(**({"box": [0.0, 0.5, 1.0], "speed": 0.0} | bad)), Limited)
