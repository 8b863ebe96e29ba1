"""Begins ROS in a process, and says in one line why it cannot."""

import sys
from collections.abc import Sequence

import rclpy
from rclpy.signals import SignalHandlerOptions
from wayfarer_core.errors import ConfigError

from wayfarer_common import surroundings
from wayfarer_common.ros_arguments import literal


def start_ros(arguments: Sequence[str] | None = None) -> None:
    """Start ROS with these arguments, by default the process's own, and its environment.

    Its signals stay the caller's.

    Raises ConfigError for whatever ROS does not start with, or would take another text from than is
    meant.
    """
    surroundings.settle()
    words = literal(sys.argv if arguments is None else arguments)
    try:
        rclpy.init(args=words, signal_handler_options=SignalHandlerOptions.NO)
    # rclpy keeps its RCLError, and those of wrong arguments, to itself
    except RuntimeError as error:
        rclpy.try_shutdown()
        raise ConfigError(f"ROS does not start: {_reason(error)}") from error


def _reason(error: RuntimeError) -> str:
    """Return what rcl says, without where in its sources it says so."""
    words = str(error).split(", at /")[0]
    return words.removeprefix("failed to initialize rcl: ")
