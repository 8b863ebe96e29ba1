"""Turns the images of any camera into observations.

These are rectified, cropped to a square, upright, 84x84, one per control period.

The images come from a driver's topic. With another `source` a thread of this node reads a device,
video or folder and publishes its images as a driver would. The node also watches the camera's
health.
"""

import threading
import time
from dataclasses import fields

import numpy as np
from builtin_interfaces.msg import Time
from numpy.typing import NDArray
from sensor_msgs.msg import CameraInfo, Image
from tf2_msgs.msg import TFMessage
from wayfarer_common import contract
from wayfarer_common.contract import FIXED, WRIST
from wayfarer_common.conversions import (
    array_to_image,
    image_to_array,
    standing_transform,
    to_nanoseconds,
    to_stamp,
)
from wayfarer_common.params import declare
from wayfarer_common.run import ContractNode, run
from wayfarer_core import names
from wayfarer_core.calibration import Calibration, load_optional
from wayfarer_core.errors import ConfigError, DataError, DeviceError
from wayfarer_msgs.msg import Fault
from wayfarer_vision.picture import Crop, Rectifier, observe

from wayfarer_camera.health import Health, Thresholds
from wayfarer_camera.params import Params
from wayfarer_camera.sources import SOURCES, Source, Wanted

# share of the period by which an image may be early: a camera's period need not divide ours exactly
_EARLY = 0.1
_TICK = 0.1  # s, period of the health checks
_REOPEN = 1.0  # s between two attempts to open a lost device
_SAID_EVERY = 10.0  # s between two log messages about skipped images
_END = 2.0  # s, deadline for the reading thread at the end


class Camera(ContractNode):
    """Turns camera/image_raw into observation/image, or wrist/image_raw into observation/wrist.

    The stamp stays the capture time.
    """

    def __init__(self) -> None:
        super().__init__("camera")
        p = declare(self, Params)
        self.topics = WRIST if p.eye_in_hand else FIXED
        calibration = load_optional(p.calibration)
        if p.eye_in_hand and calibration and calibration.T_base_camera is not None:
            raise ConfigError(
                f"node {self.get_name()}: {p.calibration} says where a camera stands in the base "
                "frame, and this one moves with the hand: give it a file of the lens alone"
            )

        self._rectify = Rectifier(calibration) if calibration else None
        self._T_base_camera = calibration.T_base_camera if calibration else None  # (4, 4) [m]
        self._placed = ""  # camera frame for which /tf_static was last published
        self._crop = Crop(p.crop_left, p.crop_top, p.crop_size, p.quarter_turns)
        self._spacing = int((1.0 - _EARLY) * p.control_period * 1e9)  # ns
        self._last = -self._spacing  # ns
        self._health = Health(
            Thresholds(**{f.name: getattr(p, f.name) for f in fields(Thresholds)})
        )
        self._watching = threading.Lock()  # another thread delivers the images of an own source

        # the problem last published; an earlier process of this node may have published another
        self._told: str | None = None
        self.counts.update(images=0, observations=0)
        self._observation = self.publish_to(self.topics.observation)
        self._fault = self.publish_to(self.topics.fault)
        self._frames = self.publish_to(contract.TF_STATIC)
        self.create_timer(_TICK, self._on_tick, clock=self.steady)
        self._own: OwnSource | None = None

        if p.source == "topic":
            self.subscribe_to(self.topics.image, self._on_image)
        else:
            wanted = Wanted(
                p.source,
                p.source_path,
                p.source_rate,
                p.source_width,
                p.source_height,
                p.source_repeat,
            )
            self._own = OwnSource(self, wanted, calibration)

    def problem(self) -> str:
        """Return the camera's problem."""
        with self._watching:
            found = self._health.problem()
        words = "; ".join(filter(None, (self._own.problem if self._own else "", found)))
        return f"wrist camera: {words}" if words and self.topics is WRIST else words

    def close(self) -> None:
        """Release the device."""
        if self._own:
            self._own.close()

    def see(self, pixels: NDArray[np.uint8], stamp: Time, frame: str) -> None:
        """Make an observation of RGB pixels (H, W, 3) if a control period has passed."""
        try:
            self._check(*pixels.shape[:2])
        # its size differs from the other images'
        except ConfigError as error:
            self.skip(str(error))
            return

        taken = to_nanoseconds(stamp)
        with self._watching:
            self._health.picture(pixels, taken * 1e-9, *self._times())

        self.counts["images"] += 1
        self._place(frame)
        if not 0 <= taken - self._last < self._spacing:
            self._last = taken
            plain = self._rectify(pixels) if self._rectify else pixels
            upright = observe(plain, self._crop, names.OBSERVATION_SIZE)
            self._observation.publish(array_to_image(upright, stamp, frame))
            self.counts["observations"] += 1

    def _check(self, height: int, width: int) -> None:
        """Raise ConfigError if no observation can be made of a picture of this size."""
        if self._rectify:
            self._rectify.check(height, width)

        self._crop.edge(height, width)

    def _place(self, frame: str) -> None:
        """Publish the camera's calibrated pose, under the frame that its images name."""
        if self._T_base_camera is not None and frame != self._placed:
            self._placed = frame
            self._frames.publish(
                TFMessage(transforms=[standing_transform(frame, self._T_base_camera)])
            )

    def skip(self, why: str) -> None:
        """Skip an unusable image.

        Drivers send one now and then; it is a fault only if this lasts.
        """
        with self._watching:
            self._health.unusable(why, *self._times())
        self.counts["unusable images"] += 1
        self.get_logger().warning(f"picture skipped: {why}", throttle_duration_sec=_SAID_EVERY)

    def _on_image(self, message: Image) -> None:
        try:
            pixels = image_to_array(message)
        except DataError as error:
            self.skip(str(error))
        else:
            self.see(pixels, message.header.stamp, message.header.frame_id)

    def _on_tick(self) -> None:
        """Publish a fault when it begins, changes or ends."""
        with self._watching:
            self._health.tick(*self._times())

        problem = self.problem()
        if problem == self._told:
            return

        ended, self._told = bool(self._told), problem
        message = Fault(kind=Fault.CAMERA if problem else Fault.NONE, text=problem)
        message.header.stamp = self.get_clock().now().to_msg()
        self._fault.publish(message)

        if problem:
            self.counts["faults"] += 1
            self.get_logger().error(f"camera: {problem}")
        elif ended:
            self.counts["faults that ended"] += 1
            self.get_logger().info("camera: well again")

    def _times(self) -> tuple[float, float]:
        """Return the readings of the ROS clock and the steady clock [s]."""
        return self.get_clock().now().nanoseconds * 1e-9, time.monotonic()


