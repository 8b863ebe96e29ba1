"""The bridge to a real Franka.

It follows robot/target_pose, and publishes the arm's pose and state.
"""

import math
import time
from collections.abc import Callable

import numpy as np
from franka_msgs.action import ErrorRecovery
from franka_msgs.msg import FrankaRobotState
from geometry_msgs.msg import PoseStamped
from rclpy.action import ActionServer
from rclpy.action.server import ServerGoalHandle
from sensor_msgs.msg import JointState
from wayfarer_common import contract
from wayfarer_common.conversions import position_of, quaternion_of, set_pose, to_stamp
from wayfarer_common.gripper import TargetListener, failed
from wayfarer_common.params import declare
from wayfarer_common.run import ContractNode, run
from wayfarer_core import names
from wayfarer_core.errors import DeviceError
from wayfarer_core.targets import FINGERS, Grip, Gripping, Refusal, refusal
from wayfarer_msgs.msg import Acknowledgement, Fault
from wayfarer_msgs.srv import Reset

from wayfarer_franka_bridge.approach import Manner
from wayfarer_franka_bridge.box import Box
from wayfarer_franka_bridge.drivers.driver import (
    OTHER,
    ConnectionLostError,
    Driver,
    HandSettings,
    RobotState,
    Settings,
)
from wayfarer_franka_bridge.drivers.franky_driver import FrankyDriver
from wayfarer_franka_bridge.drivers.panda_py_driver import PandaPyDriver
from wayfarer_franka_bridge.follower import Follower, TargetPose
from wayfarer_franka_bridge.geometry import quaternion, to_tool
from wayfarer_franka_bridge.hand import HandLink
from wayfarer_franka_bridge.link import Link
from wayfarer_franka_bridge.params import Params
from wayfarer_franka_bridge.report import Reading, Report
from wayfarer_franka_bridge.robot_state import LINK, fill, set_errors

_DRIVERS: dict[str, Callable[[Settings], Driver]] = {
    "franky": FrankyDriver,
    "panda_py": PandaPyDriver,
}
# names of franka_ros2 and franka_ros
_JOINT_NAMES = {"franky": "fr3_joint", "panda_py": "panda_joint"}
_STOP = Gripping(Grip.STOP)
_ROBOT_STATE_EVERY = 4  # states: a large message; sent at once when mode, errors or fault change
_SIGN_OF_LIFE = 0.2  # s, longest time between two robot states


