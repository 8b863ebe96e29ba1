"""The state around the safety gate: what control makes of all messages. Pure.

Nothing is commanded before the robot has reported that it is well, from a pose that is too old, or
while a second node commands. Nothing counts as commanded before the bridge has acknowledged it.
"""

from collections.abc import Callable

import numpy as np
from wayfarer_core.reason import Reason
from wayfarer_core.safety import (
    Decision,
    Limits,
    Pose,
    Situation,
    Watchdog,
    decide,
    hold,
    nothing,
)

from wayfarer_control.holding import Answer, Holding
from wayfarer_control.outlet import Outlet
from wayfarer_control.permission import Permission
from wayfarer_control.underway import Request, Sent, Underway
from wayfarer_control.whereabouts import Moment, Whereabouts

_BY_OPERATOR = "stopped by the operator"


class Gate:
    """Stands between policy, robot and bridge.

    Args:
        limits: limits of every command.
        permission: whether the arm may be commanded.
        outlet: gets the gate's messages.
        now: returns the present moment.
        simulated: whether poses have a simulator's time.
        timeout: s for the bridge to acknowledge a target.

    """

    def __init__(
        self,
        limits: Limits,
        permission: Permission,
        outlet: Outlet,
        now: Callable[[], Moment],
        simulated: bool,
        timeout: float,
    ) -> None:
        self._limits, self._permission, self._outlet = limits, permission, outlet
        self._now, self._simulated = now, simulated
        self._watchdog, self._holding = Watchdog(limits.silence), Holding(limits, timeout)
        self._underway = Underway(timeout)
        self._pending: Request | None = None  # an action that waits for its observation's pose
        self._last: Request | None = None
        self._last_stamp = -np.inf  # s
        self._last_taken = -np.inf  # s; when the last target that the bridge took was sent
        self.whereabouts = Whereabouts(limits.max_age, simulated)

        # a process delayed before the first pose sees the clock jump, too
        self.whereabouts.watch(now())

    # --- inputs ---

    def pose(self, frame: str, pose: Pose, stamp: int) -> None:
        """Take a pose; `stamp` in nanoseconds."""
        if not self.whereabouts.hear(frame, pose, stamp, self._now()):
            self._outlet.warn(self.whereabouts.complaint)
            return

        if self._pending is not None and stamp >= self._pending.stamp:
            self._answer(self._pending)

        self._try_to_hold()

    def act(self, request: Request) -> None:
        """Answer an action at once, or when the pose of its time comes; that takes less than a
        period.
        """
        if self._pending is not None:  # the pose of that time never came
            superseded, self._pending = self._pending, None
            unknown = nothing(self._limits, Reason.NO_POSE)
            self._outlet.record(superseded, unknown, False)

        ahead = request.stamp * 1e-9 - self._seconds(self._now())
        of_the_future = ahead > self._limits.control_period + self._limits.max_age
        if of_the_future or self.whereabouts.stamp >= request.stamp:
            self._answer(request)  # the gate refuses a stamp in the future
        else:
            self._pending = request

    def acknowledge(self, stamp: int, taken: bool, reasons: Reason, text: str) -> None:
        """Take the bridge's acknowledgement of a target's stamp [ns]."""
        sent = self._underway.answered(stamp)
        if sent is None:
            return

        if not taken:
            self._outlet.warn(f"the bridge did not take a command: {text}")

        self._conclude(sent, taken, reasons | Reason.REFUSED, text)

    def tick(self) -> None:
        """Check timeouts and waiting holds. Call it often."""
        now = self._now()
        self.whereabouts.watch(now)
        self._permission.tell()

        waits = self._pending
        if waits is not None and self._seconds(now) - waits.stamp * 1e-9 > self._limits.max_age:
            self._answer(waits)

        for sent in self._underway.overdue(now.steady):
            self._outlet.warn("the bridge has not acknowledged a command in time")
            text = "the bridge has not acknowledged it"
            self._conclude(sent, False, Reason.UNACKNOWLEDGED, text)

        if self._watchdog.expired(self._seconds(now)) and self._last is not None:
            self._watchdog.disarm()
            self._outlet.warn(f"no action for {self._limits.silence} s: holding")
            self._outlet.stop_gripper()
            due = self._last.stamp + int(self._limits.silence * 1e9)
            self._holding.want(Reason.SILENT, now.steady, due)

        self._try_to_hold()

    # --- an operator's commands ---

    def stop(self, answer: Answer) -> None:
        """Take no more actions, and hold; `answer` is called once, with the bridge's word."""
        self._stop(answer, stopped=_BY_OPERATOR)

    def hold_for_scene(self, answer: Answer) -> None:
        """Do the same while somebody resets the scene."""
        self._stop(answer, scene=True)

    def scene_is_back(self) -> None:
        """End `hold_for_scene`. Raises DataError if the disk does not take it."""
        self._permission.scene_is_back()
        self._stop_may_be_over()

    def release(self) -> None:
        """Allow the arm to move again. Raises DataError if the disk does not take it."""
        self._permission.release()
        self._stop_may_be_over()

    def close(self) -> None:
        """Ask the arm to hold, before this node ends and can neither ask nor hear again."""
        for sent in self._underway.all():
            self._conclude(sent, False, Reason.UNACKNOWLEDGED, "the safety gate has ended")

        self._outlet.stop_gripper()
        pose = self.whereabouts.at(self._now())
        decision = hold(self._limits, pose, Reason.STOPPED, self._led)
        if decision.target is not None and not self._permission.robot_fault():
            self._outlet.send(decision.target, decision.grip, self.whereabouts.stamp)
            unheard = nothing(self._limits, decision.reasons | Reason.UNACKNOWLEDGED)
            self._outlet.record(self._last, unheard, False)

    # --- inside ---

    def _answer(self, request: Request) -> None:
        self._pending = None
        now, stamp = self._now(), request.stamp * 1e-9
        seconds = self._seconds(now)

        if self._last_stamp > seconds + self._limits.max_age:
            self._outlet.warn("the clock went back: actions are counted from here on")
            self._last_stamp = -np.inf

        situation = Situation(
            now=seconds,
            pose=self.whereabouts.at(now),
            robot_error=self._permission.refused,
            stopped=self._permission.stopped,
            last_stamp=self._last_stamp,
        )
        action = np.asarray(request.action, dtype=float)
        decision = decide(self._limits, action, stamp, situation)
        self._last = request

        if decision.target is not None:
            self._last_stamp = stamp

        self._emit(request, decision, request.stamp, lambda _taken, _text: None)
        if request.last:
            self._watchdog.disarm()
        else:
            self._watchdog.action_arrived(seconds)

    def _emit(
        self, request: Request | None, decision: Decision, stamp: int, conclude: Answer
    ) -> None:
        """Send a command, recorded when the bridge has answered; or record that there is none."""
        if decision.target is None:
            if Reason.OUT_OF_ORDER not in decision.reasons:
                self._outlet.stop_gripper()

            self._outlet.record(request, decision, False)
            return

        self._underway.send(stamp, request, decision, self._now().steady, conclude)
        self._outlet.send(decision.target, decision.grip, stamp)

    def _conclude(self, sent: Sent, taken: bool, why_not: Reason, text: str) -> None:
        refused = nothing(self._limits, sent.decision.reasons | why_not)
        decision = sent.decision if taken else refused
        if taken:
            self._last_taken = sent.sent_at

        self._outlet.record(sent.request, decision, taken)
        sent.conclude(taken, text)

    def _stop(self, answer: Answer, **changes: object) -> None:
        """Hold first, then write the stop to disk: only then does it survive a restart."""
        unwritten: list[str] = []

        def conclude(holds: bool, text: str) -> None:
            answer(holds and not unwritten, "; ".join(filter(None, [text, *unwritten])))

        self._permission.stop(**changes)
        self._outlet.stop_gripper()
        self._holding.want(Reason.STOPPED, self._now().steady, answer=conclude)
        self._try_to_hold()

        if wrong := self._permission.save():
            unwritten.append(f"it will not outlive this node: {wrong}")

        self._permission.tell()

    def _stop_may_be_over(self) -> None:
        if not self._permission.stopped:
            text = "the stop was lifted before the arm was seen to hold"
            self._holding.withdraw(Reason.STOPPED, text)

        self._permission.tell()

    def _try_to_hold(self) -> None:
        if not self._holding.wanted:
            return

        now, against = self._now(), self._permission.robot_fault().text
        due = self._holding.attempt(now.steady, self.whereabouts.at(now), against, self._led)
        if due is None:
            return

        wish, decision = due

        def heard(taken: bool, text: str) -> None:
            self._holding.heard(wish, taken, text, self._now().steady)

        stamp = self.whereabouts.stamp if wish.stamp is None else wish.stamp
        self._emit(self._last, decision, stamp, heard)

    @property
    def _led(self) -> bool:
        """Whether the bridge moves the arm to a target of ours."""
        return self._last_taken > self._permission.last_refused

    def _seconds(self, now: Moment) -> float:
        """Return the time [s]. A simulated pose proves its time even if the clock lags."""
        simulated = max(now.stamp, self.whereabouts.stamp)
        return (simulated if self._simulated else now.stamp) * 1e-9
