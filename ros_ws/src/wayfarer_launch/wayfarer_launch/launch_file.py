"""Reads the part of ROS 2's XML launch format that our launch files use, and refuses the rest by
name. Pure.

With ROS 2 installed, `ros2 launch` reads the same files; without it this module does.
What it accepts has the same meaning in `ros2 launch`: tests/unit/launch/test_launch_as_upstream.py
compares the two.
"""

import os
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import yaml
from wayfarer_common.ros_arguments import quoted
from wayfarer_common.surroundings import namespace_of
from wayfarer_core.errors import ConfigError

from wayfarer_launch.substitution import KNOWN, FindShare, UnknownSubstitutionError, substitute

# element -> required attributes, optional attributes
_ATTRIBUTES: dict[str, tuple[set[str], set[str]]] = {
    "arg": ({"name"}, {"default", "description"}),
    "let": ({"name", "value"}, set()),
    "set_env": ({"name", "value"}, set()),
    "push-ros-namespace": ({"namespace"}, set()),
    "push_ros_namespace": ({"namespace"}, set()),
    "group": (set(), set()),
    "include": ({"file"}, set()),
    "node": ({"pkg", "exec"}, {"name", "output", "on_exit"}),
    "remap": ({"from", "to"}, set()),
    "set_remap": ({"from", "to"}, set()),
}
_WITH_CHILDREN = ("arg", "group", "include", "node")
# `output` of a node; here all of them reach the screen
_OUTPUTS = ("screen", "log", "both", "own_log", "full")

Remaps = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class NodeSpec:
    """One process to start."""

    package: str
    executable: str
    name: str  # "": the node's own default
    namespace: str
    # in file order: ("from", path) or (name, value in YAML)
    parameters: tuple[tuple[str, str], ...]
    remaps: Remaps
    ends_run: bool  # on_exit="shutdown"
    # variables set for it, in addition to the launching process's
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def label(self) -> str:
        """Name of the node for messages."""
        return self.name or self.executable

    @property
    def full_name(self) -> str:
        """The node's name with its namespace.

        Without a name it is the executable's.
        """
        return f"{self.namespace.rstrip('/')}/{self.label}"

    def arguments(self) -> list[str]:
        """Return the ROS arguments of the process."""
        words = [
            "--ros-args",
            *(["-r", f"__node:={self.name}"] if self.name else []),
            "-r",
            f"__ns:={self.namespace}",
        ]
        for old, new in self.remaps:
            words += ["-r", f"{old}:={new}"]

        for key, value in self.parameters:
            words += ["--params-file", value] if key == "from" else ["-p", f"{key}:={value}"]

        return words


class Argument(NamedTuple):
    """A declared argument of a launch file."""

    description: str
    default: str | None  # None: it must be given
    choices: tuple[str, ...] = ()  # empty: any text


@dataclass
class Launch:
    """The nodes of a launch file."""

    nodes: list[NodeSpec] = field(default_factory=list)
    arguments: dict[str, str] = field(default_factory=dict)
    declared: dict[str, Argument] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)  # all files that were read

    @property
    def environment(self) -> dict[str, str]:
        """The variables set for any of the nodes, for a process that must hear them."""
        return {name: value for node in self.nodes for name, value in node.environment}


@dataclass
class _Scope:
    """State of a group, or of an included file and the file that includes it."""

    arguments: dict[str, str] = field(default_factory=dict)  # by `arg` and `let`
    environment: dict[str, str] = field(default_factory=dict)
    namespace: str = ""  # absolute; "" is the root
    remaps: Remaps = ()

    def of_group(self) -> "_Scope":
        return replace(self, arguments=dict(self.arguments), environment=dict(self.environment))


def read_launch_file(path: Path, given: Mapping[str, str], find_share: FindShare) -> Launch:
    """Return the nodes of a launch file for the given arguments.

    Raises ConfigError for an unknown element or attribute, an argument that the file does not
    declare, a required argument that is missing, and a parameter file whose sections fit no
    node.
    """
    launch = _Reader(path, given, find_share, _Scope(arguments=dict(given))).read()
    _check_parameter_files(launch)
    return launch


def declared_arguments(path: Path) -> dict[str, Argument]:
    """Return the arguments a launch file declares, by name."""
    try:
        # only its own, not those of included files
        elements = [e for e in ET.parse(path).getroot().iter("arg") if "value" not in e.attrib]
    except (OSError, ET.ParseError) as error:
        raise ConfigError(f"cannot read launch file {path}: {error}") from error

    return {e.attrib["name"]: _declared(e) for e in elements}


def _declared(element: ET.Element) -> Argument:
    choices = tuple(child.attrib.get("value", "") for child in element)
    return Argument(element.attrib.get("description", ""), element.attrib.get("default"), choices)


