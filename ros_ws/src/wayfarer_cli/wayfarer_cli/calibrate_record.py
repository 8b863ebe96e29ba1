"""`wayfarer calibrate camera record`.

It takes pictures of the board from camera/image_raw, each at a new place.
"""

import csv
import time
from pathlib import Path

import cv2
import numpy as np
import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sensor_msgs.msg import Image
from wayfarer_common import contract
from wayfarer_common.conversions import image_to_array, position_of, quaternion_of, to_nanoseconds
from wayfarer_common.ros import start_ros
from wayfarer_common.surroundings import namespace_of
from wayfarer_core.errors import DataError, DeviceError
from wayfarer_vision.charuco import COLUMNS, POSES, Board, View

_NEW = 25.0  # pixels by which the corners must have moved since every earlier picture
_STILL = 1.5  # pixels by which they may have moved since the last image
_TOGETHER = 0.1  # s, greatest difference in time between an image and the hand's pose
_LOOK = 0.2  # s between two images that are processed


def moved(one: View, other: View) -> float:
    """Return the mean distance that the common corners have moved [pixels].

    Infinity if there are none.
    """
    _, i, j = np.intersect1d(one.ids, other.ids, return_indices=True)

    return (
        float(np.linalg.norm(one.pixels[i] - other.pixels[j], axis=1).mean())
        if len(i)
        else float("inf")
    )


def record_views(out: Path, views: int, timeout: float, namespace: str, board: Board) -> None:
    """Write pictures into a folder. Raises DeviceError if not all came in time."""
    out.mkdir(parents=True, exist_ok=True)
    start_ros()
    try:
        node = Node("calibrate_camera", namespace=namespace_of(namespace))
        recorder = Recorder(node, out, board)
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        deadline = time.monotonic() + timeout
        print(
            f"move the board, hold it still: {views} pictures from "
            f"{namespace}/{contract.CAMERA_IMAGE.name}"
        )

        while recorder.taken < views and time.monotonic() < deadline:
            executor.spin_once(timeout_sec=0.1)

        node.destroy_node()
    finally:
        rclpy.try_shutdown()

    recorder.write_poses()
    if recorder.taken < views:
        raise DeviceError(
            f"{recorder.taken} of {views} pictures in {timeout:g} s: {recorder.images} images "
            f"came, the board was seen in {recorder.seen}"
            + (f"; some could not be used: {recorder.unusable}" if recorder.unusable else "")
        )


class Recorder:
    """Keeps an image whenever the board rests at a new place."""

    def __init__(self, node: Node, out: Path, board: Board) -> None:
        self.images = self.seen = self.taken = 0
        self.unusable = ""  # problem of the last image that was skipped
        self._out, self._board = out, board
        self._kept: list[View] = []
        self._before: View | None = None
        self._pose: PoseStamped | None = None
        self._poses: list[list[object]] = []
        self._next = 0.0  # monotonic s
        node.create_subscription(Image, contract.CAMERA_IMAGE.name, self._on_image, 1)
        node.create_subscription(PoseStamped, contract.CURRENT_POSE.name, self._on_pose, 1)

    def write_poses(self) -> None:
        """Write the hand's poses beside the pictures, if there are any."""
        if self._poses:
            with (self._out / POSES).open("w", newline="") as file:
                csv.writer(file).writerows([COLUMNS, *self._poses])
            print(f"{self._out / POSES}: {len(self._poses)} poses of the hand")

    def _on_pose(self, message: PoseStamped) -> None:
        self._pose = message

    def _on_image(self, message: Image) -> None:
        self.images += 1
        if time.monotonic() < self._next:
            return

        self._next = time.monotonic() + _LOOK
        try:
            pixels = np.ascontiguousarray(image_to_array(message))
        except DataError as error:
            self.unusable = str(error)
            return

        before, self._before = self._before, self._board.find(pixels)
        if self._before is None:
            return

        self.seen += 1
        rests = before is not None and moved(before, self._before) < _STILL
        if not rests or any(moved(kept, self._before) < _NEW for kept in self._kept):
            return

        self._kept.append(self._before)
        name = f"{self.taken:03d}.png"
        cv2.imwrite(str(self._out / name), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
        self._keep_pose(name, to_nanoseconds(message.header.stamp))
        self.taken += 1
        print(f"{name}: {len(self._before.ids)} corners", flush=True)

    def _keep_pose(self, name: str, stamp: int) -> None:
        pose = self._pose
        if pose is not None and abs(to_nanoseconds(pose.header.stamp) - stamp) < _TOGETHER * 1e9:
            self._poses.append([name, *position_of(pose.pose), *quaternion_of(pose.pose)])
