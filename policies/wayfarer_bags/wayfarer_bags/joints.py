"""Which of the joints that a robot tells of are the arm's, and which its gripper's."""

import re
from collections.abc import Sequence
from functools import lru_cache

from wayfarer_core.targets import FINGERS

ARM_JOINTS = 7  # a Panda or an FR3 has seven

_ARM_JOINT = re.compile(r"(?!.*finger).*joint_?([1-7])")


@lru_cache(maxsize=64)
def arm_joints(called: tuple[str, ...]) -> tuple[int, ...]:
    """Return the indices of an arm's joints 1 to 7 among names such as panda_joint1.

    Empty if one is missing. The names may include a gripper's, in any order.
    """
    numbers = {int(m[1]): k for k, name in enumerate(called) if (m := _ARM_JOINT.fullmatch(name))}
    if len(numbers) != ARM_JOINTS:
        return ()
    return tuple(numbers[k] for k in range(1, ARM_JOINTS + 1))


def gripper_width(called: tuple[str, ...], positions: Sequence[float]) -> float:
    """Return how far apart two fingers are [m], of joints with names as in fr3_finger_joint1.

    NaN where they are not both among them.
    """
    places = _finger_joints(called)
    return sum(float(positions[at]) for at in places) if places else float("nan")


@lru_cache(maxsize=64)
def _finger_joints(called: tuple[str, ...]) -> tuple[int, ...]:
    found = [k for finger in FINGERS for k, name in enumerate(called) if name.endswith(finger)]
    return tuple(found) if len(found) == len(FINGERS) else ()
