"""The Cartesian end-effector controller: an action comes in, a target inside the limits goes out.

An action is measured from the pose at (or after) the observation it answers, so it waits for that pose.
"""

import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from franka_msgs.action import ErrorRecovery
from franka_msgs.msg import FrankaRobotState
from geometry_msgs.msg import PoseStamped
from rclpy.action import ActionClient
from rclpy.task import Future
from std_srvs.srv import Trigger
from wayfarer_common import contract, names
from wayfarer_common.conversions import active_errors, base_pose, position_of, to_nanoseconds
from wayfarer_common.fault import Fault, FaultKind
from wayfarer_common.params import declare, param
from wayfarer_common.reason import Reason
from wayfarer_common.run import ContractNode, run
from wayfarer_msgs.msg import Action, ExecutedAction
from wayfarer_msgs.msg import Fault as FaultMessage

from wayfarer_control.faults import RobotHealth
from wayfarer_control.safety import Decision, Limits, RecoveryBudget, Situation, Watchdog, decide, hold

_TICK = 0.02  # s, how often silence is looked for
_RECOVERY_TIMEOUT = 60.0  # s, after which a recovery counts as over even if nobody said so


@dataclass(frozen=True)
class Params:
    """Parameters of the control node."""

    control_period: float = param(0.5, "time between two actions [s]", 0.01, 10.0)
    action_scale: float = param(0.125, "displacement of one action unit along each axis [m]", 0.0, 0.2)
    max_step: float = param(0.22, "longest displacement of one command [m]", 0.0, 0.4)
    max_speed: float = param(0.45, "highest speed one command may ask for [m/s]", 0.0, 1.0)
    workspace_min: tuple[float, float, float] = param((0.36, -0.35, -0.08), "lowest corner [m, base]", -1.5, 1.5)
    workspace_max: tuple[float, float, float] = param((0.80, 0.35, 0.388), "highest corner [m, base]", -1.5, 1.5)
    orientation: tuple[float, float, float, float] = param(
        (1.0, 0.0, 0.0, 0.0), "fixed end-effector orientation, quaternion xyzw [base]", -1.0, 1.0
    )
    max_age: float = param(0.25, "oldest observation that may still be acted on [s]", 0.0, 10.0)
    recovery_attempts: int = param(3, "automatic error recoveries within recovery_window", 0, 100)
    recovery_window: float = param(600.0, "time over which recoveries are counted [s]", 0.0, 86400.0)
    recovery_pause: float = param(2.0, "least time between two recoveries [s]", 0.0, 600.0)
    silence: float = param(0.75, "time without an action until the arm holds [s]", 0.0, 20.0)
    state_timeout: float = param(2.0, "time without robot/robot_state until the robot counts as lost [s]", 0.1, 60.0)


