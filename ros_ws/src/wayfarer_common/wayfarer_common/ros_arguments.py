"""The arguments ROS is started with, so that every text in them arrives as it was meant. Pure.

ROS reads a parameter's value as YAML, on the command line and in files. A text that looks like something else, 1e3 or
yes or `a: b`, must be quoted to be one; and of `pick #2` only `pick` would be left.
"""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from wayfarer_core.errors import ConfigError

_MADE_BY_LAUNCH = "launch_params_"  # how ros2 launch names the files it writes a launch file's <param> into


class _Quoting(yaml.SafeDumper):
    """Writes every text in quotes."""


def _quoted_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"')


_Quoting.add_representer(str, _quoted_text)


def quoted(name: str, value: str) -> str:
    """Return a text as YAML that means this very text. Raises ConfigError for bytes that are no UTF-8: ROS has none."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise ConfigError(f"{name} is {value!r}: what it holds is no UTF-8, which all text in ROS is") from error
    return _dump(value).rstrip("\n")


def literal(arguments: Sequence[str]) -> list[str]:
    """Return a process's arguments with all texts in them safe from being read as something else.

    Raises ConfigError for a value on the command line of which ROS would take a part only, or nothing.
    """
    found, for_ros = list(arguments), False
    for index, word in enumerate(found[:-1]):
        following = found[index + 1]
        if word in ("--ros-args", "--"):
            for_ros = word == "--ros-args"
        elif for_ros and word in ("-p", "--param"):
            _refuse_half_read(following)
        elif for_ros and word == "--params-file" and Path(following).name.startswith(_MADE_BY_LAUNCH):
            found[index + 1] = _rewritten(Path(following))
    return found


def _refuse_half_read(rule: str) -> None:
    name, separator, value = rule.partition(":=")
    if not separator:  # ROS says what is wrong with it
        return
    try:
        node = yaml.compose(value, yaml.SafeLoader)
    except yaml.YAMLError:
        node = None
    plain = isinstance(node, yaml.ScalarNode) and node.style is None and not value.startswith("!!str ")
    if isinstance(node, yaml.ScalarNode | yaml.SequenceNode) and not (plain and node.value != value.strip()):
        return
    read = f"only {node.value!r}" if plain and node is not None else "nothing"
    right = f"-p '{name}:={_dump(value).strip()}'"
    raise ConfigError(f"-p {rule}: of this YAML ROS takes {read}; a text is quoted, {right}")


def _rewritten(file: Path) -> str:
    """Return the path of the same parameters with every text quoted; they live in memory as long as this process.

    ros2 launch quotes what its own YAML library would misread, and that differs from ROS's: not 1e3, not y.
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
