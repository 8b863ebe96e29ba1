"""Parameters of the recorder."""

from dataclasses import dataclass

from wayfarer_core.parameter import param


@dataclass(frozen=True)
class Params:
    """Parameters of the replay node."""

    run: str = param(
        "", "directory of the run; created where missing, continued where it holds one"
    )
    complete_timeout: float = param(2.0, "wait for the last messages of an episode [s]", 0.1, 60.0)
    camera_images: bool = param(
        False, "also record camera/image_raw, and the wrist's, at the camera's own rate and size"
    )
    wrist: bool = param(
        False, "record the camera in the hand, too: a step without its image is lost"
    )
