"""Parameters of the camera node."""

from dataclasses import dataclass

from wayfarer_core.parameter import param

from wayfarer_camera.sources import SOURCES


@dataclass(frozen=True)
class Params:
    """Parameters of the camera node."""

    control_period: float = param(0.5, "time between two observations [s]", 0.01, 10.0)
    eye_in_hand: bool = param(
        False, "the camera is in the hand: wrist/image_raw becomes observation/wrist"
    )
    source: str = param(
        "topic", "where images come from; topic: a driver or simulator", choices=("topic", *SOURCES)
    )
    source_path: str = param(
        "", "device such as /dev/video0, video file or folder of images; unused with topic"
    )
    source_rate: float = param(30.0, "images per second of the source [Hz]", 0.1, 240.0)
    source_width: int = param(640, "width that a V4L2 device is asked for [pixels]", 16, 8192)
    source_height: int = param(480, "height that a V4L2 device is asked for [pixels]", 16, 8192)
    source_repeat: bool = param(
        True, "begin a video or folder again at its end; false: no more images then"
    )
    calibration: str = param(
        "", "file of `wayfarer calibrate camera`, takes lens distortion out; empty: none"
    )
    crop_left: int = param(0, "columns cut off on the left [pixels]", 0, 10000)
    crop_top: int = param(0, "rows cut off at the top [pixels]", 0, 10000)
    crop_size: int = param(
        0, "edge of the square that is kept [pixels]; 0: the largest that fits", 0, 10000
    )
    quarter_turns: int = param(
        0, "counter-clockwise quarter turns that bring the image upright", 0, 3
    )
    silence: float = param(
        2.0, "time without an image that can be used that is a fault [s]", 0.1, 600.0
    )
    min_rate: float = param(
        1.0, "fewer images a second over rate_window are a fault [Hz]", 0.01, 240.0
    )
    rate_window: float = param(
        5.0, "time over which images are counted for min_rate [s]", 1.0, 600.0
    )
    frozen_after: float = param(
        2.0,
        "time of identical images that is a fault [s]; 0: never, for simulators, which have no "
        "noise",
        0.0,
        600.0,
    )
    black_level: float = param(
        8.0, "an image is black below this mean of its pixels [0 to 255]", 0.0, 255.0
    )
    black_after: float = param(1.0, "time of black images that is a fault [s]", 0.0, 600.0)
    max_stamp_age: float = param(
        0.5, "an image is stale that arrives older than this [s]", 0.01, 60.0
    )
    stale_after: float = param(1.0, "time of stale images that is a fault [s]", 0.0, 600.0)
