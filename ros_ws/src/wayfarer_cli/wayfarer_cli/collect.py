"""`wayfarer collect`: starts the nodes of a target and shows their progress."""

import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from wayfarer_bags.run_directory import RunWriter
from wayfarer_common import contract
from wayfarer_common.ros import start_ros
from wayfarer_core.errors import ConfigError, DeviceError
from wayfarer_core.options import KEYBOARD, NO_DEVICE
from wayfarer_in_process.progress import CollectionProgress, progress_of
from wayfarer_launch.collection import (
    LAUNCH_FILES,
    NAMESPACE,
    Collection,
    holds_all,
    launch_arguments,
)
from wayfarer_launch.nodes import executable, launch_nodes
from wayfarer_msgs.msg import CollectorStatus
from wayfarer_report.console import writer

_PATIENCE = 4.0  # s for the keyboard's node to end


def collect_episodes(wanted: Collection, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Run the launch file of the target to its end.

    Raises a WayfarerError, or exits as the launch did.

    `meanwhile` is called repeatedly while the nodes run; they end if it raises.
    """
    if wanted.target not in LAUNCH_FILES:
        raise ConfigError(f"target {wanted.target!r} is not one of {', '.join(LAUNCH_FILES)}")

    said = wanted.hardware.arguments()
    if said and wanted.target != "hardware":
        raise ConfigError(
            f"{', '.join(said)}: only --target hardware has a robot to choose, not {wanted.target}"
        )

    RunWriter(wanted.out).release()  # an error comes now, not after the nodes have started
    if holds_all(wanted):
        return

    progress = progress_of(wanted)
    write = writer(progress.console)
    arguments = launch_arguments(wanted)

    if wanted.target == "sim" and wanted.device != NO_DEVICE:
        arguments["lockstep"] = "false"  # a person needs real time

    keyboard = Keyboard(NAMESPACE) if wanted.device == KEYBOARD else None
    with StatusListener(NAMESPACE, progress) as listener, keyboard or nullcontext():

        def look() -> None:
            meanwhile()
            listener.update()
            if keyboard is not None:
                keyboard.update()

        code = launch_nodes(LAUNCH_FILES[wanted.target], arguments, write, look)

    if code:
        sys.exit(code)


class Keyboard:
    """The terminal's keyboard as a device.

    Its node runs in another process, on the same terminal.
    """

    def __init__(self, namespace: str) -> None:
        """Raises ConfigError if standard input is no terminal."""
        if not sys.stdin.isatty():
            raise ConfigError("--device keyboard needs a terminal: standard input is none")

        self._words = [
            str(executable("wayfarer_teleop", "keyboard")),
            "--ros-args",
            "-r",
            f"__ns:=/{namespace}",
        ]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> "Keyboard":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is None:
            return

        self._process.terminate()
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def update(self) -> None:
        """Start the node, once; called while the nodes run, because it needs their environment.

        DeviceError if it ended.
        """
        if self._process is None:
            self._process = subprocess.Popen(self._words)
        elif (code := self._process.poll()) not in (None, 0):
            raise DeviceError(f"the keyboard's node ended with exit code {code}: the run was ended")


class StatusListener:
    """Passes the collector's status on to the progress display."""

    def __init__(self, namespace: str, progress: CollectionProgress) -> None:
        self._namespace, self._progress = namespace, progress
        self._node: Node | None = None

    def __enter__(self) -> "StatusListener":
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
        if self._node is not None:
            self._node.destroy_node()
        rclpy.try_shutdown()

    def update(self) -> None:
        """Listen for a moment; called while the nodes run, because it needs their environment."""
        if self._node is None:
            self._progress.start()
            start_ros([])  # the arguments of `wayfarer launch`, key:=value, are not for this node
            self._node = Node("progress", namespace=self._namespace)
            status = contract.COLLECTOR_STATUS
            self._node.create_subscription(status.type, status.name, self._on_status, status.qos)
            self._executor = SingleThreadedExecutor()
            self._executor.add_node(self._node)

        self._executor.spin_once(timeout_sec=0.0)

    def _on_status(self, status: CollectorStatus) -> None:
        words = f"episode {status.episode}: {status.stage} {status.detail}"
        self._progress.tell(status.episodes_done, status.step, words)
