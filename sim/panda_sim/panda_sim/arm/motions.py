"""The arm's mode, the running motion, and the answers at its end.

Pure: no socket, no physics.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from panda_sim.arm.limits import LOST_IN_A_ROW
from panda_sim.protocol.codes import (
    FAULT_COUNT,
    Controller,
    Fault,
    Generator,
    Mode,
    MoveStatus,
    RecoveryStatus,
    StopStatus,
)

_RECOVERY = 100  # ms for a recovery; a real arm takes up to seconds
_FIRST_COMMAND = 1000  # ms, within which a motion's first command must come; assumed
_WINDOW = 100  # cycles of the success rate


@dataclass(frozen=True)
class Deviation:
    """Allowed deviation of the arm from its reference: [m], [rad], [rad]."""

    translation: float
    rotation: float
    elbow: float

    @property
    def valid(self) -> bool:
        """Whether they are numbers, and not negative."""
        return all(
            np.isfinite(x) and x >= 0.0 for x in (self.translation, self.rotation, self.elbow)
        )


@dataclass(frozen=True)
class Move:
    """A request to move; path and goal bound the deviation on the way and at the end."""

    command_id: int
    controller: Controller
    generator: Generator
    path: Deviation
    goal: Deviation


@dataclass(frozen=True)
class Ended:
    """A command that has ended, with its status."""

    command_id: int
    status: MoveStatus | RecoveryStatus


class Link:
    """Counts which states of a motion were answered."""

    def __init__(self) -> None:
        self.begun = False  # the first command has come
        self.lost = 0  # missing answers in all
        self._waited, self._in_a_row = 0, 0
        self._bits, self._seen = 0, 0

    def cycle(self, answered: bool) -> bool:
        """Count a cycle; say whether the motion may continue."""
        if not self.begun and not answered:
            self._waited += 1
            return self._waited < _FIRST_COMMAND

        self.begun = True
        self._bits = (self._bits << 1 | answered) & (1 << _WINDOW) - 1
        self._seen = min(self._seen + 1, _WINDOW)
        self._in_a_row = 0 if answered else self._in_a_row + 1
        self.lost += not answered

        return self._in_a_row < LOST_IN_A_ROW

    @property
    def broken(self) -> bool:
        """Whether the last state was not answered, after a first command."""
        return self._in_a_row > 0

    @property
    def success_rate(self) -> float:
        """Share of answered states in the last cycles."""
        return self._bits.bit_count() / self._seen if self._seen else 0.0


class Motions:
    """The state machine. Commands that end by themselves are put into `ended`, for answers."""

    def __init__(self) -> None:
        self.move: Move | None = None
        self.link = Link()
        self.errors = np.zeros(FAULT_COUNT, dtype=np.uint8)
        self.reflex_reason = np.zeros(FAULT_COUNT, dtype=np.uint8)
        self.ended: list[Ended] = []
        self._stopped, self._guided = False, False
        self._recovery: tuple[int, int] | None = None  # command id, cycles left

    @property
    def mode(self) -> Mode:
        """The mode in the state."""
        if self._stopped:
            return Mode.USER_STOPPED
        if self._recovery is not None:
            return Mode.RECOVERY
        if self.errors.any():
            return Mode.REFLEX
        if self._guided:
            return Mode.GUIDING

        return Mode.MOVE if self.move is not None else Mode.IDLE

    # --- a client's requests ---

    def start(self, move: Move) -> MoveStatus:
        """Begin a motion, or say why not."""
        if self.mode != Mode.IDLE:
            return MoveStatus.NOT_POSSIBLE
        if not (move.path.valid and move.goal.valid):
            return MoveStatus.INVALID_ARGUMENT

        self.move, self.link = move, Link()

        return MoveStatus.STARTED

    def stop(self) -> StopStatus:
        """Abort the running motion, if there is one.

        A client of libfranka sends this after any fault.
        """
        self._end(MoveStatus.PREEMPTED)
        return StopStatus.SUCCESS

    def finish(self) -> None:
        """End the motion at the client's request."""
        self._end(MoveStatus.SUCCESS)

    def recover(self, command_id: int) -> RecoveryStatus | None:
        """Begin to clear the errors; None: the answer comes later."""
        match self.mode:
            case Mode.REFLEX:
                self._recovery = (command_id, _RECOVERY)
                return None
            case Mode.IDLE:
                return RecoveryStatus.SUCCESS
            case _:
                return RecoveryStatus.NOT_POSSIBLE

    # --- events ---

    def fail(self, faults: Iterable[Fault]) -> None:
        """Stop by a reflex; without a motion do nothing."""
        found = list(faults)
        if self.move is None or not found:
            return

        self.errors[found] = 1
        self.reflex_reason[:] = self.errors
        self._end(MoveStatus.REFLEX_ABORTED)

    def refuse_input(self) -> None:
        """Abort a motion whose command is invalid."""
        self._end(MoveStatus.INPUT_ERROR)

    def press_user_stop(self, pressed: bool) -> None:
        """Press or release the user stop. It sets no error flag."""
        self._stopped = pressed
        if pressed:
            self._end(MoveStatus.USER_STOPPED)
            if self._recovery is not None:
                self.ended.append(Ended(self._recovery[0], RecoveryStatus.USER_STOPPED))
                self._recovery = None

    def press_guiding(self, pressed: bool) -> None:
        """Press or release the guiding buttons."""
        self._guided = pressed
        if pressed:
            self._end(MoveStatus.ABORTED)

    def lose_client(self) -> None:
        """End what a lost client has begun, without an answer."""
        self._end(MoveStatus.ABORTED)
        self._recovery = None
        self.ended.clear()

    def cycle(self) -> None:
        """Advance by a millisecond."""
        if self._recovery is None:
            return

        command_id, left = self._recovery
        if left > 0:
            self._recovery = (command_id, left - 1)
            return

        self._recovery = None
        self.errors[:] = 0
        self.ended.append(Ended(command_id, RecoveryStatus.SUCCESS))

    def _end(self, status: MoveStatus) -> None:
        if self.move is not None:
            self.ended.append(Ended(self.move.command_id, status))
            self.move = None
