import os
import re
import xml.etree.ElementTree as ET
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest
import yaml
from wayfarer_collector.params import SCHEDULES
from wayfarer_core.errors import ConfigError
from wayfarer_launch.launch_file import Launch, declared_arguments, read_launch_file
from wayfarer_policies.exploration.methods import METHODS

SHIPPED = Path(__file__).parents[3] / "launch"
NODE = '<node pkg="p" exec="e"/>'


def find_share(package: str) -> Path:
    if package != "wayfarer_bringup":
        raise ConfigError(f"package {package} is not installed")
    return SHIPPED


def read(folder: Path, body: str, **given: str) -> Launch:
    file = folder / "test.launch.xml"
    file.write_text(f"<launch>{body}</launch>")
    return read_launch_file(file, given, find_share)


# --- what is understood ---


def test_a_node_becomes_a_process_with_ros_arguments(tmp_path: Path) -> None:
    body = """
      <node pkg="wayfarer_camera" exec="camera" name="eye" output="screen" on_exit="shutdown">
        <remap from="a" to="b"/>
        <param name="control_period" value="0.5"/>
      </node>"""
    (node,) = read(tmp_path, body).nodes
    assert (node.package, node.executable, node.name, node.namespace) == (
        "wayfarer_camera",
        "camera",
        "eye",
        "/",
    )
    assert node.ends_run
    words = "--ros-args -r __node:=eye -r __ns:=/ -r a:=b -p control_period:=0.5"
    assert node.arguments() == words.split()


def test_a_node_without_a_name_keeps_its_own_and_may_end_alone(tmp_path: Path) -> None:
    (node,) = read(tmp_path, NODE).nodes
    assert (node.name, node.label) == ("", "e")
    assert not any("__node" in word for word in node.arguments())
    assert not node.ends_run


