import os
from pathlib import Path

import pytest
import rclpy
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from rclpy.context import Context
from rclpy.node import Node
from wayfarer_common.ros_arguments import literal, quoted
from wayfarer_core.errors import ConfigError

NAMES = [
    "pick #2", "a: b", "20241105", "yes", "y", "N", "1e3", "0x10", "010", "inf", ".nan", "~", "null", "[a]", "{b}",
    "*", "&a", "it's", 'quo"te', "a\\b", "$(env HOME)", "Würfel 测试", "x:=y", "-dash", "# all", "", " ", "\t", "😀",
    "a\u2028b", "a\x85b", "!!str 3", "---", "?", "|", ">", "%", "@x", "`x`", "true", "- a", "a\nb", "\x7f",
]  # fmt: skip


def heard(domain: int, arguments: list[str]) -> dict[str, object]:
    """What a node of ROS's own takes from its arguments."""
    context = Context()
    rclpy.init(args=literal(["--ros-args", *arguments]), context=context, domain_id=domain)
    node = Node("it", context=context, automatically_declare_parameters_from_overrides=True)
    found = {name: parameter.value for name, parameter in node.get_parameters_by_prefix("").items()}
    node.destroy_node()
    rclpy.shutdown(context=context)

    return found


def as_rules(texts: list[str]) -> list[str]:
    return [word for k, text in enumerate(texts) for word in ("-p", f"x{k}:={quoted('x', text)}")]


def test_every_name_arrives_at_a_node_as_this_very_text(domain: int) -> None:
    found = heard(domain, as_rules(NAMES))
    assert [found[f"x{k}"] for k in range(len(NAMES))] == NAMES


@settings(max_examples=20)
@given(
    texts=st.lists(
        st.text(st.characters(exclude_characters="\0", codec="utf-8")), min_size=1, max_size=30
    )
)
def test_whatever_the_text_it_arrives_as_it_is(module_domain: int, texts: list[str]) -> None:
    found = heard(module_domain, as_rules(texts))
    assert [found[f"x{k}"] for k in range(len(texts))] == texts


def test_a_text_that_is_no_utf_8_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match=r"^run is 'bad\\udcff': .* no UTF-8"):
        quoted("run", os.fsdecode(b"bad\xff"))


# --- the command line ---


@pytest.mark.parametrize(
    ("value", "taken"),
    [
        ("pick #2", "only 'pick'"),
        ("a: b", "nothing"),
        ("# x", "nothing"),
        ("*a", "nothing"),
        ("[a", "nothing"),
        ("", "nothing"),
    ],
)
def test_a_value_of_which_ros_would_take_a_part_is_refused_with_how_to_write_it(
    value: str, taken: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        literal(["node", "--ros-args", "-p", f"run:={value}"])

    assert str(caught.value).startswith(
        f"-p run:={value}: of this YAML ROS takes {taken}; a text is quoted, -p 'run:=\""
    )
    assert literal(["--ros-args", "-p", f"run:={quoted('run', value)}"])


@pytest.mark.parametrize(
    "value",
    ["3", "0.5", "true", "[0.1, 0.2]", "plain", "'quoted # all'", '"x"', "!!str 3", "/a/b c"],
)
def test_a_value_that_ros_takes_whole_is_left_as_it_is(value: str) -> None:
    words = ["node", "--ros-args", "-p", f"x:={value}", "--param", f"y:={value}"]
    assert literal(words) == words


def test_arguments_that_are_none_of_ours_are_left_as_they_are() -> None:
    words = [
        "node",
        "-p",
        "x:=a # b",
        "--ros-args",
        "-r",
        "__ns:=/a: b",
        "--params-file",
        "/my # file.yaml",
        "--",
    ]
    words += ["-p", "y:=a # b", "--ros-args", "-p"]
    assert literal(words) == words


# --- what ros2 launch writes ---


def written_by_launch(folder: Path, parameters: dict[str, object]) -> Path:
    """As launch_ros does it: PyYAML's own choice of quotes."""
    file = folder / "launch_params_x1y2"
    file.write_text(yaml.dump({"/**": {"ros__parameters": parameters}}, default_flow_style=False))
    return file


def test_a_text_that_ros2_launch_leaves_without_quotes_arrives_all_the_same(
    domain: int, tmp_path: Path
) -> None:
    texts = {f"x{k}": text for k, text in enumerate(NAMES)}
    others = {"n": 3, "r": 0.5, "on": True, "list": [1.0, 2.0], "words": ["1e3", "y"]}
    file = written_by_launch(tmp_path, texts | others)
    before = file.read_text()
    found = heard(domain, ["--params-file", str(file)])
    assert {name: found[name] for name in texts | others} == texts | others
    assert file.read_text() == before


def test_a_parameter_file_of_the_user_s_is_ros_s_to_read(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("/**:\n  ros__parameters:\n    x: 1e3\n")
    words = ["--ros-args", "--params-file", str(file)]
    assert literal(words) == words


def test_a_file_of_launch_that_cannot_be_read_is_ros_s_to_complain_of(tmp_path: Path) -> None:
    words = ["--ros-args", "--params-file", str(tmp_path / "launch_params_gone")]
    assert literal(words) == words


def files(tmp_path: Path, *contents: str) -> list[str]:
    words = ["--ros-args"]
    for number, content in enumerate(contents):
        file = tmp_path / f"{number}.yaml"
        file.write_text(f"/**/control:\n  ros__parameters:\n    {content}\n")
        words += ["--params-file", str(file)]

    return words


@pytest.mark.parametrize("later", ["fast", "'0.3'", "1", "[0.3]", "true"])
def test_a_parameter_that_is_given_again_in_another_type_is_refused(
    tmp_path: Path, later: str
) -> None:
    with pytest.raises(
        ConfigError,
        match=r"max_speed of /\*\*/control is .*1\.yaml, but 0\.45 \(float\) in .*0\.yaml",
    ):
        literal(files(tmp_path, "max_speed: 0.45", f"max_speed: {later}"))


@pytest.mark.parametrize("later", ["0.3", "1e-1", ".3", "3.0"])
def test_a_parameter_that_is_given_again_in_its_type_is_taken(tmp_path: Path, later: str) -> None:
    words = files(tmp_path, "max_speed: 0.45", f"max_speed: {later}")
    assert literal(words) == words


def test_a_rule_of_another_type_than_the_one_before_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="tau"):
        literal(["--ros-args", "-p", "tau:=0.5", "-p", "tau:=1"])


def test_what_is_told_to_another_node_is_not_looked_at(tmp_path: Path) -> None:
    words = files(tmp_path, "max_speed: 0.45", "max_speed: fast")
    assert literal([*words, "-r", "__node:=camera"])[: len(words)] == words
    with pytest.raises(ConfigError, match="max_speed"):
        literal([*words, "-r", "__node:=control"])