class _Reader:
    def __init__(
        self, path: Path, given: Mapping[str, str], find_share: FindShare, scope: _Scope
    ) -> None:
        self._path, self._given, self._find_share, self._scope = path, given, find_share, scope
        self.launch = Launch(files=[path])

    def read(self) -> Launch:
        try:
            root = ET.parse(self._path).getroot()
        except OSError as error:
            raise ConfigError(f"cannot read launch file {self._path}: {error.strerror}") from error
        except ET.ParseError as error:
            raise ConfigError(f"{self._path} is not XML: {error}") from error

        if root.tag != "launch":
            raise ConfigError(f"{self._path}: the root element must be <launch>, not <{root.tag}>")

        self._children(root)
        unknown = set(self._given) - set(self.launch.declared)
        if unknown:
            declared = ", ".join(sorted(self.launch.declared))
            raise ConfigError(
                f"{self._path.name} has no argument {', '.join(sorted(unknown))}; it has {declared}"
            )

        return self.launch

    def _children(self, parent: ET.Element) -> None:
        scope = self._scope
        for element in parent:
            if not self._wanted(element):
                continue

            self._check(element)
            if element.tag == "arg":
                self._argument(element)
            elif element.tag == "let":
                scope.arguments[self._text(element.attrib["name"])] = self._text(
                    element.attrib["value"]
                )
            elif element.tag == "set_env":
                scope.environment[self._text(element.attrib["name"])] = self._text(
                    element.attrib["value"]
                )
            elif element.tag in ("push-ros-namespace", "push_ros_namespace"):
                scope.namespace = _pushed(scope.namespace, self._text(element.attrib["namespace"]))
            elif element.tag == "set_remap":
                scope.remaps += (self._remap(element),)
            elif element.tag == "group":
                self._group(element)
            elif element.tag == "include":
                self._include(element)
            elif element.tag == "node":
                self.launch.nodes.append(self._node(element))
            else:
                raise self._unknown(
                    f"<{element.tag}>", ", ".join(tag for tag in _ATTRIBUTES if tag != "remap")
                )

    def _group(self, element: ET.Element) -> None:
        outer, self._scope = self._scope, self._scope.of_group()
        self._children(element)
        self._scope = outer

    def _check(self, element: ET.Element) -> None:
        """Refuse an element that lacks an attribute, has an unknown one, or holds unknown
        elements.
        """
        tag, attributes = element.tag, set(element.attrib)
        needed, others = _ATTRIBUTES.get(tag, (set(), attributes))
        if needed - attributes:
            raise ConfigError(
                f"{self._path.name}: <{tag}> lacks {', '.join(sorted(needed - attributes))}"
            )

        strange = attributes - needed - others
        if strange:
            raise self._unknown(
                f"{tag} attribute {', '.join(sorted(strange))}", ", ".join(sorted(needed | others))
            )
        if tag in _ATTRIBUTES and tag not in _WITH_CHILDREN and len(element):
            raise self._unknown(f"<{element[0].tag}> in <{tag}>", "no element there")

    def _wanted(self, element: ET.Element) -> bool:
        condition, unless = element.attrib.pop("if", None), element.attrib.pop("unless", None)
        if condition is not None and unless is not None:
            raise ConfigError(
                f"{self._path.name}: <{element.tag}> has both if and unless: choose one"
            )

        return (condition is None or self._truth(condition)) and (
            unless is None or not self._truth(unless)
        )

    def _truth(self, text: str) -> bool:
        value = self._text(text).strip().lower()
        if value not in ("true", "false", "1", "0"):
            raise ConfigError(
                f"{self._path.name}: condition {text!r} gives {value!r}, must be true or false"
            )

        return value in ("true", "1")

    def _argument(self, element: ET.Element) -> None:
        name, scope = element.attrib["name"], self._scope
        for child in element:
            if child.tag != "choice" or set(child.attrib) != {"value"}:
                raise self._unknown(f"<{child.tag}> in <arg>", "choice (value)")

        declared = self.launch.declared[name] = _declared(element)
        if name not in scope.arguments:
            if declared.default is None:
                about = declared.description or "no description"
                raise ConfigError(f"{self._path.name} needs {name}:=... ({about})")

            scope.arguments[name] = self._text(declared.default)

        value = self.launch.arguments[name] = scope.arguments[name]
        if declared.choices and value not in declared.choices:
            raise ConfigError(
                f"{self._path.name}: {name}:={value} is not one of {', '.join(declared.choices)}"
            )

    def _include(self, element: ET.Element) -> None:
        """Read another file in place.

        Every argument must be passed: ros2 launch would otherwise use ours of the same name.
        """
        path = Path(self._text(element.attrib["file"]))
        for child in element:
            if child.tag != "arg" or set(child.attrib) != {"name", "value"}:
                raise self._unknown(f"<{child.tag}> in <include>", "arg (name, value)")

        given = {child.attrib["name"]: self._text(child.attrib["value"]) for child in element}
        self._scope.arguments |= given
        included = _Reader(path, given, self._find_share, self._scope).read()
        lacking = set(included.declared) - set(given)
        if lacking:
            raise ConfigError(
                f"{self._path.name}: <include> of {path.name} must pass "
                f"{', '.join(sorted(lacking))}, too"
            )

        self.launch.nodes += included.nodes
        self.launch.files += included.files

    def _remap(self, element: ET.Element) -> tuple[str, str]:
        return self._text(element.attrib["from"]), self._text(element.attrib["to"])

    def _node(self, element: ET.Element) -> NodeSpec:
        self._check_node(element)
        parameters, remaps = [], self._scope.remaps
        for child in element:
            if child.tag == "param" and set(child.attrib) == {"from"}:
                parameters.append(("from", self._text(child.attrib["from"])))
            elif child.tag == "param" and set(child.attrib) - {"type"} == {"name", "value"}:
                parameters.append((child.attrib["name"], self._value(child)))
            elif child.tag == "remap":
                self._check(child)
                remaps += (self._remap(child),)
            else:
                raise self._unknown(
                    f"<{child.tag}> in a node", "param (from, or name, value and type), remap"
                )

        return NodeSpec(
            package=self._text(element.attrib["pkg"]),
            executable=self._text(element.attrib["exec"]),
            name=self._text(element.attrib.get("name", "")),
            namespace=self._scope.namespace or "/",
            parameters=tuple(parameters),
            remaps=remaps,
            ends_run=element.attrib.get("on_exit") == "shutdown",
            environment=tuple(self._scope.environment.items()),
        )

    def _check_node(self, element: ET.Element) -> None:
        on_exit, output = (
            element.attrib.get("on_exit", "shutdown"),
            self._text(element.attrib.get("output", "log")),
        )
        if on_exit != "shutdown":
            raise self._unknown(f'on_exit="{on_exit}"', 'on_exit="shutdown"')
        if output not in _OUTPUTS:
            raise ConfigError(
                f"{self._path.name}: output={output!r} is not one of {', '.join(_OUTPUTS)}"
            )

        for child in element:
            if {"if", "unless"} & set(child.attrib):
                raise self._unknown(
                    f"a condition of a <{child.tag}>", "conditions of nodes and groups"
                )

    def _value(self, param: ET.Element) -> str:
        """Return a parameter's value in YAML, as ROS reads it.

        Without a type it is unchanged; with one it is quoted as a text.
        """
        kind, value = param.attrib.get("type"), self._text(param.attrib["value"])
        if kind not in (None, "str"):
            raise self._unknown(
                f'<param type="{kind}">', 'type="str", or none for what the value is in YAML'
            )

        return value if kind is None and value else quoted(param.attrib["name"], value)

    def _text(self, text: str) -> str:
        try:
            environment = os.environ | self._scope.environment
            return substitute(
                text, self._scope.arguments, environment, self._path.parent, self._find_share
            )
        except UnknownSubstitutionError as error:
            raise self._unknown(str(error), KNOWN) from error

    def _unknown(self, what: str, known: str) -> ConfigError:
        return ConfigError(
            f"{self._path.name}: wayfarer launch does not know {what}; it knows {known}. `ros2 "
            "launch` may know more"
        )


