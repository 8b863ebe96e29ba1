"""A real Franka behind the robot contract: follows robot/target_pose, and tells where the arm is and how it feels."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from franka_msgs.action import ErrorRecovery
from franka_msgs.msg import FrankaRobotState
from geometry_msgs.msg import PoseStamped
from rclpy.action import ActionServer
from rclpy.action.server import ServerGoalHandle
from sensor_msgs.msg import JointState
from wayfarer_common import contract
from wayfarer_common.conversions import position_of, quaternion_of, set_pose, to_stamp
from wayfarer_common.params import declare, param, required
from wayfarer_common.run import ContractNode, run
from wayfarer_core import names
from wayfarer_core.errors import DeviceError
from wayfarer_core.targets import refusal
from wayfarer_msgs.msg import Acknowledgement, Fault
from wayfarer_msgs.srv import Reset

from wayfarer_franka_bridge.approach import Manner
from wayfarer_franka_bridge.box import Box
from wayfarer_franka_bridge.driver import OTHER, ConnectionLostError, Driver, RobotState, Settings
from wayfarer_franka_bridge.follower import Follower, Goal
from wayfarer_franka_bridge.franky_driver import FrankyDriver
from wayfarer_franka_bridge.geometry import quaternion, to_tool
from wayfarer_franka_bridge.link import Link
from wayfarer_franka_bridge.panda_py_driver import PandaPyDriver
from wayfarer_franka_bridge.report import Reading, Report
from wayfarer_franka_bridge.robot_state import LINK, fill, set_errors

_DRIVERS: dict[str, Callable[[Settings], Driver]] = {"franky": FrankyDriver, "panda_py": PandaPyDriver}
_JOINT_NAMES = {"franky": "fr3_joint", "panda_py": "panda_joint"}  # as franka_ros2 and franka_ros call them
_ROBOT_STATE_EVERY = 4  # states: a large message; sent at once when mode, errors or fault change
_SIGN_OF_LIFE = 0.2  # s between two robot states while there is nothing new


@dataclass(frozen=True)
class Params:
    """Parameters of the franka bridge."""

    workspace_min: tuple[float, float, float] = required(
        (0.0, 0.0, 0.0), "lowest corner of what it follows targets into, control's [m, base]", -1.5, 1.5
    )
    workspace_max: tuple[float, float, float] = required((0.0, 0.0, 0.0), "highest corner [m, base]", -1.5, 1.5)
    orientation: tuple[float, float, float, float] = required(
        (0.0, 0.0, 0.0, 0.0), "of the hand in that box, control's, quaternion xyzw of length 1 [base]", -1.0, 1.0
    )
    top_speed: float = required(0.0, "highest speed on the way to a target [m/s]", 0.01, 1.0)
    top_turn: float = required(0.0, "fastest turn of the hand on the way [rad/s]", 0.01, 3.2)
    robot_ip: str = param("172.16.0.2", "address of the robot's control box")
    driver: str = param("franky", "which library speaks to it", choices=tuple(_DRIVERS))
    realtime: str = param(
        "enforce", "refuse to run without a real-time kernel, or not (simulators)", choices=("enforce", "ignore")
    )
    state_rate: float = param(100.0, "robot states per second [Hz]", 1.0, 500.0)
    stale: float = param(0.1, "time without a newer state until the connection counts as disturbed [s]", 0.02, 5.0)
    quickness: float = param(12.0, "natural frequency of the way to a target, the simulated arm's [rad/s]", 1.0, 50.0)
    top_acceleration: float = param(9.0, "highest acceleration on the way, an FR3's own [m/s^2]", 0.1, 20.0)
    stiffness: float = param(1500.0, "spring that draws the hand to its target [N/m]", 10.0, 3000.0)
    rotational_stiffness: float = param(100.0, "spring that turns the hand to its target [N m/rad]", 1.0, 300.0)
    error_clip: float = param(0.1, "longest spring, bounds its force to stiffness times this [m]", 0.005, 0.3)
    home_joints: tuple[float, ...] = param(
        (0.0, 0.276525, 0.0, -2.462461, 0.0, 2.738986, 0.785853), "posture of a reset, joints 1 to 7 [rad]", -3.1, 4.6
    )
    home_speed: float = param(0.1, "speed of a reset, as a share of the arm's limits", 0.01, 1.0)
    home_timeout: float = param(30.0, "longest time a reset may take [s]", 1.0, 300.0)
    torque_threshold: float = param(20.0, "joint torque above which a contact is a collision [N m]", 1.0, 100.0)
    force_threshold: float = param(30.0, "force above which a contact is a collision [N]", 1.0, 100.0)
    load_mass: float = param(0.0, "load beyond the hand's own mass set in Desk [kg]", 0.0, 3.0)
    load_centre: tuple[float, float, float] = param((0.0, 0.0, 0.0), "the load's centre of mass [m, flange]", -0.5, 0.5)
    tool_offset: tuple[float, float, float] = param(
        (0.0, 0.0, -0.007),
        "the point that targets and poses mean, from libfranka's end effector [m, its frame]",
        -0.3,
        0.3,
    )
    reach: float = param(
        0.70, "largest distance of the wrist from the shoulder that targets may ask for [m]", 0.3, 0.72
    )
    recovery_timeout: float = param(10.0, "longest time a recovery, with connecting, may take [s]", 1.0, 120.0)


class FrankaBridge(ContractNode):
    """The contract's robot topics for a real arm; the camera is another node's."""

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
        self._joint_message = JointState(name=self._joint_names)
        self._pose_message = PoseStamped()
        self._robot_message = FrankaRobotState()
        self._refused = ""  # the last target's refusal
        self._told: tuple[object, ...] = (
            None,
            Report().fault,
        )  # what the last robot state said of mode, errors and fault
        self._told_at, self._published = 0.0, 0
        self._link = Link(
            make_driver(p),
            Reading(p.state_rate, p.stale),
            Follower(Manner(p.quickness, p.top_speed, p.top_acceleration), p.top_turn, self._offset),
            lambda: int(self.get_clock().now().nanoseconds),
            time.monotonic,
            self.fail,
        )
        self.subscribe_to(contract.TARGET_POSE, self._on_target)
        self.subscribe_to(contract.CONTROL_FAULT, self._on_control_fault, required=False)
        self.create_service(Reset, names.RESET, self._on_reset)
        self._recovery = ActionServer(self, ErrorRecovery, names.ERROR_RECOVERY, self._on_recovery)
        self.create_timer(1.0 / p.state_rate, self._on_tick, clock=self.steady)
        self._link.open()

    def problem(self) -> str:
        """Report what is wrong with the arm, or why targets are refused."""
        return self._link.report.refusal or self._refused

    def close(self) -> None:
        """Leave the arm holding still."""
        self._link.close()

    def _on_target(self, message: PoseStamped) -> None:
        target = Goal(position_of(message.pose), quaternion_of(message.pose))
        commanders = self.count_publishers(contract.TARGET_POSE.name)
        refused = refusal(commanders, message.header.frame_id, target.position, target.quaternion)
        refused = refused or self._box.refusal(target) or self._link.track(target)
        answer = Acknowledgement(header=message.header, taken=not refused)
        if refused:
            answer.reasons, answer.text = int(refused.reasons), refused.text
            self.get_logger().error(refused.text, throttle_duration_sec=1.0)
        self._acknowledgement.publish(answer)
        self._refused = refused.text
        self.counts["refused targets" if refused else "targets"] += 1

    def _on_control_fault(self, message: Fault) -> None:
        """Hold from an operator's stop, or whatever else waits for an operator, until control says that all is well.

        A fault of the arm that comes meanwhile takes the stop's place on the topic, but does not end it.
        """
        if message.needs_operator or message.kind == Fault.OPERATOR:
            self._link.hold(f"{message.text}: `wayfarer ack` lets the arm move again")
        elif message.kind == Fault.NONE:
            self._link.hold("")

    async def _on_reset(self, _: Reset.Request, response: Reset.Response) -> Reset.Response:
        try:
            await self.in_thread(lambda: self._link.home(self._params.home_timeout))
            response.success = True
            self.counts["resets"] += 1
        except DeviceError as error:
            response.message = str(error)
            self.get_logger().error(f"reset: {error}")
        response.stamp = self.get_clock().now().to_msg()
        return response

    async def _on_recovery(self, handle: ServerGoalHandle) -> ErrorRecovery.Result:  # type: ignore[type-arg]
        """Recover; the goal is aborted where the arm was never reached, and succeeds where it was, in vain or not.

        Whether it is well now is robot_state's to tell: the result has no field for it.
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
        if report.undecided:  # what robot_state is to say comes with the next state, or the word that there is none
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
        joints.position, joints.velocity, joints.effort = state.q.tolist(), state.dq.tolist(), state.tau_J.tolist()
        self._pose.publish(pose)
        self._joints.publish(joints)
        self.counts["states"] += 1

    def _publish_robot_state(self, report: Report) -> None:
        message = self._robot_message
        message.header.stamp = to_stamp(report.stamp)
        message.header.frame_id = names.BASE_FRAME
        if report.state is not None:
            fill(message, report.state, message.header, self._joint_names)
        if report.of_the_link:
            message.robot_mode = OTHER
            set_errors(message.current_errors, (*(report.state.errors if report.state else ()), LINK))
        self._robot.publish(message)


def make_driver(p: Params) -> Driver:
    """Return the driver that the parameters name, not connected yet."""
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
