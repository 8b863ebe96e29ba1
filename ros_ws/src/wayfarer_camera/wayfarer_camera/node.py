"""Turns any camera's images into observations: cropped to a square, upright, 84x84, one per control period."""

from dataclasses import dataclass

from sensor_msgs.msg import Image
from wayfarer_common import contract, names
from wayfarer_common.conversions import array_to_image, image_to_array, to_nanoseconds
from wayfarer_common.params import declare, param
from wayfarer_common.run import ContractNode, run

from wayfarer_camera.picture import Crop, observe

_EARLY = 0.1  # share of the period by which an image may come early: cameras do not divide our period exactly


@dataclass(frozen=True)
class Params:
    """Parameters of the camera node."""

    control_period: float = param(0.5, "time between two observations [s]", 0.01, 10.0)
    crop_left: int = param(0, "columns cut off on the left [pixels]", 0, 10000)
    crop_top: int = param(0, "rows cut off at the top [pixels]", 0, 10000)
    crop_size: int = param(0, "edge of the square that is kept [pixels]; 0: the largest that fits", 0, 10000)
    quarter_turns: int = param(0, "counter-clockwise quarter turns that bring the image upright", 0, 3)


class Camera(ContractNode):
    """From camera/image_raw to observation/image; the capture time stays in the stamp."""

    def __init__(self) -> None:
        super().__init__("camera")
        p = declare(self, Params)
        self._crop = Crop(p.crop_left, p.crop_top, p.crop_size, p.quarter_turns)
        self._spacing = int((1.0 - _EARLY) * p.control_period * 1e9)  # ns
        self._last = -self._spacing  # ns
        self._observation = self.publish_to(contract.OBSERVATION_IMAGE)
        self._fault = self.publish_to(contract.CAMERA_FAULT)
        self.subscribe_to(contract.CAMERA_IMAGE, self._on_image)

    def _on_image(self, message: Image) -> None:
        stamp = to_nanoseconds(message.header.stamp)
        self.counts["images"] += 1
        if 0 <= stamp - self._last < self._spacing:
            return
        self._last = stamp
        pixels = observe(image_to_array(message), self._crop, names.OBSERVATION_SIZE)
        self._observation.publish(array_to_image(pixels, message.header.stamp, message.header.frame_id))
        self.counts["observations"] += 1


def main() -> None:
    """Run the node."""
    run(Camera)
