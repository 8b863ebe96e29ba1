"""A node's parameters as one frozen dataclass, declared with descriptions and ranges.

    @dataclass(frozen=True)
    class Params:
        max_speed: float = required(0.0, "highest speed one command may ask for [m/s]", 0.0, 1.0)
        control_period: float = param(0.5, "time between two actions [s]", 0.01, 10.0)

A required one, as a limit of the arm is, has no default that a misspelt section could fall back to.
A value that is missing, outside its range or of another type, or a key that nobody declared, ends
the node with a message.
"""

from dataclasses import fields
from typing import Any, TypeVar

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.exceptions import InvalidParameterTypeException, InvalidParameterValueException
from rclpy.node import Node
from wayfarer_core.errors import ConfigError
from wayfarer_core.parameter import About, missing, without
from wayfarer_core.parameter import param as param  # nodes take all three from here
from wayfarer_core.parameter import required as required

P = TypeVar("P")

_OF_ROS_ITSELF = ("use_sim_time", "start_type_description_service", "qos_overrides.")


def declare(node: Node, parameters: type[P]) -> P:
    """Declare every field of `parameters` on the node and return them with the values the node was given.

    Raises ConfigError, naming node, key and what would be right.
    """
    # rclpy has no public way to list what was given but never declared
    given = node._parameter_overrides
    known = {f.name for f in fields(parameters)}  # type: ignore[arg-type]
    for key in given:
        if key not in known and not key.startswith(_OF_ROS_ITSELF):
            raise ConfigError(
                f"node {node.get_name()}: unknown parameter {key!r}; known are {', '.join(sorted(known))}"
            )
    if lacking := missing(parameters, given):
        raise ConfigError(without(node.get_name(), lacking))
    return parameters(**{f.name: _declare_one(node, f) for f in fields(parameters)})  # type: ignore[arg-type]


def _declare_one(node: Node, f: Any) -> Any:
    about: About = f.metadata["about"]
    like = list(about.like) if isinstance(about.like, tuple) else about.like
    try:
        value = node.declare_parameter(f.name, like, _descriptor(about, like)).value
    except InvalidParameterTypeException as error:
        raise ConfigError(f"node {node.get_name()}: {error}; {f.name} is: {about.text}") from error
    except InvalidParameterValueException as error:
        raise ConfigError(
            f"node {node.get_name()}: {f.name}: {error}; it is: {about.text}"
        ) from error
    if value is None:  # an empty list has no type, and ROS takes it for no value
        raise ConfigError(
            f"node {node.get_name()}: {f.name} was given no value; it is: {about.text}"
        )
    values = value if isinstance(value, list) else [value]
    if (
        about.low is not None
        and about.high is not None
        and not all(about.low <= v <= about.high for v in values)
    ):
        raise ConfigError(
            f"node {node.get_name()}: {f.name} = {value} is outside [{about.low}, {about.high}]; it is: {about.text}"
        )
    if isinstance(like, list) and len(value) != len(like):
        raise ConfigError(
            f"node {node.get_name()}: {f.name} needs {len(like)} numbers, got {value}"
        )
    if about.choices and value not in about.choices:
        raise ConfigError(
            f"node {node.get_name()}: {f.name} = {value!r} is not one of {', '.join(about.choices)}"
        )
    return tuple(value) if isinstance(about.like, tuple) else value


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
