"""Reads the parameters of every node of the run through ROS's parameter services.

So a run records the parameters that were really used.
"""

from typing import Any

import yaml
from rcl_interfaces.msg import ParameterValue
from rclpy.node import Node
from rclpy.parameter import parameter_value_to_python
from rclpy.parameter_client import AsyncParameterClient

from wayfarer_collector.waiting import Waiter

_NOT_OURS = ("qos_overrides.", "start_type_description_service")


def read_configuration(node: Node, others: list[str], waiter: Waiter, timeout: float) -> str:
    """Return the parameters of this node and of `others` as YAML, node -> parameter ->
    value.
    """
    own = {
        name: parameter.value
        for name, parameter in node._parameters.items()
        if not name.startswith(_NOT_OURS)
    }
    configuration = {node.get_name(): _plain(own)}
    for other in others:
        configuration[other] = _plain(_read(node, other, waiter, timeout))

    return yaml.safe_dump(configuration, sort_keys=True)


def _read(node: Node, other: str, waiter: Waiter, timeout: float) -> dict[str, Any]:
    client = AsyncParameterClient(node, other)
    waiter.until(
        client.services_are_ready, timeout, lambda: f"node {other} offers no parameter services"
    )
    listed = waiter.result_of(
        client.list_parameters(), timeout, f"{other}/list_parameters"
    ).result.names
    keys = sorted(name for name in listed if not name.startswith(_NOT_OURS))
    values: list[ParameterValue] = waiter.result_of(
        client.get_parameters(keys), timeout, f"{other}/get_parameters"
    ).values

    return {key: parameter_value_to_python(value) for key, value in zip(keys, values, strict=True)}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Turn arrays into lists, for YAML."""
    return {k: v if isinstance(v, str | int | float | bool) else list(v) for k, v in values.items()}