class Control(ContractNode):
    """Publishes robot/target_pose, alone, and says on control/executed what it made of each action."""

    def __init__(self) -> None:
        super().__init__("control")
        p = declare(self, Params)
        self._limits = Limits(
            action_scale=p.action_scale,
            max_step=p.max_step,
            max_speed=p.max_speed,
            workspace_min=p.workspace_min,
            workspace_max=p.workspace_max,
            control_period=p.control_period,
            max_age=p.max_age,
            silence=p.silence,
        )
        self._orientation = np.array(p.orientation) / np.linalg.norm(p.orientation)  # (4,)
        self._watchdog = Watchdog(p.silence)
        self._recovery = RecoveryBudget(p.recovery_attempts, p.recovery_window, p.recovery_pause)
        self._recover: ActionClient[Any, Any, Any] = ActionClient(self, ErrorRecovery, names.ERROR_RECOVERY)
        self._asked_until = 0.0  # monotonic s, until when a recovery may be under way
        self._position = np.full(3, np.nan)  # (3,) base frame
        self._pose_stamp = -1  # ns
        self._pending: Action | None = None  # waits for the pose of its observation
        self._last = Action()
        self._last_stamp = -np.inf  # s
        self._health = RobotHealth(p.state_timeout)
        self._stopped = False
        self._told: Fault | None = None  # what control/fault says
        self._target = self.publish_to(contract.TARGET_POSE)
        self._executed = self.publish_to(contract.EXECUTED)
        self._fault = self.publish_to(contract.CONTROL_FAULT)
        self.subscribe_to(contract.CURRENT_POSE, self._on_pose)
        self.subscribe_to(contract.ROBOT_STATE, self._on_robot_state)
        self.subscribe_to(contract.POLICY_ACTION, self._on_action)
        self.create_service(Trigger, names.HOLD, self._on_hold)
        self.create_service(Trigger, names.RELEASE, self._on_release)
        self.create_timer(_TICK, self._on_tick, clock=self.steady)

    def problem(self) -> str:
        """Report an error of the robot or an operator's stop."""
        fault = self._current_fault()
        return fault.text + (": put it right, then `wayfarer ack`" if fault.needs_operator else "")

    def close(self) -> None:
        """Leave the arm holding still."""
        if np.isfinite(self._position).all():
            self._hold(Reason.STOPPED, self._pose_stamp)

    def _on_pose(self, message: PoseStamped) -> None:
        self._position = position_of(message.pose)
        self._pose_stamp = to_nanoseconds(message.header.stamp)
        if self._pending is not None and self._pose_stamp >= to_nanoseconds(self._pending.header.stamp):
            self._answer(self._pending)

    def _on_robot_state(self, message: FrankaRobotState) -> None:
        now = time.monotonic()
        self._health.hear(message.robot_mode, active_errors(message.current_errors), now)
        idle = self._recover.server_is_ready() and now > self._asked_until
        if self._health.may_recover and idle and self._recovery.try_now(now):
            self.get_logger().warning(f"{self._health.fault(now).text}: asking for recovery")
            self.counts["recoveries asked for"] += 1
            self._asked_until = now + _RECOVERY_TIMEOUT
            self._recover.send_goal_async(ErrorRecovery.Goal()).add_done_callback(self._on_recovery_answered)
        self._tell_fault()

    def _on_recovery_answered(self, answer: Future) -> None:  # type: ignore[type-arg]
        """Wait for the end of a recovery before another is asked for."""
        handle = answer.result()
        if handle is None or not handle.accepted:
            self._asked_until = 0.0
        else:
            handle.get_result_async().add_done_callback(lambda _: setattr(self, "_asked_until", 0.0))

    def _current_fault(self) -> Fault:
        """Say what keeps the arm from being commanded; the robot's own fault comes before an operator's stop."""
        fault = self._health.fault(time.monotonic())
        if fault and self._recovery.exhausted and self._health.may_recover:
            return replace(fault, text=f"{fault.text}: tried to recover in vain", needs_operator=True)
        return fault or (Fault(FaultKind.OPERATOR, "stopped by the operator", True) if self._stopped else fault)

    def _tell_fault(self) -> None:
        fault = self._current_fault()
        if fault == self._told:
            return
        if fault or self._told:
            self.get_logger().warning(f"fault: {fault.text or 'over'}")
        self._told = fault
        message = FaultMessage(kind=int(fault.kind), needs_operator=fault.needs_operator, text=fault.text)
        message.header.stamp = self.get_clock().now().to_msg()
        self._fault.publish(message)

    def _on_action(self, message: Action) -> None:
        """Answer at once, or with the pose of that time; no pose is a period behind unless the clock went back."""
        of_the_future = _seconds(message) - self._now() > self._limits.control_period + self._limits.max_age
        if of_the_future or self._pose_stamp >= to_nanoseconds(message.header.stamp):
            self._answer(message)  # the gate refuses the future
        else:
            self._pending = message

    def _on_tick(self) -> None:
        self._tell_fault()
        now = self._now()
        if self._pending is not None and now - _seconds(self._pending) > self._limits.max_age:
            self._position = np.full(3, np.nan)  # the robot no longer says where it is: command nothing
            self._answer(self._pending)
        if self._watchdog.barks(now):
            due = _seconds(self._last) + self._limits.silence
            self._watchdog.disarm()
            self._hold(Reason.SILENT, int(due * 1e9))
            self.get_logger().warning(
                f"no action for {self._limits.silence} s in episode {self._last.episode}: holding"
            )

    def _answer(self, action: Action) -> None:
        self._pending = None
        faulty = bool(self._health.fault(time.monotonic()))
        if self._last_stamp > self._now() + self._limits.max_age:
            self.get_logger().warning("the clock went back: actions are counted from here on")
            self._last_stamp = -np.inf
        situation = Situation(self._now(), self._position, faulty, self._stopped, self._last_stamp)
        stamp = _seconds(action)
        decision = decide(self._limits, np.asarray(action.action, dtype=float), stamp, situation)
        if decision.target is not None:
            self._last_stamp = stamp
        self._emit(action, decision, to_nanoseconds(action.header.stamp))
        self._last = action
        if action.last:
            self._watchdog.disarm()
        else:
            self._watchdog.action_arrived(situation.now)

    def _hold(self, why: Reason, stamp: int) -> Decision:
        """Ask the arm to stay where it is; a robot with a fault is not commanded at all, not even that."""
        faulty = bool(self._health.fault(time.monotonic()))
        refused = Decision(None, np.zeros(3), why | Reason.ROBOT_ERROR)
        decision = refused if faulty else hold(self._limits, self._position, why)
        self._emit(self._last, decision, stamp)
        return decision

    def _emit(self, action: Action, decision: Decision, stamp: int) -> None:
        """Send the command first, then the record of it."""
        record = ExecutedAction(
            header=action.header, episode=action.episode, step=action.step, reasons=int(decision.reasons)
        )
        record.header.frame_id = names.BASE_FRAME
        record.requested = action.action
        record.executed = decision.executed.astype(np.float32)
        if decision.target is not None:
            command = base_pose(decision.target, self._orientation, stamp)
            self._target.publish(command)
            record.target, record.commanded = command.pose, True
        self._executed.publish(record)
        self.counts["commands" if record.commanded else "refusals"] += 1
        for reason in decision.reasons:
            self.counts[f"because of {reason.name}"] += 1

    def _on_hold(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._stopped = True
        decision = self._hold(Reason.STOPPED, self._pose_stamp)
        self._tell_fault()
        response.success = decision.target is not None or Reason.ROBOT_ERROR in decision.reasons
        response.message = "holding; `wayfarer ack` takes actions again"
        if not response.success:
            why = "its place is not known" if Reason.NOT_FINITE in decision.reasons else "it is outside its box"
            response.message = f"no more actions are taken, but the arm could not be told to hold: {why}"
        return response

    def _on_release(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        self._stopped = False
        self._recovery.acknowledge()
        self._health.acknowledge()
        self._tell_fault()
        response.success, response.message = True, "taking actions"
        return response

    def _now(self) -> float:
        """Time in seconds; a pose of time t proves that it is at least t, even when /clock lags behind the pose."""
        return max(self.get_clock().now().nanoseconds, self._pose_stamp) * 1e-9


def _seconds(action: Action) -> float:
    return to_nanoseconds(action.header.stamp) * 1e-9


def main() -> None:
    """Run the node."""
    run(Control)
