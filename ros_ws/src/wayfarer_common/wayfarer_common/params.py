"""A node's parameters as one frozen dataclass, declared with descriptions and ranges.

    @dataclass(frozen=True)
    class Params:
        max_speed: float = required(0.0, "highest speed one command may ask for [m/s]", 0.0, 1.0)
        control_period: float = param(0.5, "time between two actions [s]", 0.01, 10.0)

A required parameter, such as a limit of the arm, has no default: a misspelt section is an error.
A value that is missing, out of range or of another type, or an undeclared key, ends
the node with a message. `wayfarer_core.parameter` checks them.
"""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.node import Node
from wayfarer_core.parameter import About, checked

P = TypeVar("P")

_OF_ROS_ITSELF = ("use_sim_time", "start_type_description_service", "qos_overrides.")


def declare(node: Node, parameters: type[P]) -> P:
    """Declare every field of `parameters` on the node; return them with the node's values.

    Raises ConfigError, naming node, key and what would be right.
    """
    # rclpy has no public list of parameters that were given but not declared
    overrides = node._parameter_overrides
    given = {
        key: _plain(of.value) for key, of in overrides.items() if not key.startswith(_OF_ROS_ITSELF)
    }
    values = checked(parameters, node.get_name(), given)

    for f in fields(parameters):  # type: ignore[arg-type]
        about: About = f.metadata["about"]
        like = list(about.like) if isinstance(about.like, tuple) else about.like
        node.declare_parameter(f.name, like, _descriptor(about, like))

    return values


def _plain(value: Any) -> Any:
    """Return a value as in YAML: arrays of rclpy become lists."""
    return (
        list(value) if isinstance(value, Sequence) and not isinstance(value, str | bytes) else value
    )


def _descriptor(about: About, like: Any) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=about.text, read_only=True)
    if about.choices:
        descriptor.additional_constraints = "one of " + ", ".join(about.choices)

    if about.low is None or about.high is None:
        return descriptor

    if isinstance(like, float):
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=float(about.low), to_value=float(about.high))
        ]
    elif isinstance(like, int):
        descriptor.integer_range = [
            IntegerRange(from_value=int(about.low), to_value=int(about.high), step=1)
        ]

    return descriptor
