"""The Cartesian controller of the end effector: it turns actions into targets inside the limits.

An action is measured from the pose at (or after) the observation that it answers, so it waits for
that pose. A command is reported as executed after the bridge has acknowledged it. `gate.py` decides
all of this; this file connects it to topics.
"""

import time
from array import array
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import numpy as np
from franka_msgs.action import ErrorRecovery
from franka_msgs.msg import FrankaRobotState
from geometry_msgs.msg import PoseStamped
from rclpy.action import ActionClient
from rclpy.task import Future
from std_srvs.srv import SetBool, Trigger
from wayfarer_common import contract
from wayfarer_common.conversions import (
    active_errors,
    base_pose,
    position_of,
    quaternion_of,
    set_pose,
    to_nanoseconds,
    to_stamp,
)
from wayfarer_common.params import declare
from wayfarer_common.run import ContractNode, run
from wayfarer_core import names
from wayfarer_core.errors import DataError
from wayfarer_core.fault import Fault
from wayfarer_core.reason import Reason
from wayfarer_core.safety import Decision, Limits, Pose, RecoveryBudget
from wayfarer_core.targets import CLOSED, Grip, Gripping
from wayfarer_msgs.msg import Acknowledgement, Action, ExecutedAction, GripperTarget
from wayfarer_msgs.msg import Fault as FaultMessage

from wayfarer_control.faults import RobotHealth
from wayfarer_control.gate import Gate
from wayfarer_control.holding import Answer
from wayfarer_control.params import Params
from wayfarer_control.permission import Permission
from wayfarer_control.stops import Keeper, folder_of
from wayfarer_control.underway import Request
from wayfarer_control.whereabouts import Moment

_TICK = 0.02  # s, period of the checks
_AT_ONCE = 0.001  # s; two clocks read within this time count as read at one moment
_NO_ACTION = array("f", [0.0] * 3)
_LOOKS = 5  # tries to read both clocks at one moment, on a busy machine


