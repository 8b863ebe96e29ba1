"""The least that a node of ours could do: answer an action by a pose, at once.

`control.py` runs it as its baseline.
"""

from contextlib import suppress

import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.executors import ExternalShutdownException
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from wayfarer_common import qos
from wayfarer_msgs.msg import Action

ASKED, ANSWERED = "bench/action", "bench/target_pose"


def main() -> None:
    """Answer until killed."""
    rclpy.init()
    node = Node("echo")
    answers = node.create_publisher(PoseStamped, ANSWERED, qos.STEP)
    node.create_subscription(
        Action, ASKED, lambda action: answers.publish(PoseStamped(header=action.header)), qos.STEP
    )
    executor = EventsExecutor()
    executor.add_node(node)

    with suppress(ExternalShutdownException):
        while rclpy.ok():
            executor.spin_once(timeout_sec=1.0)


if __name__ == "__main__":
    main()
