"""Our reader of launch files beside ROS 2's own: what both make of the same text.

The table was written by upstream's launch and launch_ros of Jazzy (3.4.3 and 0.26.6). Where they
are installed, the second test asks them anew. What ours does not know it refuses; it never takes a
text in another sense.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from fixtures.upstream_launch import told
from wayfarer_core.errors import ConfigError
from wayfarer_launch.launch_file import NodeSpec, read_launch_file

REFUSED = None
DEADLINE = 120.0  # s

# what it is about: (the text, what each process is told but for what is empty)
CASES: dict[str, tuple[str, list[dict[str, Any]] | None]] = {
    # names and namespaces
    "a node without a name keeps its own": (
        '<node pkg="pkg" exec="e"/>',
        [{}],
    ),
    "a name is given": (
        '<node pkg="pkg" exec="e" name="eye"/>',
        [{"name": "eye"}],
    ),
    "namespaces nest": (
        '<push-ros-namespace namespace="a"/><group><push-ros-namespace namespace="b"/>'
        '<node pkg="pkg" exec="e"/></group><node pkg="pkg" exec="e"/>',
        [{"ns": "/a"}, {"ns": "/a/b"}],
    ),
    "an absolute namespace replaces": (
        '<push-ros-namespace namespace="a"/><group><push-ros-namespace namespace="/b"/>'
        '<node pkg="pkg" exec="e"/></group><node pkg="pkg" exec="e"/>',
        [{"ns": "/a"}, {"ns": "/b"}],
    ),
    "a namespace may end with a slash": (
        '<push-ros-namespace namespace="a/"/><node pkg="pkg" exec="e"/>',
        [{"ns": "/a"}],
    ),
    "an empty namespace changes nothing": (
        '<push-ros-namespace namespace="a"/><push-ros-namespace namespace=""/>'
        '<node pkg="pkg" exec="e"/>',
        [{"ns": "/a"}],
    ),
    "an empty namespace is the root": (
        '<push-ros-namespace namespace=""/><node pkg="pkg" exec="e"/>',
        [{}],
    ),
    "a slash is the root": (
        '<push-ros-namespace namespace="a"/><push-ros-namespace namespace="/"/>'
        '<node pkg="pkg" exec="e"/>',
        [{}],
    ),
    "push_ros_namespace is the same word": (
        '<push_ros_namespace namespace="a"/><node pkg="pkg" exec="e"/>',
        [{"ns": "/a"}],
    ),
    "a namespace outlives no group": (
        '<group><push-ros-namespace namespace="a"/><node pkg="pkg" exec="e"/></group>'
        '<node pkg="pkg" exec="e"/>',
        [{"ns": "/a"}, {}],
    ),
    # arguments
    "an argument has its default": (
        '<arg name="n" default="d"/><node pkg="pkg" exec="e"><param name="x" value="$(var n)"/>'
        "</node>",
        [{"parameters": {"x": "d"}}],
    ),
    "an empty default": (
        '<arg name="n" default=""/><node pkg="pkg" exec="e"><param name="x" value="a$(var n)b"/>'
        "</node>",
        [{"parameters": {"x": "ab"}}],
    ),
    "a needed argument": (
        '<arg name="n"/><node pkg="pkg" exec="e"><param name="x" value="$(var n)"/></node>',
        REFUSED,
    ),
    "a default may use an earlier argument": (
        '<arg name="a" default="1"/><arg name="b" default="$(var a)2"/><node pkg="pkg" exec="e">'
        '<param name="x" value="n$(var b)"/></node>',
        [{"parameters": {"x": "n12"}}],
    ),
    "a default is one of the choices": (
        '<arg name="n" default="a"><choice value="a"/><choice value="b"/></arg>'
        '<node pkg="pkg" exec="e"><param name="x" value="$(var n)"/></node>',
        [{"parameters": {"x": "a"}}],
    ),
    "a default is none of the choices": (
        '<arg name="n" default="c"><choice value="a"/><choice value="b"/></arg>'
        '<node pkg="pkg" exec="e"><param name="x" value="$(var n)"/></node>',
        REFUSED,
    ),
    "a substitution may choose": (
        '<arg name="m" default="a"/><arg name="n" default="$(equals $(var m) a)">'
        '<choice value="true"/><choice value="false"/></arg><node pkg="pkg" exec="e">'
        '<param name="x" value="$(var n)"/></node>',
        [{"parameters": {"x": True}}],
    ),
    "the second declaration finds the first one's value": (
        '<arg name="n" default="1"/><arg name="n" default="2"/><node pkg="pkg" exec="e">'
        '<param name="x" value="v$(var n)"/></node>',
        [{"parameters": {"x": "v1"}}],
    ),
    "an unknown argument": (
        '<node pkg="pkg" exec="e"><param name="x" value="$(var nobody)"/></node>',
        REFUSED,
    ),
    # let
    "let sets": (
        '<let name="n" value="v"/><node pkg="pkg" exec="e"><param name="x" value="$(var n)"/>'
        "</node>",
        [{"parameters": {"x": "v"}}],
    ),
    "let sets again": (
        '<let name="n" value="v"/><let name="n" value="w"/><node pkg="pkg" exec="e">'
        '<param name="x" value="$(var n)"/></node>',
        [{"parameters": {"x": "w"}}],
    ),
    "let with an empty value": (
        '<let name="n" value=""/><node pkg="pkg" exec="e"><param name="x" value="a$(var n)b"/>'
        "</node>",
        [{"parameters": {"x": "ab"}}],
    ),
    "let before an argument is its value": (
        '<let name="n" value="v"/><arg name="n" default="d"/><node pkg="pkg" exec="e">'
        '<param name="x" value="$(var n)"/></node>',
        [{"parameters": {"x": "v"}}],
    ),
    "let outlives no group": (
        '<let name="n" value="v"/><group><let name="n" value="w"/><node pkg="pkg" exec="e">'
        '<param name="x" value="$(var n)"/></node></group><node pkg="pkg" exec="e">'
        '<param name="x" value="$(var n)"/></node>',
        [{"parameters": {"x": "v"}}, {"parameters": {"x": "w"}}],
    ),
    "let without a value": (
        '<let name="n"/><node pkg="pkg" exec="e"/>',
        REFUSED,
    ),
    # environment
    "a variable is set for what follows": (
        '<node pkg="pkg" exec="e"/><set_env name="WT_A" value="1"/><node pkg="pkg" exec="e"/>',
        [{"variables": {"WT_A": "1"}}, {}],
    ),
    "a variable outlives no group": (
        '<group><set_env name="WT_A" value="1"/><node pkg="pkg" exec="e"/></group>'
        '<node pkg="pkg" exec="e"/>',
        [{"variables": {"WT_A": "1"}}, {}],
    ),
    "a variable may be set again": (
        '<set_env name="WT_A" value="1"/><node pkg="pkg" exec="e"/>'
        '<set_env name="WT_A" value="2"/><node pkg="pkg" exec="e"/>',
        [{"variables": {"WT_A": "1"}}, {"variables": {"WT_A": "2"}}],
    ),
    "a variable set is seen by env": (
        '<set_env name="WT_A" value="v"/><node pkg="pkg" exec="e">'
        '<param name="x" value="$(env WT_A)"/></node>',
        [{"parameters": {"x": "v"}, "variables": {"WT_A": "v"}}],
    ),
    "a variable set in a group is not seen behind it": (
        '<group><set_env name="WT_A" value="v"/></group><node pkg="pkg" exec="e">'
        '<param name="x" value="$(env WT_A none)"/></node>',
        [{"parameters": {"x": "none"}}],
    ),
    "a variable with an empty value": (
        '<set_env name="WT_A" value=""/><node pkg="pkg" exec="e"/>',
        [{"variables": {"WT_A": ""}}],
    ),
    "a variable named by a substitution": (
        '<let name="n" value="WT_B"/><set_env name="$(var n)" value="v"/>'
        '<node pkg="pkg" exec="e"/>',
        [{"variables": {"WT_B": "v"}}],
    ),
    "env has one default": (
        '<node pkg="pkg" exec="e"><param name="x" value="$(env WT_NONE d)"/></node>',
        [{"parameters": {"x": "d"}}],
    ),
    "env has no two defaults": (
        '<node pkg="pkg" exec="e"><param name="x" value="$(env WT_NONE a b)"/></node>',
        REFUSED,
    ),
    "env without a default": (
        '<node pkg="pkg" exec="e"><param name="x" value="$(env WT_NONE)"/></node>',
        REFUSED,
    ),
    # conditions
    "if true": (
        '<node pkg="pkg" exec="e" if="true"/>',
        [{}],
    ),
    "if false": (
        '<node pkg="pkg" exec="e" if="false"/><node pkg="pkg" exec="e"/>',
        [{}],
    ),
    "if 1": (
        '<node pkg="pkg" exec="e" if="1"/>',
        [{}],
    ),
    "if True with spaces": (
        '<node pkg="pkg" exec="e" if=" True "/>',
        [{}],
    ),
    "if yes": (
        '<node pkg="pkg" exec="e" if="yes"/>',
        REFUSED,
    ),
    "unless false": (
        '<node pkg="pkg" exec="e" unless="false"/>',
        [{}],
    ),
    "if with unless": (
        '<node pkg="pkg" exec="e" if="true" unless="false"/>',
        REFUSED,
    ),
    "a group on a condition": (
        '<group if="false"><node pkg="pkg" exec="e"/></group><group unless="false">'
        '<node pkg="pkg" exec="e"><param name="x" value="in"/></node></group>',
        [{"parameters": {"x": "in"}}],
    ),
    "a namespace on a condition": (
        '<push-ros-namespace namespace="a" if="false"/><node pkg="pkg" exec="e"/>',
        [{}],
    ),
    "a variable on a condition": (
        '<set_env name="WT_A" value="1" if="false"/><set_env name="WT_B" value="1" if="true"/>'
        '<node pkg="pkg" exec="e"/>',
        [{"variables": {"WT_B": "1"}}],
    ),
    "let on a condition": (
        '<let name="n" value="1"/><let name="n" value="2" if="false"/><node pkg="pkg" exec="e">'
        '<param name="x" value="v$(var n)"/></node>',
        [{"parameters": {"x": "v1"}}],
    ),
    "an argument on a condition": (
        '<arg name="n" default="1" if="false"/><node pkg="pkg" exec="e"/>',
        [{}],
    ),
    "a remap on a condition": (
        '<set_remap from="a" to="b" if="false"/><set_remap from="c" to="d" if="true"/>'
        '<node pkg="pkg" exec="e"/>',
        [{"remaps": ["c:=d"]}],
    ),
    "a parameter on a condition": (
        '<node pkg="pkg" exec="e"><param name="x" value="1" if="true"/></node>',
        REFUSED,
    ),
    "a node's remap on a condition": (
        '<node pkg="pkg" exec="e"><remap from="a" to="b" if="true"/></node>',
        REFUSED,
    ),
    # parameters
    "a number": (
        '<node pkg="pkg" exec="e"><param name="x" value="1"/></node>',
        [{"parameters": {"x": 1}}],
    ),
    "a fraction": (
        '<node pkg="pkg" exec="e"><param name="x" value="0.5"/></node>',
        [{"parameters": {"x": 0.5}}],
    ),
    "a truth": (
        '<node pkg="pkg" exec="e"><param name="x" value="true"/></node>',
        [{"parameters": {"x": True}}],
    ),
    "a text": (
        '<node pkg="pkg" exec="e"><param name="x" value="word"/></node>',
        [{"parameters": {"x": "word"}}],
    ),
    "an empty text": (
        '<node pkg="pkg" exec="e"><param name="x" value=""/></node>',
        [{"parameters": {"x": ""}}],
    ),
    "a text by its type": (
        '<node pkg="pkg" exec="e"><param name="x" value="1" type="str"/></node>',
        [{"parameters": {"x": "1"}}],
    ),
    "an empty text by its type": (
        '<node pkg="pkg" exec="e"><param name="x" value="" type="str"/></node>',
        [{"parameters": {"x": ""}}],
    ),
    "the later parameter wins": (
        '<node pkg="pkg" exec="e"><param name="x" value="1"/><param name="x" value="2"/></node>',
        [{"parameters": {"x": 2}}],
    ),
    "a parameter without a value": (
        '<node pkg="pkg" exec="e"><param name="x"/></node>',
        REFUSED,
    ),
    # remaps
    "a node's remaps": (
        '<node pkg="pkg" exec="e"><remap from="a" to="b"/><remap from="c" to="/d"/></node>',
        [{"remaps": ["a:=b", "c:=/d"]}],
    ),
    "set_remap comes first": (
        '<set_remap from="a" to="b"/><node pkg="pkg" exec="e"><remap from="c" to="d"/></node>',
        [{"remaps": ["a:=b", "c:=d"]}],
    ),
    "set_remap holds in the group": (
        '<group><set_remap from="a" to="b"/><node pkg="pkg" exec="e"/><group>'
        '<node pkg="pkg" exec="e"/></group></group><node pkg="pkg" exec="e"/>',
        [{"remaps": ["a:=b"]}, {"remaps": ["a:=b"]}, {}],
    ),
    # substitutions
    "equals": (
        '<node pkg="pkg" exec="e"><param name="x" value="$(equals a a)"/></node>',
        [{"parameters": {"x": True}}],
    ),
    "not equal": (
        '<node pkg="pkg" exec="e"><param name="x" value="$(equals a b)"/></node>',
        [{"parameters": {"x": False}}],
    ),
    "or": (
        '<node pkg="pkg" exec="e"><param name="x" value="$(or $(equals a b) $(equals c c))"/>'
        "</node>",
        [{"parameters": {"x": True}}],
    ),
    "or of no truths": (
        '<node pkg="pkg" exec="e"><param name="x" value="$(or maybe no)"/></node>',
        REFUSED,
    ),
    "or of False and 1": (
        '<node pkg="pkg" exec="e"><param name="x" value="$(or False 1)"/></node>',
        [{"parameters": {"x": True}}],
    ),
    "equals of three": (
        '<node pkg="pkg" exec="e"><param name="x" value="$(equals a b c)"/></node>',
        REFUSED,
    ),
    "a substitution inside a text": (
        '<let name="n" value="v"/><node pkg="pkg" exec="e">'
        '<param name="x" value="a$(var n)b$(var n)"/></node>',
        [{"parameters": {"x": "avbv"}}],
    ),
    "an unknown substitution": (
        '<node pkg="pkg" exec="e"><param name="x" value="$(anonymous x)"/></node>',
        REFUSED,
    ),
    "a substitution within var": (
        '<let name="v" value="1"/><let name="n" value="v"/><node pkg="pkg" exec="e">'
        '<param name="x" value="w$(var $(var n))"/></node>',
        [{"parameters": {"x": "w1"}}],
    ),
    # includes
    "an include": (
        '<include file="$(dirname)/part.launch.xml"><arg name="n" value="inner"/></include>',
        [{"parameters": {"x": "inner"}}],
    ),
    "an include in a namespace": (
        '<group><push-ros-namespace namespace="a"/><include file="$(dirname)/part.launch.xml">'
        '<arg name="n" value="inner"/></include></group><node pkg="pkg" exec="e"/>',
        [{"ns": "/a", "parameters": {"x": "inner"}}, {}],
    ),
    "an include's argument stays behind it": (
        '<let name="n" value="outer"/><include file="$(dirname)/part.launch.xml">'
        '<arg name="n" value="inner"/></include><node pkg="pkg" exec="e">'
        '<param name="x" value="$(var n)"/></node>',
        [{"parameters": {"x": "inner"}}, {"parameters": {"x": "inner"}}],
    ),
    "an include's argument in a group goes with it": (
        '<let name="n" value="outer"/><group><include file="$(dirname)/part.launch.xml">'
        '<arg name="n" value="inner"/></include></group><node pkg="pkg" exec="e">'
        '<param name="x" value="$(var n)"/></node>',
        [{"parameters": {"x": "inner"}}, {"parameters": {"x": "outer"}}],
    ),
    "what an include sets stays behind it": (
        '<include file="$(dirname)/sets.launch.xml"/><node pkg="pkg" exec="e"/>',
        [{"ns": "/p", "remaps": ["a:=b"], "variables": {"WT_A": "1"}}],
    ),
    "an include on a condition": (
        '<include file="$(dirname)/part.launch.xml" if="false"><arg name="n" value="inner"/>'
        '</include><node pkg="pkg" exec="e"/>',
        [{}],
    ),
    "an include of what is not there": (
        '<include file="$(dirname)/gone.launch.xml"/>',
        REFUSED,
    ),
    "an include's argument on a condition": (
        '<include file="$(dirname)/part.launch.xml"><arg name="n" value="inner" if="true"/>'
        "</include>",
        REFUSED,
    ),
    # nodes and the rest
    "output screen": (
        '<node pkg="pkg" exec="e" output="screen"/>',
        [{}],
    ),
    "output both": (
        '<node pkg="pkg" exec="e" output="both"/>',
        [{}],
    ),
    "output own_log": (
        '<node pkg="pkg" exec="e" output="own_log"/>',
        [{}],
    ),
    "output full": (
        '<node pkg="pkg" exec="e" output="full"/>',
        [{}],
    ),
    "output log": (
        '<node pkg="pkg" exec="e" output="log"/>',
        [{}],
    ),
    "a wrong output": (
        '<node pkg="pkg" exec="e" output="sreen"/>',
        REFUSED,
    ),
    "on_exit shutdown": (
        '<node pkg="pkg" exec="e" on_exit="shutdown"/>',
        [{}],
    ),
    "a node without its program": (
        '<node pkg="pkg"/>',
        REFUSED,
    ),
    "an unknown attribute": (
        '<node pkg="pkg" exec="e" colour="red"/>',
        REFUSED,
    ),
    "an unknown element": (
        '<nod pkg="pkg" exec="e"/>',
        REFUSED,
    ),
    "an unknown element in a node": (
        '<node pkg="pkg" exec="e"><parm name="x" value="1"/></node>',
        REFUSED,
    ),
    "nothing": (
        "",
        [],
    ),
    "a comment": (
        '<!-- word --><node pkg="pkg" exec="e"/>',
        [{}],
    ),
    "a text between elements": (
        'word<node pkg="pkg" exec="e"/>',
        [{}],
    ),
    "two nodes": (
        '<node pkg="pkg" exec="e" name="a"/><node pkg="pkg" exec="e" name="b"/>',
        [{"name": "a"}, {"name": "b"}],
    ),
}
BESIDE = {  # files that lie beside it
    "part": '<arg name="n"/><node pkg="pkg" exec="e"><param name="x" value="$(var n)"/></node>',
    "sets": '<set_env name="WT_A" value="1"/><push-ros-namespace namespace="p"/><set_remap from="a" to="b"/>',
}


def written(folder: Path, body: str) -> Path:
    for name, text in {"file": body, **BESIDE}.items():
        (folder / f"{name}.launch.xml").write_text(f"<launch>{text}</launch>")
    return folder / "file.launch.xml"


def compact(processes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what is empty, and the order, in which upstream's processes begin as they like."""
    short = [
        {key: value for key, value in one.items() if value not in (None, [], {}, "/")}
        for one in processes
    ]

    return sorted(short, key=lambda one: json.dumps(one, sort_keys=True))


