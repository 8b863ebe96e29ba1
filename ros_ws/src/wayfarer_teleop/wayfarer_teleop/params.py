"""Parameters of the teleop nodes, and the numbers of axes and buttons of known devices."""

from dataclasses import dataclass
from typing import TypeVar, cast

from wayfarer_core.options import DEVICES, gripper_width
from wayfarer_core.parameter import param

Places = TypeVar("Places", bound=tuple[int, ...])

# sensor_msgs/Joy of a device's driver; launch files remap it to the driver's name
JOY = "teleop/joy"
TWIST = "teleop/twist"  # geometry_msgs/TwistStamped of any program that a person uses
NONE = -1  # an axis or a button that does not exist
OWN = -2  # the device's default, from LAYOUTS


@dataclass(frozen=True)
class Layout:
    """Indices in a sensor_msgs/Joy, from 0; NONE if missing."""

    axes: tuple[int, int, int]  # of x, y, z
    signs: tuple[int, int, int]  # 1, or -1 if the axis points the other way
    buttons: tuple[int, int, int, int, int]  # dead man, start, success, failure, discard
    # open, close; the same for both: one after the other
    gripper_buttons: tuple[int, int] = (NONE, NONE)


# gamepad: joy_node's numbers of an Xbox-like pad: left stick, vertical axis of the right stick; LB,
# Back; Y opens, X closes. spacenav_node's: forward, left, up; the left button, and the right one
# for both start and success, and while the left one is held for the gripper. A topic's actions come
# as velocities: of a Joy beside them the buttons count only, as a gamepad has them.
LAYOUTS = {
    "gamepad": Layout((1, 0, 4), (1, 1, 1), (4, 7, 0, 1, 6), (3, 2)),
    "spacemouse": Layout((0, 1, 2), (1, 1, 1), (0, NONE, 1, NONE, NONE), (1, 1)),
    "topic": Layout((NONE, NONE, NONE), (1, 1, 1), (NONE, 7, 0, 1, 6), (3, 2)),
}


@dataclass(frozen=True)
class Params:
    """The device, and the conversion of its numbers into actions."""

    device: str = param(
        "gamepad",
        "what a person holds in their hands",
        choices=tuple(d for d in DEVICES if d in LAYOUTS),
    )
    axes: tuple[int, int, int] = param(
        (OWN, OWN, OWN), "axes of the Joy for x, y, z; -1: none, -2: the device's own", OWN, 63
    )
    signs: tuple[int, int, int] = param(
        (0, 0, 0), "1, or -1 to turn an axis round; 0: the device's own", -1, 1
    )
    buttons: tuple[int, int, int, int, int] = param(
        (OWN, OWN, OWN, OWN, OWN),
        "buttons of the Joy for dead man, start, success, failure, discard; -1: none, -2: the "
        "device's own",
        OWN,
        127,
    )
    gripper_width: float = gripper_width()
    gripper_buttons: tuple[int, int] = param(
        (OWN, OWN),
        "buttons of the Joy that open and close the gripper, the same for both: by turns; -1: "
        "none, -2: the device's own",
        OWN,
        127,
    )
    dead_zone: float = param(0.1, "share of an axis' travel that counts as its middle", 0.0, 0.9)
    scale: float = param(1.0, "share of a full action that a full deflection asks for", 0.01, 1.0)
    full_speed: float = param(
        0.25, "velocity on teleop/twist that asks for a full action [m/s]", 0.001, 2.0
    )
    silence: float = param(
        1.0, "time without a word of the device that is told in diagnostics [s]", 0.1, 60.0
    )

    def layout(self) -> Layout:
        """Return the device's layout, with given values in place of defaults."""
        own = LAYOUTS[self.device]

        return Layout(
            axes=_chosen(self.axes, own.axes, OWN),
            signs=_chosen(self.signs, own.signs, 0),
            buttons=_chosen(self.buttons, own.buttons, OWN),
            gripper_buttons=_chosen(self.gripper_buttons, own.gripper_buttons, OWN),
        )


def _chosen(given: Places, own: Places, unsaid: int) -> Places:
    chosen = (o if g == unsaid else g for g, o in zip(given, own, strict=True))
    return cast(Places, tuple(chosen))
