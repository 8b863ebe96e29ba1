"""`wayfarer collect`: starts the nodes of a target and shows how far they are."""

import sys

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from wayfarer_bags.run_directory import RunWriter, finished
from wayfarer_common import contract
from wayfarer_common.ros import start_ros
from wayfarer_core.errors import ConfigError
from wayfarer_in_process.progress import make_bar
from wayfarer_launch.collection import LAUNCH_FILES, NAMESPACE, Collection, holds_all, launch_arguments
from wayfarer_launch.nodes import launch_nodes
from wayfarer_msgs.msg import CollectorStatus
from wayfarer_report.console import writer


def collect_episodes(wanted: Collection) -> None:
    """Run the launch file of the target to its end. Raises a WayfarerError, or exits as the launch did."""
    if wanted.target not in LAUNCH_FILES:
        raise ConfigError(f"target {wanted.target!r} is not one of {', '.join(LAUNCH_FILES)}")
    said = wanted.hardware.arguments()
    if said and wanted.target != "hardware":
        raise ConfigError(f"{', '.join(said)}: only --target hardware has a robot to choose, not {wanted.target}")
    RunWriter(wanted.out).release()  # complains now, rather than after the nodes have started
    if holds_all(wanted):
        return
    with ProgressBar(wanted, finished(wanted.out)[0]) as bar:
        code = launch_nodes(LAUNCH_FILES[wanted.target], launch_arguments(wanted), writer(bar.console), bar.update)
    if code:
        sys.exit(code)


class ProgressBar:
    """Steps, rate and stage, from the collector's own word."""

    def __init__(self, wanted: Collection, done: int) -> None:
        self._progress, self._task = make_bar(wanted, done)
        self.console = self._progress.console
        self._wanted = wanted
        self._node: Node | None = None

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress.live.is_started:
            self._progress.stop()
        if self._node is not None:
            self._node.destroy_node()
        rclpy.try_shutdown()

    def update(self) -> None:
        """Listen for a moment; called while the nodes run, whose environment is then in force."""
        if self._node is None:
            self._progress.start()
            start_ros()
            self._node = Node("progress", namespace=NAMESPACE)
            status = contract.COLLECTOR_STATUS
            self._node.create_subscription(status.type, status.name, self._on_status, status.qos)
            self._executor = SingleThreadedExecutor()
            self._executor.add_node(self._node)
        self._executor.spin_once(timeout_sec=0.0)

    def _on_status(self, status: CollectorStatus) -> None:
        steps = status.episodes_done * self._wanted.steps + status.step
        task = self._progress.tasks[0]
        rate = f"{task.speed:.1f} steps/s" if task.speed else ""
        self._progress.update(
            self._task,
            completed=max(steps, int(task.completed)),
            description=f"episode {status.episode}: {status.stage} {status.detail}",
            rate=rate,
        )