def as_told(node: NodeSpec) -> dict[str, Any]:
    return told(node.arguments(), dict(node.environment), {})


@pytest.mark.parametrize("name", CASES)
def test_our_reader_says_what_ros2_launch_does(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body, outcome = CASES[name]
    monkeypatch.delenv("WT_NONE", raising=False)
    file = written(tmp_path, body)

    if outcome is REFUSED:
        with pytest.raises(ConfigError):
            read_launch_file(file, {}, lambda _: tmp_path)
    else:
        nodes = read_launch_file(file, {}, lambda _: tmp_path).nodes
        assert compact([as_told(node) for node in nodes]) == outcome


@pytest.mark.slow
@pytest.mark.skipif(find_spec("launch_ros") is None, reason="no ROS 2 launch here: PyPI has none")
@pytest.mark.parametrize("name", CASES)
def test_ros2_launch_does_what_the_table_says(name: str, tmp_path: Path) -> None:
    body, outcome = CASES[name]
    words = [
        sys.executable,
        "-m",
        "fixtures.upstream_launch",
        str(written(tmp_path, body)),
        str(tmp_path / "prefix"),
    ]
    done = subprocess.run(
        words,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=True,
    )
    processes = json.loads(done.stdout.splitlines()[-1])
    assert (processes if processes is None else compact(processes)) == outcome


def test_the_table_has_refusals_enough() -> None:
    assert sum(outcome is REFUSED for _, outcome in CASES.values()) > 20
