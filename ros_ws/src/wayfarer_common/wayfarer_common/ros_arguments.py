"""Prepares ROS's arguments so that texts in them arrive unchanged. Pure.

ROS reads a parameter's value as YAML, on the command line and in files. A text that looks like
another type (1e3, yes, `a: b`) must be quoted, and of `pick #2` only `pick` would be
left.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from wayfarer_core.errors import ConfigError

# names of the files into which ros2 launch writes a launch file's <param>
_MADE_BY_LAUNCH = "launch_params_"


class _Quoting(yaml.SafeDumper):
    """Writes every text in quotes."""


def _quoted_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')


_Quoting.add_representer(str, _quoted_text)


def quoted(name: str, value: str) -> str:
    """Return YAML for exactly this text.

    Raises ConfigError for bytes that are not UTF-8, which ROS cannot handle.
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{name} is {value!r}: what it holds is no UTF-8, which all text in ROS is"
        ) from error

    return _dump(value).rstrip("\n")


def literal(arguments: Sequence[str]) -> list[str]:
    """Return a process's arguments with all texts quoted.

    Raises ConfigError for a value on the command line of which ROS would read only a part or
    nothing, and for a parameter that is given twice with different types.
    """
    found, for_ros = list(arguments), False
    given: dict[tuple[str, str], _Given] = {}
    node = next(
        (word.removeprefix("__node:=") for word in arguments if word.startswith("__node:=")), ""
    )

    for index, word in enumerate(found[:-1]):
        following = found[index + 1]
        if word in ("--ros-args", "--"):
            for_ros = word == "--ros-args"
        elif for_ros and word in ("-p", "--param"):
            _refuse_half_read(following)
            _take(given, _in_rule(following), f"-p {following}")
        elif for_ros and word == "--params-file":
            _take(given, _in_file(Path(following), node), following)
            if Path(following).name.startswith(_MADE_BY_LAUNCH):
                found[index + 1] = _rewritten(Path(following))

    return found


# --- parameters that are given twice ---


@dataclass(frozen=True)
class _Given:
    """The last value of a parameter."""

    kind: str
    text: str
    where: str


def _take(
    given: dict[tuple[str, str], _Given], values: Iterable[tuple[str, str, yaml.Node]], where: str
) -> None:
    """Note values (section, name, value); refuse a value whose type differs from an earlier one's.

    Jazzy's rcl keeps both and uses the one whose type comes first in its list: `max_speed:
    fast` in your own file would leave the 0.45 of the earlier file in force.
    """
    for section, name, value in values:
        now = _Given(_kind(value), _text(value), where)
        before = given.setdefault((section, name), now)
        if now.kind != before.kind:
            raise ConfigError(
                f"{name} of {section} is {now.text} ({now.kind}) in {now.where}, but "
                f"{before.text} ({before.kind}) in {before.where}: write both as one type, for "
                "ROS would not take the later one"
            )

        given[section, name] = now


def _in_rule(rule: str) -> Iterator[tuple[str, str, yaml.Node]]:
    name, separator, value = rule.partition(":=")
    node = _composed(value) if separator else None
    if node is not None:
        yield "/**", name, node


def _in_file(file: Path, node: str) -> Iterator[tuple[str, str, yaml.Node]]:
    """Yield a file's values for a node of this name, or all values if the name is unknown."""
    try:
        root = _composed(file.read_text())
    except (OSError, UnicodeDecodeError):  # ROS reports it
        return

    if isinstance(root, yaml.MappingNode):
        told = ("*", "**", node)
        yield from (
            one for one in _sections(root, "") if not node or one[0].rpartition("/")[2] in told
        )


def _sections(mapping: yaml.MappingNode, path: str) -> Iterator[tuple[str, str, yaml.Node]]:
    for key, value in mapping.value:
        if not isinstance(value, yaml.MappingNode):
            continue

        if key.value == "ros__parameters":
            yield from ((path, name, of) for name, of in _values(value, ""))
        else:
            yield from _sections(value, f"{path}/{key.value}" if path else key.value)


def _values(mapping: yaml.MappingNode, prefix: str) -> Iterator[tuple[str, yaml.Node]]:
    for key, value in mapping.value:
        name = f"{prefix}{key.value}"
        if isinstance(value, yaml.MappingNode):
            yield from _values(value, f"{name}.")
        else:
            yield name, value


def _composed(text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):  # ROS reports it
        return None


def _kind(node: yaml.Node) -> str:
    """Return the type that ROS gives a value, in words."""
    if isinstance(node, yaml.SequenceNode):
        return f"list of {_kind(node.value[0])}" if node.value else "empty list"

    tag: str = node.tag.rpartition(":")[2]
    if (
        isinstance(node, yaml.ScalarNode)
        and tag == "str"
        and node.style is None
        and _is_number(node.value)
    ):
        return "float"  # for PyYAML 1e3 is a text, for ROS a number

    return tag


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False

    return True


def _text(node: yaml.Node) -> str:
    return yaml.serialize(node, Dumper=yaml.SafeDumper).removesuffix("...\n").strip()


# --- texts ---


def _refuse_half_read(rule: str) -> None:
    name, separator, value = rule.partition(":=")
    if not separator:  # ROS reports it
        return

    node = _composed(value)
    plain = (
        isinstance(node, yaml.ScalarNode) and node.style is None and not value.startswith("!!str ")
    )
    if isinstance(node, yaml.ScalarNode | yaml.SequenceNode) and not (
        plain and node.value != value.strip()
    ):
        return

    read = f"only {node.value!r}" if plain and node is not None else "nothing"
    right = f"-p '{name}:={_dump(value).strip()}'"
    raise ConfigError(f"-p {rule}: of this YAML ROS takes {read}; a text is quoted, {right}")


def _rewritten(file: Path) -> str:
    """Return the path of the same parameters with every text quoted.

    The file is in memory and lives as long as this process.

    ros2 launch quotes texts that its own YAML library would misread. That library differs from
    ROS's: it leaves 1e3 and y unquoted.
    """
    try:
        content: Any = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError):  # ROS reports it
        return str(file)

    copy = os.memfd_create(file.name)
    os.write(copy, _dump(content).encode())

    return f"/proc/self/fd/{copy}"


def _dump(value: object) -> str:
    return yaml.dump(value, Dumper=_Quoting, default_flow_style=False, width=float("inf"))