def test_parameters_keep_their_order_so_that_the_later_wins_as_in_ros(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("e:\n  ros__parameters: {a: 1}\n")
    body = f"""<node pkg="p" exec="e" name="e">
      <param name="a" value="0"/><param from="{config}"/><param name="b" value="2"/></node>"""
    (node,) = read(tmp_path, body).nodes
    assert node.arguments()[5:] == ["-p", "a:=0", "--params-file", str(config), "-p", "b:=2"]


def test_an_argument_has_the_given_value_or_its_default(tmp_path: Path) -> None:
    body = '<arg name="n" default="d"/><node pkg="p" exec="e" name="$(var n)"/>'
    assert read(tmp_path, body).nodes[0].name == "d"
    assert read(tmp_path, body, n="given").nodes[0].name == "given"


def test_a_given_value_is_taken_literally(tmp_path: Path) -> None:
    body = '<arg name="n"/><node pkg="p" exec="e"><param name="x" value="$(var n)"/></node>'
    (node,) = read(tmp_path, body, n="$(env HOME) \\1").nodes
    assert node.parameters == (("x", "$(env HOME) \\1"),)


NAMES = [
    "pick #2",
    "a: b",
    "20241105",
    "yes",
    "1e3",
    "~",
    "",
    " x ",
    "[a]",
    "*a",
    "'q'",
    '"q"',
    "a\\b",
    "Würfel 测试\u2028😀",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_text_is_handed_on_as_yaml_that_means_this_very_text(tmp_path: Path, name: str) -> None:
    body = (
        '<arg name="n"/><node pkg="p" exec="e"><param name="x" value="$(var n)" type="str"/></node>'
    )
    ((key, value),) = read(tmp_path, body, n=name).nodes[0].parameters
    assert (key, yaml.safe_load(value)) == ("x", name)
    assert value[0] == value[-1] == '"', (
        "ROS's own reader takes 1e3 for a number where PyYAML does not"
    )


def test_a_text_that_is_no_utf_8_is_refused_by_name(tmp_path: Path) -> None:
    body = '<arg name="n"/><node pkg="p" exec="e"><param name="run" value="$(var n)" type="str"/></node>'
    with pytest.raises(ConfigError, match=r"run is 'bad\\udcff': .* no UTF-8"):
        read(tmp_path, body, n=os.fsdecode(b"bad\xff"))


def test_several_substitutions_share_one_text(tmp_path: Path) -> None:
    body = """
      <arg name="a" default="1"/><arg name="b" default="$(var a)2"/>
      <node pkg="p" exec="e"><param name="x" value="n$(var a)_$(var b)x"/></node>"""
    assert read(tmp_path, body).nodes[0].parameters == (("x", "n1_12x"),)


def test_an_environment_variable_is_put_in_or_its_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = '<node pkg="p" exec="e"><param name="x" value="$(env WAYFARER_TEST a_default)"/></node>'
    monkeypatch.delenv("WAYFARER_TEST", raising=False)
    assert read(tmp_path, body).nodes[0].parameters == (("x", "a_default"),)
    monkeypatch.setenv("WAYFARER_TEST", "set")
    assert read(tmp_path, body).nodes[0].parameters == (("x", "set"),)


def test_a_package_s_share_is_found_and_a_missing_package_named(tmp_path: Path) -> None:
    body = '<arg name="f" default="$(find-pkg-share wayfarer_bringup)/config"/>'
    assert read(tmp_path, body).arguments["f"] == f"{SHIPPED}/config"
    with pytest.raises(ConfigError, match="package nowhere is not installed"):
        read(tmp_path, '<arg name="f" default="$(find-pkg-share nowhere)"/>')


def test_namespaces_nest_and_end_with_their_group(tmp_path: Path) -> None:
    body = f"""
      <group><push-ros-namespace namespace="lab"/>{NODE}
        <group><push-ros-namespace namespace="left/"/>{NODE}</group>{NODE}
      </group>{NODE}"""
    assert [n.namespace for n in read(tmp_path, body).nodes] == ["/lab", "/lab/left", "/lab", "/"]


def test_a_namespace_that_begins_with_a_slash_replaces_what_is_around_it(tmp_path: Path) -> None:
    body = f'<push-ros-namespace namespace="lab"/><group><push-ros-namespace namespace="/left"/>{NODE}</group>{NODE}'
    assert [n.namespace for n in read(tmp_path, body).nodes] == ["/left", "/lab"]


def test_an_empty_namespace_is_the_root(tmp_path: Path) -> None:
    body = f'<arg name="ns" default=""/><push-ros-namespace namespace="$(var ns)"/>{NODE}'
    assert read(tmp_path, body).nodes[0].namespace == "/"


@pytest.mark.parametrize(
    ("value", "kept"), [("true", 1), ("True", 1), ("1", 1), ("false", 0), ("0", 0)]
)
def test_conditions_choose_nodes_and_groups(tmp_path: Path, value: str, kept: int) -> None:
    body = """
      <arg name="on"/>
      <node pkg="p" exec="if" if="$(var on)"/>
      <group unless="$(var on)"><node pkg="p" exec="unless"/></group>
      <node pkg="p" exec="always"/>"""
    nodes = read(tmp_path, body, on=value).nodes
    assert [n.executable for n in nodes] == ["if" if kept else "unless", "always"]


def test_environment_variables_of_the_launch_are_set(tmp_path: Path) -> None:
    body = f'<arg name="d" default="7"/><set_env name="ROS_DOMAIN_ID" value="$(var d)"/>{NODE}'
    assert read(tmp_path, body).environment == {"ROS_DOMAIN_ID": "7"}


def test_a_variable_is_set_for_what_follows_it_in_its_group(tmp_path: Path) -> None:
    body = f"""{NODE}<group><set_env name="W" value="1"/>{NODE}
      <node pkg="p" exec="e"><param name="x" value="$(env W)"/></node></group>
      <node pkg="p" exec="e"><param name="x" value="$(env W none)"/></node>"""
    nodes = read(tmp_path, body).nodes
    assert [dict(n.environment) for n in nodes] == [{}, {"W": "1"}, {"W": "1"}, {}]
    assert [n.parameters for n in nodes[2:]] == [(("x", "1"),), (("x", "none"),)]


def test_a_substitution_may_hold_another(tmp_path: Path) -> None:
    body = """
      <arg name="a" default="x"/>
      <node pkg="p" exec="yes" if="$(equals $(var a) x)"/>
      <node pkg="p" exec="no" if="$(equals $(var a) y)"/>"""
    assert [n.executable for n in read(tmp_path, body).nodes] == ["yes"]


@pytest.mark.parametrize(("a", "b"), [("x", "1"), ("y", "0"), ("z", "1")])
def test_either_of_two_conditions_may_hold(tmp_path: Path, a: str, b: str) -> None:
    body = """<arg name="a"/>
      <arg name="one" default="$(or $(equals $(var a) x) $(equals $(var a) z))"/>
      <node pkg="p" exec="e" if="$(var one)"/>"""
    assert len(read(tmp_path, body, a=a).nodes) == int(b)


def test_an_argument_that_is_none_of_its_choices_is_refused_with_them(tmp_path: Path) -> None:
    body = '<arg name="a" default="1"><choice value="1"/><choice value="2"/></arg>'
    assert read(tmp_path, body, a="2").arguments == {"a": "2"}
    with pytest.raises(ConfigError, match=r"test.launch.xml: a:=3 is not one of 1, 2"):
        read(tmp_path, body, a="3")


def test_a_remap_set_for_a_group_holds_for_all_that_follows_in_it(tmp_path: Path) -> None:
    body = f'<group>{NODE}<set_remap from="a" to="b"/>{NODE}<group>{NODE}</group></group>{NODE}'
    assert [n.remaps for n in read(tmp_path, body).nodes] == [(), (("a", "b"),), (("a", "b"),), ()]


def included(folder: Path, body: str) -> str:
    (folder / "part.launch.xml").write_text(f"<launch>{body}</launch>")
    return "$(dirname)/part.launch.xml"


def test_an_included_file_stands_in_its_place_with_the_arguments_it_is_given(
    tmp_path: Path,
) -> None:
    file = included(tmp_path, '<arg name="n"/><node pkg="p" exec="$(var n)"/>')
    body = f"""
      <arg name="n" default="outer"/>
      <group>
        <push-ros-namespace namespace="lab"/><set_remap from="a" to="b"/>
        <include file="{file}"><arg name="n" value="inner"/></include>
      </group>
      <node pkg="p" exec="$(var n)"/>"""
    launch = read(tmp_path, body)
    assert [(n.executable, n.namespace, n.remaps) for n in launch.nodes] == [
        ("inner", "/lab", (("a", "b"),)),
        ("outer", "/", ()),
    ]
    assert list(launch.declared) == list(declared_arguments(tmp_path / "test.launch.xml")) == ["n"]


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        ("", r"test.launch.xml: <include> of part.launch.xml must pass n, too"),
        (
            '<arg name="n" value="1"/><arg name="m" value="1"/>',
            "part.launch.xml has no argument m; it has n",
        ),
    ],
)
def test_an_include_must_pass_exactly_the_arguments_there_are(
    tmp_path: Path, passed: str, words: str
) -> None:
    file = included(tmp_path, f'<arg name="n" default="1"/>{NODE}')
    with pytest.raises(ConfigError, match=words):
        read(tmp_path, f'<include file="{file}">{passed}</include>')


