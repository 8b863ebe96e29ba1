"""What a bridge is told, simulated or real.

Which messages on robot/target_pose it does not follow, and what the gripper does beside one. Pure.

The gripper is the fourth number of an action, with robosuite's sign: -1 opens, +1 closes. Between
the two thresholds it goes on as it is, so that noise about zero neither opens nor closes anything.
"""

from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from wayfarer_core import names
from wayfarer_core.reason import Reason
from wayfarer_core.rotation import is_rotation

CLOSED = 0.0  # m, width of a run whose gripper stays closed
WIDEST = 0.08  # m, opening of Franka's hand, and of robosuite's
FINGERS = ("finger_joint1", "finger_joint2")  # the ends of their names; each goes half the width

_DECIDED = 0.5  # of an action, from which on it opens or closes
_ARM = 3  # numbers of an action: along x, y and z


class Grip(IntEnum):
    """What a gripper is to do; the constants of wayfarer_msgs/GripperTarget."""

    KEEP = 0
    OPEN = 1
    CLOSE = 2
    STOP = 3


def action_size(width: float) -> int:
    """Return how many numbers an action has in a run whose gripper opens to a width [m]."""
    return _ARM + (width > CLOSED)


def grip_of(wanted: float) -> Grip:
    """Return what the fourth number of an action asks for."""
    if wanted >= _DECIDED:
        return Grip.CLOSE
    return Grip.OPEN if wanted <= -_DECIDED else Grip.KEEP


def sized(action: NDArray[Any], size: int) -> NDArray[Any]:
    """Return an action of the arm (3,) as one of the run: a gripper goes on as it is."""
    return np.concatenate([action, np.zeros(size - len(action), action.dtype)])


Target = TypeVar("Target")


@dataclass(frozen=True)
class Gripping:
    """What a gripper is to do."""

    grip: Grip
    width: float = CLOSED  # m, that it opens to

    @classmethod
    def of(cls, grip: Grip, opening: float) -> "Gripping":
        """Return a grip of a gripper that opens to `opening` [m]; only an OPEN has a width."""
        return cls(grip, opening if grip is Grip.OPEN else CLOSED)


class Targets(Generic[Target]):
    """Joins the messages on robot/target_pose to those on robot/target_gripper, by their stamps.

    Two topics have no order: a pose waits for its grip. One whose grip never comes is followed by
    nobody, and not acknowledged.
    """

    def __init__(self, with_gripper: bool) -> None:
        self._with_gripper = with_gripper
        self._waiting: deque[tuple[int, Target]] = deque()
        self._grips: list[tuple[int, Gripping]] = []  # in the order they came

    def pose(self, stamp: int, target: Target) -> list[tuple[Target, Gripping | None]]:
        """Hear a pose; return the targets to follow now, with what their gripper does."""
        if not self._with_gripper:
            return [(target, None)]

        self._waiting.append((stamp, target))

        return self._due()

    def grip(self, stamp: int, gripping: Gripping) -> list[tuple[Target, Gripping | None]]:
        """Hear what a gripper is to do; return the targets to follow now.

        After a STOP nothing opens or closes that was asked for before it.
        """
        if gripping.grip is Grip.STOP:
            self._grips = [(earlier, gripping) for earlier, _ in self._grips]

        # stops without a pose have the stamp 0: one of them stands for all
        if stamp or all(of for of, _ in self._grips):
            self._grips.append((stamp, gripping))

        return self._due()

    def _due(self) -> list[tuple[Target, Gripping | None]]:
        due: list[tuple[Target, Gripping | None]] = []
        while self._waiting:
            stamp, target = self._waiting[0]
            at = next((k for k, (of, _) in enumerate(self._grips) if of == stamp), None)
            if at is None:
                break

            due.append((target, self._grips[at][1]))
            self._waiting.popleft()
            del self._grips[: at + 1]  # whose pose has not come by now was overtaken

        return due


@dataclass(frozen=True)
class Refusal:
    """Why a bridge refuses a target. False if it does not refuse."""

    text: str = ""
    reasons: Reason = Reason.REFUSED

    def __bool__(self) -> bool:
        """Whether the target is refused."""
        return bool(self.text)


TAKEN = Refusal()


def refusal(
    publishers: int, frame: str, position: NDArray[np.float64], quaternion: NDArray[np.float64]
) -> Refusal:
    """Say why a target is refused, by every bridge; false if it is not.

    Args:
        publishers: of robot/target_pose; 0: the ROS graph does not show any yet.
        frame: of the message's header.
        position: of the target, (3,) [m].
        quaternion: of the target, xyzw (4,).

    """
    if publishers > 1:
        return Refusal(f"{too_many(publishers)}: refusing all targets")
    if frame not in names.BASE_FRAMES:
        return Refusal(f"target in frame {frame!r}, must be {names.BASE_FRAME!r}")
    if not np.isfinite(position).all():
        return Refusal("target is not finite", Reason.REFUSED | Reason.NOT_FINITE)

    if not is_rotation(quaternion):
        shown = np.round(quaternion, 3).tolist()
        return Refusal(
            f"target's quaternion {shown} is not of length 1", Reason.REFUSED | Reason.NOT_FINITE
        )

    return TAKEN


def too_many(publishers: int) -> str:
    """Say that robot/target_pose has more than one publisher."""
    return f"{names.TARGET_POSE} has {publishers} publishers, must have exactly 1"
