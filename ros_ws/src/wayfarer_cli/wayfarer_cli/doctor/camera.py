"""Listens for a while to the camera node's observations, and to the names of nodes."""

import time
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
import rclpy
from numpy.typing import NDArray
from rclpy.node import Node
from sensor_msgs.msg import Image
from wayfarer_common import contract
from wayfarer_common.conversions import image_to_array, to_nanoseconds
from wayfarer_common.ros import start_ros
from wayfarer_common.surroundings import namespace_of
from wayfarer_core.errors import DataError


@dataclass
class Heard:
    """The messages received."""

    stamps: list[float] = field(default_factory=list)  # s
    image: NDArray[np.uint8] | None = None  # (84, 84, 3), the last
    nodes: set[str] = field(default_factory=set)  # names, of all namespaces


def listen(namespace: str, seconds: float) -> Heard:
    """Return what the camera node published within some seconds of the first image, or of the start
    if no image came.
    """
    heard = Heard()

    def note(message: Image) -> None:
        heard.stamps.append(to_nanoseconds(message.header.stamp) * 1e-9)
        with suppress(DataError):  # a bad image; if no good one comes it counts as none
            heard.image = image_to_array(message)

    start_ros()
    node = Node("doctor", namespace=namespace_of(namespace))
    topic = contract.OBSERVATION_IMAGE
    node.create_subscription(topic.type, topic.name, note, topic.qos)

    # twice: the first image comes only after both nodes have discovered each other
    deadline = time.monotonic() + 2 * seconds

    try:
        while time.monotonic() < deadline:
            before = len(heard.stamps)
            rclpy.spin_once(node, timeout_sec=0.1)
            if before == 0 and heard.stamps:
                deadline = time.monotonic() + seconds

        heard.nodes = set(node.get_node_names())
    finally:
        node.destroy_node()
        rclpy.try_shutdown()

    return heard