def test_a_parameter_file_may_also_be_for_nodes_of_a_launch_file_beside(tmp_path: Path) -> None:
    included(tmp_path, '<node pkg="p" exec="e" name="other"/>')
    assert with_parameters(tmp_path, "other:\n  ros__parameters: {a: 1}\n").nodes


def test_comments_are_passed_over(tmp_path: Path) -> None:
    assert len(read(tmp_path, f"<!-- a word -->{NODE}").nodes) == 1


# --- what is refused, by name ---


@pytest.mark.parametrize("element", ["executable", "unset_env", "timer", "Node"])
def test_an_unknown_element_is_refused_by_name(tmp_path: Path, element: str) -> None:
    with pytest.raises(
        ConfigError,
        match=f"test.launch.xml: wayfarer launch does not know <{element}>; it knows arg",
    ):
        read(tmp_path, f"<{element}/>")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('<node pkg="p" exec="e" respawn="true"/>', "node attribute respawn"),
        ('<arg name="a" default="1" type="int"/>', "arg attribute type"),
        (f'<group scoped="false">{NODE}</group>', "group attribute scoped"),
        ('<set_env name="a" value="b" sep=":"/>', "set_env attribute sep"),
        ('<node pkg="p" exec="e" on_exit="respawn"/>', 'on_exit="respawn"'),
        (
            '<node pkg="p" exec="e"><param name="a" value="b" if="true"/></node>',
            "a condition of a <param>",
        ),
        ('<node pkg="p" exec="e"><env name="a" value="b"/></node>', "<env> in a node"),
        (
            '<node pkg="p" exec="e"><param name="a" value="b" type="int"/></node>',
            '<param type="int">',
        ),
        ('<node pkg="p" exec="e"><param name="a" value="b" sep=","/></node>', "<param> in a node"),
        (
            '<node pkg="p" exec="e"><param name="a"><param name="b" value="1"/></param></node>',
            "<param> in a node",
        ),
        ('<arg name="a" default="1"><let name="b" value="1"/></arg>', "<let> in <arg>"),
        ('<include file="x"><let name="b" value="1"/></include>', "<let> in <include>"),
        ('<include file="x"><arg name="b" default="1"/></include>', "<arg> in <include>"),
    ],
)
def test_an_unknown_attribute_or_child_is_refused_by_name(
    tmp_path: Path, body: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=f"does not know {words}"):
        read(tmp_path, body)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('<node pkg="p"/>', "<node> lacks exec"),
        ("<node/>", "<node> lacks exec, pkg"),
        ("<arg/>", "<arg> lacks name"),
        ('<set_env name="A"/>', "<set_env> lacks value"),
        ("<push-ros-namespace/>", "<push-ros-namespace> lacks namespace"),
        ('<node pkg="p" exec="e"><remap from="a"/></node>', "<remap> lacks to"),
    ],
)
def test_an_attribute_that_is_missing_is_named(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(tmp_path, body)


@pytest.mark.parametrize(
    "substitution",
    [
        "$(eval 1 + 1)",
        "$(dirname x)",
        "$(equals 1)",
        "$(or true)",
        "$(or yes no)",
        "$(anon x)",
        "$(var nobody)",
        "$(var )",
        "$(env WAYFARER_UNSET)",
        "$(env WAYFARER_UNSET a default)",
        "$()",
    ],
)
def test_an_unknown_substitution_is_refused_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, substitution: str
) -> None:
    monkeypatch.delenv("WAYFARER_UNSET", raising=False)
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, f'<node pkg="p" exec="e"><param name="x" value="{substitution}"/></node>')
    assert f"does not know {substitution}" in str(caught.value)


