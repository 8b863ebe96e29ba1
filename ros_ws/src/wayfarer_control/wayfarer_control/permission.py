"""Whether the arm may be commanded, according to robot, operator and ROS graph. Pure."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from wayfarer_core.errors import DataError
from wayfarer_core.fault import Fault, FaultKind
from wayfarer_core.safety import RecoveryBudget
from wayfarer_core.targets import too_many

from wayfarer_control.faults import RobotHealth
from wayfarer_control.outlet import Outlet
from wayfarer_control.stops import Keeper

_RECOVERY_TIMEOUT = 60.0  # s, after which a recovery counts as over even without an answer


class Permission:
    """An operator's stop of an earlier process stays in force.

    Args:
        health: the robot's state.
        recovery: budget of automatic recoveries.
        keeper: stops on disk.
        outlet: gets messages.
        now: a steady clock [s].
        wall: the wall clock [s], for recoveries across a restart.

    """

    def __init__(
        self,
        health: RobotHealth,
        recovery: RecoveryBudget,
        keeper: Keeper,
        outlet: Outlet,
        now: Callable[[], float],
        wall: Callable[[], float],
    ) -> None:
        self._health, self._recovery, self._keeper = health, recovery, keeper
        self._outlet, self._now, self._wall = outlet, now, wall
        self._recovering_until = -np.inf  # s
        self._told: Fault | None = None
        self.commanders = 0  # number of publishers of robot/target_pose
        self.last_refused = -np.inf  # s; when nothing might be commanded
        health.hand, recovery.exhausted = keeper.stops.hand, keeper.stops.exhausted
        steady, wall_now = now(), wall()
        recovery.spent = [steady - max(wall_now - when, 0.0) for when in keeper.stops.recoveries]

    @property
    def stopped(self) -> bool:
        """Whether a stop is in force, or somebody resets the scene."""
        return bool(self._keeper.stops.stopped) or self._keeper.stops.scene

    @property
    def refused(self) -> bool:
        """Whether nothing may be commanded, not even a hold."""
        return bool(self.robot_fault()) or self.commanders > 1

    def robot_fault(self) -> Fault:
        """Return the robot's fault."""
        return self._health.fault(self._now())

    def fault(self) -> Fault:
        """Return why the arm is not commanded; the robot's fault comes before a stop."""
        stops, fault = self._keeper.stops, self.robot_fault()
        if fault and self._recovery.exhausted and self._health.may_recover:
            text = f"{fault.text}: tried to recover in vain"
            return replace(fault, text=text, needs_operator=True)

        if fault:
            return fault

        if self.stopped:
            text = stops.stopped or "holding while the scene is put back"
            return Fault(FaultKind.OPERATOR, text, needs_operator=True)

        if self.commanders > 1:
            return Fault(FaultKind.OTHER, f"{too_many(self.commanders)}: commanding nothing")

        return Fault()

    def tell(self) -> None:
        """Report why the arm is not commanded, if that has changed."""
        if self.refused:
            self.last_refused = self._now()

        fault = self.fault()
        if fault != self._told:
            self._told = fault
            if fault:
                self._outlet.stop_gripper()

            self._outlet.tell(fault)

    def robot(self, mode: int, flags: list[str], can_recover: bool) -> None:
        """Take the robot's state, and whether a node offers its recovery."""
        now = self._now()
        self._health.hear(mode, flags, now)
        may = can_recover and self._health.may_recover and now > self._recovering_until

        if may and self._recovery.try_now(now):
            self._outlet.warn(f"{self._health.fault(now).text}: asking for recovery")
            self._recovering_until = now + _RECOVERY_TIMEOUT
            lead = self._wall() - now
            self._keeper.force(recoveries=tuple(when + lead for when in self._recovery.spent))
            self._outlet.recover()

        self._keeper.force(hand=self._health.hand, exhausted=self._recovery.exhausted)
        self.save()
        self.tell()

    def recovered(self) -> None:
        """A recovery is over, successful or not."""
        self._recovering_until = -np.inf

    def stop(self, **changes: object) -> None:
        """Put a stop in force at once. `save` then writes it to disk."""
        self._keeper.force(**changes)

    def save(self) -> str:
        """Write the stops to disk; return, and log, why that failed."""
        try:
            self._keeper.save()
        except DataError as error:
            self._outlet.warn(str(error))
            return str(error)

        return ""

    def scene_is_back(self) -> None:
        """End a scene's hold, but no stop. Raises DataError if the disk does not take it."""
        self._keeper.lift(scene=False)

    def release(self) -> None:
        """An operator releases all. Raises DataError if the disk does not take it."""
        self._keeper.lift(stopped="", scene=False, hand="", exhausted=False, recoveries=())
        self._recovery.acknowledge()
        self._health.acknowledge()