class FrankaBridge(ContractNode):
    """The contract's robot topics for a real arm; another node publishes the camera's."""

    def __init__(self) -> None:
        super().__init__("franka_bridge")
        p = declare(self, Params)
        self._params, self._offset = p, np.array(p.tool_offset)
        corners = np.array(p.workspace_min), np.array(p.workspace_max)
        self._box = Box(*corners, np.array(p.orientation), self._offset, p.reach)
        self._pose = self.publish_to(contract.CURRENT_POSE)
        self._joints = self.publish_to(contract.JOINT_STATES)
        self._robot = self.publish_to(contract.ROBOT_STATE)
        self._acknowledgement = self.publish_to(contract.ACKNOWLEDGEMENT)
        self._joint_names = [f"{_JOINT_NAMES[p.driver]}{i}" for i in range(1, 8)]
        self._hand = make_hand(p, self.fail)
        self._finger_names = [] if self._hand is None else _finger_names(p.driver)
        self._joint_message = JointState(name=self._joint_names + self._finger_names)
        self._pose_message = PoseStamped()
        self._robot_message = FrankaRobotState()
        self._refused = ""  # reason for which the last target was refused

        # mode, errors and fault in the last robot state
        self._told: tuple[object, ...] = (None, Report().fault)
        self._told_at, self._published = 0.0, 0
        self._link = Link(
            make_driver(p),
            Reading(p.state_rate, p.stale),
            Follower(
                Manner(p.quickness, p.top_speed, p.top_acceleration), p.top_turn, self._offset
            ),
            lambda: int(self.get_clock().now().nanoseconds),
            time.monotonic,
            self.fail,
        )
        targets = TargetListener(self, p.gripper_width, self._follow, lambda: self._grip(_STOP))
        self.subscribe_to(contract.TARGET_POSE, targets.pose)
        self.subscribe_to(contract.CONTROL_FAULT, self._on_control_fault, required=False)
        self.offer(Reset, names.RESET, self._on_reset)
        self._recovery = ActionServer(self, ErrorRecovery, names.ERROR_RECOVERY, self._on_recovery)
        self.create_timer(1.0 / p.state_rate, self._on_tick, clock=self.steady)
        self._link.open()
        if self._hand is not None:
            self._hand.open()

    def problem(self) -> str:
        """Report what is wrong with arm or gripper, or why targets are refused."""
        state = None if self._hand is None else self._hand.state
        of_the_motion = failed(None if state is None else state.failure)

        return self._link.report.refusal or self._of_the_hand() or self._refused or of_the_motion

    def close(self) -> None:
        """Leave the arm holding still, and the gripper as it is."""
        if self._hand is not None:
            self._hand.close()

        self._link.close()

    def _of_the_hand(self) -> str:
        """Say why the gripper cannot be moved, where there shall be one."""
        return "" if self._hand is None else self._hand.refusal

    def _grip(self, gripping: Gripping) -> None:
        if self._hand is not None:
            self._hand.follow(gripping)

    def _follow(self, message: PoseStamped, gripping: Gripping | None) -> None:
        target = TargetPose(position_of(message.pose), quaternion_of(message.pose))
        commanders = self.count_publishers(contract.TARGET_POSE.name)
        refused = refusal(commanders, message.header.frame_id, target.position, target.quaternion)
        refused = refused or self._box.refusal(target)
        refused = refused or Refusal(self._of_the_hand()) or self._link.track(target)
        answer = Acknowledgement(header=message.header, taken=not refused)

        if refused:
            answer.reasons, answer.text = int(refused.reasons), refused.text
            self.get_logger().error(refused.text, throttle_duration_sec=1.0)
        elif gripping is not None:
            self._grip(gripping)

        self._acknowledgement.publish(answer)
        self._refused = refused.text
        self.counts["refused targets" if refused else "targets"] += 1

    def _on_control_fault(self, message: Fault) -> None:
        """Hold after an operator's stop, or another fault that needs an operator, until control
        reports no fault.

        A fault of the arm that comes meanwhile replaces the stop on the topic, but does not
        end it.
        """
        if message.needs_operator or message.kind == Fault.OPERATOR:
            self._link.hold(f"{message.text}: `wayfarer ack` lets the arm move again")
        elif message.kind == Fault.NONE:
            self._link.hold("")

    async def _on_reset(self, _: Reset.Request, response: Reset.Response) -> Reset.Response:
        try:
            if of_the_hand := self._of_the_hand():
                raise DeviceError(of_the_hand)

            await self.in_thread(lambda: self._link.home(self._params.home_timeout))
            response.success = True
            self.counts["resets"] += 1
        except DeviceError as error:
            response.message = str(error)
            self.get_logger().error(f"reset: {error}")

        response.stamp = self.get_clock().now().to_msg()

        return response

    async def _on_recovery(self, handle: ServerGoalHandle) -> ErrorRecovery.Result:  # type: ignore[type-arg]
        """Recover. The goal is aborted if the arm was not reached, and succeeds if it was, whether
        the arm is well or not.

        robot_state says whether it is well: the result has no field for it.
        """
        try:
            await self.in_thread(lambda: self._link.recover(self._params.recovery_timeout))
            self.counts["recoveries"] += 1
            handle.succeed()
        except ConnectionLostError as error:
            self.get_logger().error(f"recovery: {error}")
            handle.abort()
        except DeviceError as error:
            self.get_logger().error(f"recovery, in vain: {error}")
            self.counts["recoveries in vain"] += 1
            handle.succeed()

        return ErrorRecovery.Result()

    def _on_tick(self) -> None:
        self._link.watch()
        report, now = self._link.report, time.monotonic()
        new = report.number != self._published

        if new and report.state is not None:
            self._published = report.number
            self._publish_motion(report.state, report.stamp)

        # robot_state is published with the next state, or when there is none
        if report.undecided:
            return

        told = (report.state and (report.state.robot_mode, report.state.errors), report.fault)
        due = new and report.number % _ROBOT_STATE_EVERY == 0
        if due or told != self._told or now - self._told_at > _SIGN_OF_LIFE:
            if report.fault and report.fault not in self._told:
                self.get_logger().error(report.fault)
            self._told, self._told_at = told, now
            self._publish_robot_state(report)

    def _publish_motion(self, state: RobotState, stamp: int) -> None:
        pose, joints = self._pose_message, self._joint_message
        pose.header.stamp = joints.header.stamp = to_stamp(stamp)
        pose.header.frame_id = joints.header.frame_id = names.BASE_FRAME
        set_pose(pose.pose, to_tool(state.T_O_EE, self._offset), quaternion(state.T_O_EE[:3, :3]))
        fingers = self._fingers()  # libfranka tells of the hand's width alone
        joints.position = state.q.tolist() + fingers
        joints.velocity = state.dq.tolist() + [math.nan] * len(fingers)
        joints.effort = state.tau_J.tolist() + [math.nan] * len(fingers)
        self._pose.publish(pose)
        self._joints.publish(joints)
        self.counts["states"] += 1

    def _fingers(self) -> list[float]:
        """Return where the fingers are [m], each half of the width; NaN before that is known."""
        if self._hand is None:
            return []

        known = self._hand.state if not self._hand.refusal else None

        return [math.nan if known is None else known.width / 2] * len(self._finger_names)

    def _publish_robot_state(self, report: Report) -> None:
        message = self._robot_message
        message.header.stamp = to_stamp(report.stamp)
        message.header.frame_id = names.BASE_FRAME

        if report.state is not None:
            fill(message, report.state, message.header, self._joint_names)

        if report.of_the_link:
            message.robot_mode = OTHER
            set_errors(
                message.current_errors, (*(report.state.errors if report.state else ()), LINK)
            )

        self._robot.publish(message)


def make_hand(p: Params, give_up: Callable[[BaseException], None]) -> HandLink | None:
    """Return the hand that the parameters name, not connected yet; None where it stays closed.

    Raises ConfigError where nobody has said how hard it grips.
    """
    if not p.has_gripper():
        return None

    s = HandSettings(p.robot_ip, p.driver, p.gripper_width, p.gripper_speed, p.gripper_force)

    return HandLink(s, give_up)


def _finger_names(driver: str) -> list[str]:
    arm = _JOINT_NAMES[driver].partition("_")[0]
    return [f"{arm}_{finger}" for finger in FINGERS]


def make_driver(p: Params) -> Driver:
    """Return the driver that the parameters name, not yet connected."""
    settings = Settings(
        robot_ip=p.robot_ip,
        stiffness=p.stiffness,
        rotational_stiffness=p.rotational_stiffness,
        error_clip=p.error_clip,
        home_joints=p.home_joints,
        home_speed=p.home_speed,
        torque_threshold=p.torque_threshold,
        force_threshold=p.force_threshold,
        load_mass=p.load_mass,
        load_centre=p.load_centre,
        realtime=p.realtime == "enforce",
    )

    return _DRIVERS[p.driver](settings)


def main() -> None:
    """Run the node."""
    run(FrankaBridge)