def test_an_argument_the_file_does_not_declare_is_refused_with_those_it_does(
    tmp_path: Path,
) -> None:
    with pytest.raises(
        ConfigError, match=r"test.launch.xml has no argument stpes; it has episodes, steps"
    ):
        read(
            tmp_path, '<arg name="steps" default="1"/><arg name="episodes" default="1"/>', stpes="3"
        )


def test_a_missing_required_argument_is_named_with_its_meaning(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"needs run:=\.\.\. \(directory of the run\)"):
        read(tmp_path, '<arg name="run" description="directory of the run"/>')


def test_a_required_argument_given_as_the_empty_text_is_given(tmp_path: Path) -> None:
    assert read(tmp_path, '<arg name="run"/>', run="").arguments == {"run": ""}


def test_a_condition_that_is_neither_true_nor_false_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="gives 'maybe', must be true or false"):
        read(tmp_path, '<arg name="on"/><node pkg="p" exec="e" if="$(var on)"/>', on="maybe")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            '<node pkg="p" exec="e" if="true" unless="false"/>',
            "<node> has both if and unless: choose one",
        ),
        (
            '<node pkg="p" exec="e" output="sreen"/>',
            "output='sreen' is not one of screen, log, both",
        ),
    ],
)
def test_what_ros2_launch_refuses_is_refused(tmp_path: Path, body: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        read(tmp_path, body)


def test_what_is_no_launch_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "x.xml"
    for text, words in (
        ("<launch>", "is not XML"),
        ("<robot/>", "root element must be <launch>, not <robot>"),
    ):
        file.write_text(text)
        with pytest.raises(ConfigError, match=words):
            read_launch_file(file, {}, find_share)

    with pytest.raises(ConfigError, match=r"cannot read launch file .*gone\.xml"):
        read_launch_file(tmp_path / "gone.xml", {}, find_share)


# --- parameter files ---


def with_parameters(folder: Path, text: str) -> Launch:
    (folder / "config.yaml").write_text(text)

    return read(
        folder,
        f'<node pkg="p" exec="control" name="control"><param from="{folder}/config.yaml"/></node>',
    )


@pytest.mark.parametrize("section", ["control", "/**/control", "/lab/control", "/**"])
def test_sections_that_fit_a_node_are_taken(tmp_path: Path, section: str) -> None:
    assert len(with_parameters(tmp_path, f"{section}:\n  ros__parameters: {{a: 1}}\n").nodes) == 1


def test_an_empty_parameter_file_is_no_error(tmp_path: Path) -> None:
    assert len(with_parameters(tmp_path, "").nodes) == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "/**/contrl:\n  ros__parameters: {a: 1}\n",
            r"section '/\*\*/contrl' fits no node; nodes are \*\*, control",
        ),
        ("control:\n  a: 1\n", "section 'control' must hold exactly ros__parameters"),
        (
            "control:\n  ros__parameters: {}\n  more: 1\n",
            "section 'control' must hold exactly ros__parameters",
        ),
        ("control: 3\n", "section 'control' must hold exactly ros__parameters"),
        ("- control\n", "must map node names to ros__parameters"),
        ("a: [1\n", "cannot read parameter file"),
    ],
)
def test_a_parameter_file_that_no_node_would_read_is_refused(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(ConfigError, match=words):
        with_parameters(tmp_path, text)


def test_a_parameter_file_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read parameter file .*gone\.yaml"):
        read(tmp_path, f'<node pkg="p" exec="e"><param from="{tmp_path}/gone.yaml"/></node>')


# --- the files we ship ---


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.launch.xml")), ids=lambda f: f.name)
def test_the_files_we_ship_are_understood_and_every_argument_is_described(file: Path) -> None:
    arguments = declared_arguments(file)
    given = {name: "x" for name, argument in arguments.items() if argument.default is None}
    launch = read_launch_file(file, given, find_share)
    assert launch.nodes
    assert all(argument.description for argument in arguments.values())
    assert launch.declared == arguments
    assert all(node.ends_run for node in launch.nodes if node.name != "view")
    assert len({node.name for node in launch.nodes}) == len(launch.nodes)


CLOSED = {
    "method": tuple(METHODS),
    "schedule": SCHEDULES,
    "lockstep": ("true", "false", "True", "False"),
    "learning": ("true", "false", "True", "False"),
}


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.launch.xml")), ids=lambda f: f.name)
def test_an_argument_with_a_closed_set_of_values_names_them_and_refuses_others(file: Path) -> None:
    arguments = declared_arguments(file)
    closed = {name: argument.choices for name, argument in arguments.items() if name in CLOSED}
    assert closed == {name: CLOSED[name] for name in closed}
    given = {name: "x" for name, argument in arguments.items() if argument.default is None}

    for name, argument in arguments.items():
        if argument.choices:
            with pytest.raises(
                ConfigError, match=f"{name}:=foo is not one of {', '.join(argument.choices)}"
            ):
                read_launch_file(file, given | {name: "foo"}, find_share)


def test_every_closed_set_is_that_of_some_file() -> None:
    assert set(CLOSED) <= {
        name for file in SHIPPED.glob("*.launch.xml") for name in declared_arguments(file)
    }


def test_there_is_a_launch_file_to_ship() -> None:
    assert (SHIPPED / "sim.launch.xml").is_file()


def params_in(file: Path) -> list[tuple[str, ET.Element]]:
    nodes = ET.parse(file).getroot().iter("node")
    return [(n.attrib["pkg"], p) for n in nodes for p in n.iter("param") if "name" in p.attrib]


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.launch.xml")), ids=lambda f: f.name)
def test_every_text_a_shipped_file_hands_on_is_called_one(file: Path) -> None:
    for package, param in params_in(file):
        defaults = {
            f.name: f.default for f in fields(import_module(f"wayfarer_{package[9:]}.node").Params)
        }
        is_text = isinstance(defaults.get(param.attrib["name"]), str)  # use_sim_time is ROS's own
        assert param.attrib.get("type") == ("str" if is_text else None), (
            f"{package}: {param.attrib['name']}"
        )


def test_there_are_texts_to_hand_on() -> None:
    assert (
        sum(p.attrib.get("type") == "str" for f in SHIPPED.glob("*.xml") for _, p in params_in(f))
        > 5
    )


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.launch.xml")), ids=lambda f: f.name)
def test_substitutions_are_written_as_ros2_launch_reads_them(file: Path) -> None:
    for element in ET.parse(file).getroot().iter():
        for value in element.attrib.values():
            assert not re.search(r"\$\([^)]*\s{2}", value), f"{value}: one space between the words"
            assert "$(any" not in value, "its reader in XML fails in Jazzy"


@pytest.mark.parametrize("file", ["sim", "hardware", "workstation"])
@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_learns_gets_its_learner_without_being_asked(file: str, method: str) -> None:
    path = SHIPPED / f"{file}.launch.xml"
    nodes = {
        n.name for n in read_launch_file(path, {"run": "x", "method": method}, find_share).nodes
    }
    assert ({"learner", "novelty"} <= nodes) == METHODS[method].learns
    told = {"run": "x", "method": method, "learning": "false"}
    assert not {"learner", "novelty"} & {
        n.name for n in read_launch_file(path, told, find_share).nodes
    }


@pytest.mark.parametrize("file", ["sim", "hardware"])
@pytest.mark.parametrize("wrist", [False, True])
def test_the_camera_in_the_hand_is_a_second_camera_node_that_all_it_concerns_are_told_of(
    file: str, wrist: bool
) -> None:
    told = {"run": "x", "wrist": "true"} if wrist else {"run": "x"}
    launch = read_launch_file(SHIPPED / f"{file}.launch.xml", told, find_share)
    nodes = {node.name: node for node in launch.nodes}
    assert ("wrist_camera" in nodes) == wrist
    for name in ("replay", "collector", *(["sim_bridge"] if file == "sim" else [])):
        assert dict(nodes[name].parameters)["wrist"] == str(wrist).lower()

    if wrist:
        one, other = nodes["camera"], nodes["wrist_camera"]
        assert (other.package, other.executable) == (one.package, one.executable)
        assert dict(other.parameters)["eye_in_hand"] == "true"
