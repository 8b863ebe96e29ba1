"""Whether the arm may be commanded: what robot, operator and the ROS graph say to it. Pure."""

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

_RECOVERY_TIMEOUT = 60.0  # s, after which a recovery counts as over even if nobody said so


class Permission:
    """What waits for an operator's word goes on to wait where an earlier process left it.

    Args:
        health: what the robot says of itself.
        recovery: how often it may recover by itself.
        keeper: what waits for an operator's word.
        outlet: where words go.
        now: a steady clock [s].
        wall: the wall clock [s], by which recoveries are counted across a restart.

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
        self.commanders = 0  # how many publish robot/target_pose
        health.hand, recovery.exhausted = keeper.stops.hand, keeper.stops.exhausted
        steady, wall_now = now(), wall()
        recovery.spent = [steady - max(wall_now - when, 0.0) for when in keeper.stops.recoveries]

    @property
    def stopped(self) -> bool:
        """Whether a stop is in force, or somebody puts the scene back."""
        return bool(self._keeper.stops.stopped) or self._keeper.stops.scene

    @property
    def refused(self) -> bool:
        """Whether nothing may be commanded, not even a hold."""
        return bool(self.robot_fault()) or self.commanders > 1

    def robot_fault(self) -> Fault:
        """Say what is wrong with the robot."""
        return self._health.fault(self._now())

    def fault(self) -> Fault:
        """Say what keeps the arm from being commanded; the robot's fault comes before a stop."""
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
        """Say what keeps the arm from being commanded, if that has changed."""
        fault = self.fault()
        if fault != self._told:
            self._told = fault
            if fault:
                self._outlet.stop_gripper()

            self._outlet.tell(fault)

    def robot(self, mode: int, flags: list[str], can_recover: bool) -> None:
        """Hear how the robot is, and whether somebody offers its recovery."""
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
        """Hear that a recovery is over, whatever became of it."""
        self._recovering_until = -np.inf

    def stop(self, **changes: object) -> None:
        """Put a stop in force, at once. `save` writes it down."""
        self._keeper.force(**changes)

    def save(self) -> str:
        """Write down what waits for an operator; say, and log, why that could not be done."""
        try:
            self._keeper.save()
        except DataError as error:
            self._outlet.warn(str(error))
            return str(error)

        return ""

    def scene_is_back(self) -> None:
        """End a scene's hold, but no stop. Raises DataError where it cannot be written down."""
        self._keeper.lift(scene=False)

    def release(self) -> None:
        """Take an operator's word for all. Raises DataError where it cannot be written down."""
        self._keeper.lift(stopped="", scene=False, hand="", exhausted=False, recoveries=())
        self._recovery.acknowledge()
        self._health.acknowledge()
