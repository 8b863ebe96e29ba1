"""The hand: a state machine between requests and the force on the fingers. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from panda_sim.arm.box import Answer
from panda_sim.arm.limits import DT
from panda_sim.protocol.codes import GripperCommand, GripperStatus

WIDEST = 0.08  # m
FASTEST = 0.2  # m/s
STRONGEST = 140.0  # N, greatest momentary force of a grasp; 70 N continuously
_MOVE_FORCE = 20.0  # N between the fingers while they move
_STIFFNESS, _DAMPING = 2000.0, 20.0  # N/m and N s/m, of the drive
_REACHED = 0.0005  # m
_STANDS = 0.0005  # m/s; slower fingers count as standing still
_STALL = 100  # ms of standing still, after which an object blocks them
_LEAD = 0.002  # m by which the drive may lead fingers that still follow
_TEMPERATURE = 25  # degrees, in the state


@dataclass(frozen=True)
class Task:
    """What the fingers do.

    Args:
        command_id: of the request.
        command: of the request.
        goals: widths to reach, one after the other [m].
        speed: at which the width changes [m/s].
        force: greatest force between the fingers [N].
        allowed: widths at which a grasp has succeeded [m].

    """

    command_id: int
    command: GripperCommand
    goals: tuple[float, ...]
    speed: float
    force: float
    allowed: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Done:
    """A request that has ended."""

    command: GripperCommand
    command_id: int
    status: GripperStatus


class Gripper:
    """Franka's hand."""

    def __init__(self, width: float) -> None:
        self.max_width = WIDEST
        self.temperature = _TEMPERATURE
        self.ended: list[Done] = []
        self._task: Task | None = None
        self._wanted, self._force = (
            width,
            _MOVE_FORCE,
        )  # the drive's reference [m], and its limit [N]
        self._standing = 0  # ms for which the fingers have stood still
        self._held: tuple[float, float] | None = None  # range of widths of a held object [m]
        self.width = width

    @property
    def is_grasped(self) -> bool:
        """Whether an object is held."""
        return self._held is not None and self._held[0] <= self.width <= self._held[1]

    def request(self, command: GripperCommand, command_id: int, given: Any) -> Answer | None:
        """Begin a client's request; it replaces the running one.

        None: the answer comes at its end.
        """
        if not all(np.isfinite(given[name]) for name in given.dtype.names):
            return Answer(GripperStatus.FAIL)

        match command:
            case GripperCommand.STOP:
                self._abort()
                self._wanted = self.width
                return Answer(GripperStatus.SUCCESS)
            case GripperCommand.HOMING:
                task = Task(command_id, command, (0.0, WIDEST), FASTEST / 4, _MOVE_FORCE)
            case GripperCommand.MOVE:
                task = Task(
                    command_id,
                    command,
                    (float(given["width"]),),
                    float(given["speed"]),
                    _MOVE_FORCE,
                )
            case _:
                task = self._grasp(command_id, given)

        if not self._possible(task):
            return Answer(GripperStatus.FAIL)

        self._abort()
        self._task, self._held, self._standing = task, None, 0
        self._force = task.force

        return None

    def cycle(self, width: float, speed: float) -> float:
        """Advance by a millisecond; return the force on each finger, positive opens [N].

        Args:
            width: between the fingers [m].
            speed: at which it grows [m/s].

        """
        self.width = width
        task = self._task
        if task is not None:
            self._advance(task, speed)

        between = _STIFFNESS * (self._wanted - width) - _DAMPING * speed

        return float(np.clip(between, -self._force, self._force))

    def lose_client(self) -> None:
        """Stop the running request; an object stays held."""
        self._abort()
        if self._held is None:
            self._wanted = self.width
        self.ended.clear()

    def _advance(self, task: Task, speed: float) -> None:
        goal = task.goals[0]
        step = task.speed * DT
        lead = np.clip(goal - self._wanted, -step, step)
        blocked = abs(self._wanted - self.width) > _LEAD + self._force / _STIFFNESS

        if not blocked or lead * (self._wanted - self.width) < 0.0:
            self._wanted += float(lead)

        self._standing = self._standing + 1 if abs(speed) < _STANDS else 0
        reached = abs(self.width - goal) < _REACHED
        if reached and len(task.goals) > 1:
            self._task, self._standing = Task(**vars(task) | {"goals": task.goals[1:]}), 0
        elif reached or self._standing > _STALL:
            self._finish(task, reached)

    def _finish(self, task: Task, reached: bool) -> None:
        status = GripperStatus.SUCCESS if reached else GripperStatus.UNSUCCESSFUL
        if task.command == GripperCommand.GRASP:
            low, high = task.allowed
            if low <= self.width <= high:
                status, self._held = GripperStatus.SUCCESS, task.allowed
            else:
                status = GripperStatus.UNSUCCESSFUL
        elif task.command == GripperCommand.HOMING and reached:
            self.max_width = self.width

        if self._held is None:
            self._wanted = self.width

        self._end(task, status)

    def _abort(self) -> None:
        if self._task is not None:
            self._end(self._task, GripperStatus.ABORTED)

    def _end(self, task: Task, status: GripperStatus) -> None:
        self.ended.append(Done(task.command, task.command_id, status))
        self._task = None

    @staticmethod
    def _possible(task: Task) -> bool:
        inside = all(0.0 <= goal <= WIDEST for goal in task.goals)
        return inside and 0.0 < task.speed <= FASTEST and 0.0 < task.force <= STRONGEST

    @staticmethod
    def _grasp(command_id: int, given: Any) -> Task:
        """Close completely, so that the drive pushes with its whole force."""
        width, force = float(given["width"]), float(given["force"])
        low, high = width - float(given["epsilon_inner"]), width + float(given["epsilon_outer"])

        return Task(
            command_id, GripperCommand.GRASP, (0.0,), float(given["speed"]), force, (low, high)
        )
