"""Finds the arm's joints among all joints of a message."""

import re
from functools import lru_cache

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
