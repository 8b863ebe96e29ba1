"""`wayfarer stop` and `wayfarer ack`: an operator's commands to control, from any terminal."""

import time
from typing import Any

import rclpy
from rclpy.client import Client
from rclpy.node import Node
from std_srvs.srv import Trigger
from wayfarer_common.ros import start_ros
from wayfarer_common.surroundings import namespace_of
from wayfarer_core import names
from wayfarer_core.errors import ConfigError, DeviceError

_POLL = 0.05  # s


def stop(namespace: str, timeout: float) -> str:
    """Let the arm hold; return control's confirmation.

    Raises DeviceError if none came in time.
    """
    advice = "use the robot's own stop button"
    return _say(names.HOLD, namespace, timeout, advice)


def acknowledge(namespace: str, timeout: float) -> str:
    """Let control take actions again; return its confirmation.

    Raises DeviceError if none came in time.
    """
    return _say(names.RELEASE, namespace, timeout, "is the launch running, in this ROS_DOMAIN_ID?")


def _say(service: str, namespace: str, timeout: float, advice: str) -> str:
    deadline = time.monotonic() + timeout
    try:
        name = f"{namespace_of(namespace)}/{service}"
        start_ros()
    except ConfigError as error:
        raise ConfigError(f"{error}: {advice}") from error

    node = Node("operator")
    try:
        client: Client[Any, Any] = node.create_client(Trigger, name)
        if not client.wait_for_service(timeout_sec=timeout):
            raise DeviceError(f"nobody offers {name} within {timeout:g} s: {advice}")

        future = client.call_async(Trigger.Request())
        while not future.done() and time.monotonic() < deadline:
            rclpy.spin_once(node, timeout_sec=_POLL)

        response = future.result() if future.done() else None
    finally:
        node.destroy_node()
        rclpy.try_shutdown()

    if response is None:
        raise DeviceError(f"{name} did not confirm within {timeout:g} s: {advice}")
    if not response.success:
        raise DeviceError(f"{name} refused: {response.message}: {advice}")

    return str(response.message)
