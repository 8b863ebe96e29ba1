"""`wayfarer view`: shows a run, or running nodes, in rerun."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import Image
from visualization_msgs.msg import Marker, MarkerArray
from wayfarer_bags.run_directory import RunDirectory
from wayfarer_common import contract, lifetime
from wayfarer_common.conversions import image_to_array, position_of, to_nanoseconds
from wayfarer_common.ros import start_ros
from wayfarer_common.surroundings import namespace_of
from wayfarer_core.errors import DeviceError
from wayfarer_core.reason import Reason
from wayfarer_msgs.msg import ExecutedAction, Novelty
from wayfarer_report.view.recording import STEP, TIME, Recording
from wayfarer_report.view.run import tell

_POLL = 0.1  # s
_SILENCE = 30.0  # s within which a first message must come


def view_run(run: Path, save: Path | None) -> str:
    """Show a run until the viewer is closed or a signal comes; return a summary.

    Raises ConfigError, DataError and, if there is no display, DeviceError.
    """
    opened, told = RunDirectory(run), 0
    signals: list[int] = []
    with lifetime.caught(lambda number, _: signals.append(number)):
        recording = Recording(str(run), save, STEP)
        try:
            for observations in tell(opened, recording):
                told = observations
                if signals:
                    break

            while save is None and not signals and not recording.closed:
                recording.wait(_POLL)
        finally:
            recording.close()

    return f"{run}: {told} observations" + (f" in {save}" if save else "")


def view_live(namespace: str, save: Path | None) -> str:
    """Show the messages of a namespace until the viewer is closed or a signal comes.

    Raises ConfigError, and DeviceError if there is no display or no message comes.
    """
    name = namespace_of(namespace)
    signals: list[int] = []
    with lifetime.caught(lambda number, _: signals.append(number)):
        recording = Recording(f"{name}, live", save, TIME)
        start_ros()
        node = Viewer(name, recording)
        deadline = time.monotonic() + _SILENCE

        try:
            while not signals and not recording.closed:
                rclpy.spin_once(node, timeout_sec=_POLL)
                if not node.heard and time.monotonic() > deadline:
                    raise DeviceError(
                        f"nobody in {name} says anything within {_SILENCE:g} s: "
                        "is a launch running, in this ROS_DOMAIN_ID?"
                    )
        finally:
            node.destroy_node()
            rclpy.try_shutdown()
            recording.close()

    return f"{node.heard} messages" + (f" in {save}" if save else "")


class Viewer(Node):
    """Subscribes to what can be shown and logs it to a recording; no node waits for it."""

    def __init__(self, namespace: str, recording: Recording) -> None:
        super().__init__("viewer", namespace=namespace)
        self.heard = 0
        self._recording = recording

        for topic, told in (
            (contract.OBSERVATION_IMAGE, self._on_observation),
            (contract.WRIST_OBSERVATION, self._on_wrist),
            (contract.CURRENT_POSE, lambda m: recording.end_effector(position_of(m.pose))),
            (contract.OBJECT_POSE, lambda m: recording.cube(position_of(m.pose))),
            (contract.EXECUTED, self._on_executed),
            (contract.MARKERS, self._on_markers),
            (contract.NOVELTY_GOAL, self._on_goal),
            (contract.NOVELTY_SCORE, self._on_score),
        ):
            self._listen(topic, told)

    def _listen(self, topic: contract.Topic, told: Any) -> None:
        def hear(message: Any) -> None:
            self.heard += 1
            if hasattr(message, "header"):
                self._recording.at(to_nanoseconds(message.header.stamp))
            told(message)

        self.create_subscription(topic.type, topic.name, hear, topic.qos)

    def _on_observation(self, message: Image) -> None:
        self._recording.observation(image_to_array(message))

    def _on_wrist(self, message: Image) -> None:
        self._recording.wrist(image_to_array(message))

    def _on_goal(self, message: Image) -> None:
        self._recording.goal_image(image_to_array(message))

    def _on_score(self, message: Novelty) -> None:
        self._recording.novelty(message.novelty)

    def _on_executed(self, message: ExecutedAction) -> None:
        self._recording.action(np.asarray(message.requested, dtype=float), Reason(message.reasons))

    def _on_markers(self, message: MarkerArray) -> None:
        """Log the view node's markers, at the time of the last message."""
        shown = {marker.ns: marker for marker in message.markers if marker.action == Marker.ADD}
        places = {of: position_of(marker.pose) for of, marker in shown.items()}
        if "box" in shown:
            corners = np.array([(p.x, p.y, p.z) for p in shown["box"].points])
            self._recording.box(corners.min(axis=0), corners.max(axis=0))

        if "target" in shown:
            self._recording.target(places["target"])

        if "goal" in shown:
            self._recording.goal(places["goal"])

        if "wanted" in shown:
            self._recording.wanted(places["wanted"], "way" not in shown, shown["why"].text)
        else:
            self._recording.as_meant()