class Control(ContractNode):
    """The only publisher of robot/target_pose; reports on control/executed the result of each
    action.
    """

    def __init__(self) -> None:
        super().__init__("control")
        p = declare(self, Params)
        place = folder_of(self.context.get_domain_id(), self.get_fully_qualified_name())
        budget = RecoveryBudget(p.recovery_attempts, p.recovery_window, p.recovery_pause)
        self._permission = Permission(
            RobotHealth(p.state_timeout), budget, Keeper(place), self, time.monotonic, time.time
        )
        self._gate = Gate(
            limits=Limits(**{f.name: getattr(p, f.name) for f in fields(Limits)}),
            permission=self._permission,
            outlet=self,
            now=self._moment,
            simulated=bool(self.get_parameter("use_sim_time").value),
            timeout=p.acknowledge_timeout,
        )
        self._recover: ActionClient[Any, Any, Any] = ActionClient(
            self, ErrorRecovery, names.ERROR_RECOVERY
        )
        self._target = self.publish_to(contract.TARGET_POSE)
        self._width = p.gripper_width
        self._gripper = self.publish_to(contract.TARGET_GRIPPER) if self._width > CLOSED else None
        self._executed = self.publish_to(contract.EXECUTED)
        self._fault = self.publish_to(contract.CONTROL_FAULT)
        self.subscribe_to(contract.CURRENT_POSE, self._on_pose)
        self.subscribe_to(contract.ROBOT_STATE, self._on_robot_state)
        self.subscribe_to(contract.ACKNOWLEDGEMENT, self._on_acknowledgement)
        self.subscribe_to(contract.POLICY_ACTION, self._on_action)
        self.offer(Trigger, names.HOLD, self._on_hold)
        self.offer(SetBool, names.SCENE, self._on_scene)
        self.offer(Trigger, names.RELEASE, self._on_release)
        self._commanded = self.resolve_topic_name(contract.TARGET_POSE.name)
        self.create_timer(_TICK, self._on_tick, clock=self.steady)

    def problem(self) -> str:
        """Report an error of the robot, an operator's stop, or an invalid pose."""
        fault = self._permission.fault()
        ack = ": put it right, then `wayfarer ack`" if fault.needs_operator else ""
        return fault.text + ack or self._gate.whereabouts.complaint

    def close(self) -> None:
        """Leave the arm holding still."""
        self._gate.close()

    # --- inputs of the gate ---

    def _on_pose(self, message: PoseStamped) -> None:
        pose = Pose(position_of(message.pose), quaternion_of(message.pose))
        self._gate.pose(message.header.frame_id, pose, to_nanoseconds(message.header.stamp))

    def _on_robot_state(self, message: FrankaRobotState) -> None:
        flags = active_errors(message.current_errors)
        self._permission.robot(message.robot_mode, flags, self._recover.server_is_ready())

    def _on_acknowledgement(self, message: Acknowledgement) -> None:
        stamp, reasons = to_nanoseconds(message.header.stamp), Reason(message.reasons)
        self._gate.acknowledge(stamp, message.taken, reasons, message.text)

    def _on_action(self, message: Action) -> None:
        action = np.asarray(message.action, dtype=float)
        self._gate.act(Request(to_nanoseconds(message.header.stamp), action, message.last, message))

    def _on_tick(self) -> None:
        self._permission.commanders = self.count_publishers(self._commanded)
        self._gate.tick()

    async def _on_hold(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = await _hold(self._gate.stop)
        return response

    async def _on_scene(
        self, request: SetBool.Request, response: SetBool.Response
    ) -> SetBool.Response:
        if not request.data:
            response.success, response.message = self._lifted(self._gate.scene_is_back)
            return response

        response.success, response.message = await _hold(self._gate.hold_for_scene)

        return response

    def _on_release(self, _: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        response.success, response.message = self._lifted(self._gate.release)
        return response

    def _lifted(self, lift: Callable[[], None]) -> tuple[bool, str]:
        try:
            lift()
        except DataError as error:
            return False, f"the arm goes on holding: {error}"

        fault = self._permission.fault()

        return True, f"not taking actions yet: {fault.text}" if fault else "taking actions"

    # --- outputs of the gate ---

    def send(self, target: Pose, grip: Grip, stamp: int) -> None:
        """Send a target to the bridge, the gripper's first; `stamp` in nanoseconds."""
        self._send_grip(grip, stamp)
        self._target.publish(base_pose(target.position, target.quaternion, stamp))

    def stop_gripper(self) -> None:
        """Stop the gripper where it is, whatever becomes of the arm."""
        self._send_grip(Grip.STOP, 0)

    def _send_grip(self, grip: Grip, stamp: int) -> None:
        if self._gripper is None:
            return

        gripping = Gripping.of(grip, self._width)
        message = GripperTarget(grip=int(gripping.grip), width=gripping.width)
        message.header.stamp, message.header.frame_id = to_stamp(stamp), names.BASE_FRAME
        self._gripper.publish(message)

    def record(self, request: Request | None, decision: Decision, commanded: bool) -> None:
        """Publish the result of an action, or of the hold after it."""
        action = request.message if request is not None else Action(action=_NO_ACTION)
        record = ExecutedAction(header=action.header, episode=action.episode, step=action.step)
        record.header.frame_id = names.BASE_FRAME
        record.requested = action.action
        record.executed = array("f", decision.executed)
        record.commanded, record.reasons = commanded, int(decision.reasons)

        if commanded and decision.target is not None:
            set_pose(record.target, decision.target.position, decision.target.quaternion)

        self._executed.publish(record)
        self.counts["commands" if commanded else "refusals"] += 1
        for reason in decision.reasons:
            self.counts[f"because of {reason.name}"] += 1

    def tell(self, fault: Fault) -> None:
        """Publish why the arm is not commanded."""
        self.get_logger().warning(f"fault: {fault.text or 'over'}")
        message = FaultMessage(
            kind=int(fault.kind), needs_operator=fault.needs_operator, text=fault.text
        )
        message.header.stamp = self.get_clock().now().to_msg()
        self._fault.publish(message)

    def recover(self) -> None:
        """Ask the bridge for a recovery, unless one is running."""
        self.counts["recoveries asked for"] += 1
        self._recover.send_goal_async(ErrorRecovery.Goal()).add_done_callback(
            self.guarded(self._on_recovery_answered)
        )

    def _on_recovery_answered(self, answer: Future) -> None:  # type: ignore[type-arg]
        handle = answer.result()
        if handle is None or not handle.accepted:
            self._permission.recovered()
        else:
            handle.get_result_async().add_done_callback(
                self.guarded(lambda _: self._permission.recovered())
            )

    def warn(self, text: str) -> None:
        """Log a warning."""
        self.get_logger().warning(text, throttle_duration_sec=1.0)

    def _moment(self) -> Moment:
        """Read both clocks, as nearly at one moment as possible."""
        for _ in range(_LOOKS):
            before = time.monotonic()
            stamp = self.get_clock().now().nanoseconds
            after = time.monotonic()
            if after - before < _AT_ONCE:
                break

        return Moment(stamp, before)


async def _hold(ask: Callable[[Answer], None]) -> tuple[bool, str]:
    """Ask for a hold; return whether the bridge confirmed it, and a text for the operator."""
    done: Future[tuple[bool, str]] = Future()
    ask(lambda *said: done.set_result(said))
    holds, why_not = await done or (False, "nobody has answered")
    if holds:
        return True, "holding; `wayfarer ack` takes actions again"

    return False, f"no more actions are taken, but that the arm holds is not confirmed: {why_not}"


def main() -> None:
    """Run the node."""
    run(Control)