class OwnSource:
    """Publishes a source's images as a driver would, and passes them to the camera node."""

    def __init__(self, camera: Camera, wanted: Wanted, calibration: Calibration | None) -> None:
        self.problem = ""
        self._camera, self._wanted = camera, wanted
        self._source: Source = SOURCES[wanted.kind](wanted)
        self._closing = threading.Event()
        self._frame = camera.topics.frame
        self._info = camera_info(calibration, self._frame)
        self._raw, self._infos = (
            camera.create_publisher(topic.type, topic.name, topic.qos)
            for topic in (camera.topics.image, camera.topics.info)
        )
        self._thread = threading.Thread(target=self._run, name="camera source", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the reading; a device that hangs is left open until the process ends."""
        self._closing.set()
        self._thread.join(_END)
        self._source.close()

    def _run(self) -> None:
        """Pass on one image after another, until the end."""
        try:
            while not self._closing.is_set():
                try:
                    taken = self._take()
                except DeviceError as error:
                    self._reopen(str(error))
                    continue
                except DataError as error:
                    self._camera.skip(str(error))
                    continue

                if taken is None:
                    self.problem = f"{self._wanted.kind} {self._wanted.path} is at its end"
                    return

                self._hand_on(*taken)
        except BaseException as error:  # noqa: BLE001  not hidden: the process ends with it
            self._camera.fail(error)

    def _take(self) -> tuple[NDArray[np.uint8], int] | None:
        """Return the next picture (H, W, 3) and its capture time [ns, ROS clock]."""
        frame = self._source.read()
        now = self._camera.get_clock().now().nanoseconds
        return None if frame is None else (frame.pixels, now - int(frame.age * 1e9))

    def _reopen(self, problem: str) -> None:
        """Try to open the device until it is back."""
        self.problem = problem
        self._source.close()
        while not self._closing.wait(_REOPEN):
            try:
                self._source = SOURCES[self._wanted.kind](self._wanted)
            except DeviceError as error:
                self._camera.get_logger().warning(str(error), throttle_duration_sec=10.0)
            else:
                self.problem = ""
                return

    def _hand_on(self, pixels: NDArray[np.uint8], stamp: int) -> None:
        if self._raw.get_subscription_count():
            self._raw.publish(array_to_image(pixels, to_stamp(stamp), self._frame))
        self._info.header.stamp = to_stamp(stamp)
        self._infos.publish(self._info)
        self._camera.see(pixels, to_stamp(stamp), self._frame)


def camera_info(calibration: Calibration | None, frame: str) -> CameraInfo:
    """Return the intrinsics; zeros without a calibration, as ROS defines."""
    info = CameraInfo(distortion_model="plumb_bob", d=[0.0] * 5)
    info.header.frame_id = frame
    if calibration is not None:
        K = calibration.camera_matrix
        info.width, info.height, info.d = (
            calibration.width,
            calibration.height,
            calibration.distortion.tolist(),
        )
        info.k = K.flatten().tolist()
        info.r = np.eye(3).flatten().tolist()
        info.p = [*K[0], 0.0, *K[1], 0.0, *K[2], 0.0]

    return info


def main() -> None:
    """Run the node."""
    run(Camera)
