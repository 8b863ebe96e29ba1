"""The arguments ROS is started with, so that every text in them arrives as it was meant. Pure.

ROS reads a parameter's value as YAML, on the command line and in files. A text that looks like
something else, 1e3 or yes or `a: b`, must be quoted to be one; and of `pick #2` only `pick` would
be left.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from wayfarer_core.errors import ConfigError

# how ros2 launch names the files it writes a launch file's <param> into
_MADE_BY_LAUNCH = "launch_params_"


class _Quoting(yaml.SafeDumper):
    """Writes every text in quotes."""


def _quoted_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')


_Quoting.add_representer(str, _quoted_text)


def quoted(name: str, value: str) -> str:
    """Return a text as YAML that means this very text.

    Raises ConfigError for bytes that are no UTF-8: ROS has none.
    """
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(
            f"{name} is {value!r}: what it holds is no UTF-8, which all text in ROS is"
        ) from error

    return _dump(value).rstrip("\n")


def literal(arguments: Sequence[str]) -> list[str]:
    """Return a process's arguments with all texts in them safe from being read as something else.

    Raises ConfigError for a value on the command line of which ROS would take a part only, or
    nothing, and for a parameter that is given twice, in two types.
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


# --- one type for what is given twice ---


@dataclass(frozen=True)
class _Given:
    """A parameter's value where it was given last."""

    kind: str
    text: str
    where: str


def _take(
    given: dict[tuple[str, str], _Given], values: Iterable[tuple[str, str, yaml.Node]], where: str
) -> None:
    """Note values (section, name, value); refuse one of another type than an earlier one has.

    Jazzy's rcl keeps both, and hands on the one that comes first in its list of types: `max_speed:
    fast` in one's own file would leave the 0.45 of the file before it in force.
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
    """Yield what a file says to a node of this name, or to all where the name is not known."""
    try:
        root = _composed(file.read_text())
    except (OSError, UnicodeDecodeError):  # ROS says what is wrong with it
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
    except (yaml.YAMLError, RecursionError):  # ROS says what is wrong with it
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
        return "float"  # 1e3 is a text to PyYAML, and a number to ROS

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
    if not separator:  # ROS says what is wrong with it
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

    They live in memory as long as this process.

    ros2 launch quotes what its own YAML library would misread, and that differs from ROS's: not
    1e3, not y.
    """
    try:
        content: Any = yaml.safe_load(file.read_text())
    except (OSError, yaml.YAMLError):  # ROS says what is wrong with it
        return str(file)

    copy = os.memfd_create(file.name)
    os.write(copy, _dump(content).encode())

    return f"/proc/self/fd/{copy}"


def _dump(value: object) -> str:
    return yaml.dump(value, Dumper=_Quoting, default_flow_style=False, width=float("inf"))