def _pushed(namespace: str, further: str) -> str:
    """Return a namespace within another; one that begins with / replaces it."""
    return namespace_of(further) if further.startswith("/") else namespace + namespace_of(further)


def _check_parameter_files(launch: Launch) -> None:
    """Find misspelt node names in parameter files, which ROS itself ignores silently.

    A file may serve several launch files, for example those of two machines, so the nodes of
    all launch files in the same folder count. If a node has its own default name, no section can be
    called misspelt.
    """
    files = {value for node in launch.nodes for key, value in node.parameters if key == "from"}
    all_named = all(node.name for node in launch.nodes)
    for file in files:
        try:
            content = yaml.safe_load(Path(file).read_text()) or {}
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(f"cannot read parameter file {file}: {error}") from error

        if not isinstance(content, dict):
            raise ConfigError(f"parameter file {file} must map node names to ros__parameters")

        names = {node.name for node in launch.nodes} | _names_beside(launch.files) | {"**"}
        for section, body in content.items():
            if all_named and str(section).rsplit("/", 1)[-1] not in names:
                raise ConfigError(
                    f"{file}: section {section!r} fits no node; nodes are "
                    f"{', '.join(sorted(names))}"
                )
            if not isinstance(body, dict) or set(body) != {"ros__parameters"}:
                raise ConfigError(f"{file}: section {section!r} must hold exactly ros__parameters")


def _names_beside(files: list[Path]) -> set[str]:
    """Return the names of the nodes in all launch files beside these files."""
    names = set()
    for file in {other for path in files for other in path.parent.glob("*.launch.xml")}:
        try:
            nodes = ET.parse(file).getroot().iter("node")
        except (OSError, ET.ParseError):  # another file, which nobody asked for
            continue

        names |= {node.attrib.get("name", node.attrib.get("exec", "")) for node in nodes}

    return names
