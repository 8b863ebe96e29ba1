"""Starts ROS in a process; if it cannot start, the error has one line."""

import sys
from collections.abc import Sequence

import rclpy
from rclpy.signals import SignalHandlerOptions
from wayfarer_core.errors import ConfigError

from wayfarer_common import surroundings
from wayfarer_common.ros_arguments import literal


def start_ros(arguments: Sequence[str] | None = None) -> None:
    """Start ROS with these arguments (default: the process's own) and this environment.

    The caller's signal handlers stay.

    Raises ConfigError if ROS does not start, or would read a text in the arguments
    differently.
    """
    surroundings.settle()
    words = literal(sys.argv if arguments is None else arguments)
    try:
        rclpy.init(args=words, signal_handler_options=SignalHandlerOptions.NO)
    # RCLError and rclpy's errors about arguments are not public
    except RuntimeError as error:
        rclpy.try_shutdown()
        raise ConfigError(f"ROS does not start: {_reason(error)}") from error


def _reason(error: RuntimeError) -> str:
    """Return rcl's message without its source location."""
    words = str(error).split(", at /")[0]
    return words.removeprefix("failed to initialize rcl: ")
