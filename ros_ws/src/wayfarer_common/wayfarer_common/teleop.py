"""A person's control of the arm: the last command of a device, and whether it is still valid. Pure.

The person takes over from any policy while the dead man's switch is held. A person's
command is an action like any other: it passes the safety gate.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray
from wayfarer_bags.episode import ActionSource, End
from wayfarer_core.errors import DataError
from wayfarer_core.fault import DISCARDED
from wayfarer_core.options import TeleopOptions

Action = NDArray[np.float32]  # (3,) or with a gripper (4,), in [-1, 1]


class Mark(IntEnum):
    """A person's mark of an episode; the constants of wayfarer_msgs/TeleopCommand."""

    NONE = 0
    START = 1
    SUCCESS = 2
    FAILURE = 3
    DISCARD = 4

    @property
    def begins(self) -> bool:
        """Whether it starts an episode that waits.

        A device with two buttons uses one for both start and success.
        """
        return self in (Mark.START, Mark.SUCCESS)


ENDINGS = {
    Mark.SUCCESS: (End.TERMINATED, "success, said the operator"),
    Mark.FAILURE: (End.TRUNCATED, "failure, said the operator"),
    Mark.DISCARD: (End.ABORTED, DISCARDED),
}


@dataclass(frozen=True)
class Command:
    """A device's command at a time.

    Raises:
        DataError: the action is not three finite numbers from -1 to 1, or the gripper's is not one,
            or the mark is none.

    """

    stamp: float  # s, on the wall clock
    action: Action  # (3,)
    engaged: bool  # the dead man's switch is held
    mark: Mark = Mark.NONE
    gripper: float = 0.0  # -1 opens, 1 closes, 0 leaves it as it is

    def __post_init__(self) -> None:
        action = np.asarray(self.action, dtype=np.float32)
        if action.shape != (3,) or not (np.abs(action) <= 1.0).all():  # refuses NaN, too
            raise DataError(
                f"a command of {action.tolist()} was ignored: three numbers from -1 to 1 are right"
            )

        if not abs(self.gripper) <= 1.0:
            raise DataError(
                f"a command to the gripper of {self.gripper} was ignored: a number from -1, which "
                "opens, to 1, which closes, is right"
            )

        object.__setattr__(self, "action", action)
        object.__setattr__(self, "mark", _mark(self.mark))


def _mark(number: int) -> Mark:
    try:
        return Mark(number)
    except ValueError as error:
        raise DataError(
            f"a command with mark {number} was ignored: {len(Mark)} marks are known"
        ) from error


class Teleoperator:
    """The person at the device.

    Times are seconds on the wall clock; a jump of the clock ends a command.
    """

    def __init__(self, options: TeleopOptions, size: int = 3) -> None:
        """`size` is how many numbers an action has: 4 where the gripper is part of it."""
        self._options, self._size = options, size
        self._last: Command | None = None

    def hear(self, command: Command) -> None:
        """Take the newest command."""
        self._last = command

    def begin_episode(self, now: float) -> None:
        """Forget the person's control of an earlier episode if the device is lost."""
        if self.lost(now):
            self._last = None

    @property
    def engaged(self) -> bool:
        """Whether the dead man's switch was held in the last command."""
        return self._last is not None and self._last.engaged

    def silence(self, now: float) -> float:
        """Return the age of the last command [s], or how far its clock is ahead.

        Infinite before the first command.
        """
        return np.inf if self._last is None else abs(now - self._last.stamp)

    def lost(self, now: float) -> bool:
        """Say whether the device is lost."""
        return self.silence(now) > self._options.device_timeout

    def answer(self, own: Action, now: float) -> tuple[Action, ActionSource]:
        """Return the action for the arm, and its source.

        It is the person's while engaged, else `own`, the policy's.

        A command that is too old moves nothing: the arm holds, and control does not go back to the
        policy by itself.
        """
        if self._last is None or not self._last.engaged:
            return own, ActionSource.POLICY
        if self.silence(now) > self._options.command_age:
            return np.zeros(self._size, np.float32), ActionSource.HUMAN

        asked = np.append(self._last.action, np.float32(self._last.gripper))  # (4,)

        return asked[: self._size], ActionSource.HUMAN

    def loss(self, now: float) -> str:
        """Return a message that the device is lost."""
        silence, limit = self.silence(now), self._options.device_timeout
        if not np.isfinite(silence):
            return "nothing was ever heard on teleop/command: is the device's driver running?"

        return (
            f"teleop/command is {silence:.1f} s old, more than {limit:g} s: the device is lost, or "
            "clocks differ"
        )
