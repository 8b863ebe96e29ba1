"""The simulated Panda behind the robot contract.

Lock-step: the world stands still until the target for its last observation arrives. Then it moves
on by one control period and publishes /clock. Otherwise it runs on the wall clock, like hardware.
"""

import numpy as np
from geometry_msgs.msg import PoseStamped
from rosgraph_msgs.msg import Clock
from wayfarer_common import contract
from wayfarer_common.conversions import position_of, quaternion_of, to_nanoseconds, to_stamp
from wayfarer_common.gripper import TargetListener
from wayfarer_common.params import declare
from wayfarer_common.run import ContractNode, run
from wayfarer_core import names
from wayfarer_core.calibration import load_optional
from wayfarer_core.rotation import angle_between
from wayfarer_core.targets import CLOSED, Grip, Gripping, Refusal, refusal
from wayfarer_msgs.msg import Acknowledgement, Fault
from wayfarer_msgs.srv import Reset
from wayfarer_sim.cube_world import CubeWorld, CubeWorldConfig

from wayfarer_sim_bridge.params import Params
from wayfarer_sim_bridge.sensors import Sensors, Vector

# s of the wall clock between two robot states, also while simulated time stands still
_SIGN_OF_LIFE = 0.2
_DOWN = np.array([1.0, 0.0, 0.0, 0.0])  # orientation of the simulated hand, quaternion xyzw
# rad, allowed deviation of a target from it: somewhat more than the stretched arm tilts
_TILT = 0.8
# s of simulated time for a reset: longer than any watchdog, so that no old hold follows it
_HOMING = 5.0


class SimBridge(ContractNode):
    """Follows robot/target_pose; publishes camera, robot state and the cube's true pose."""

    def __init__(self) -> None:
        super().__init__("sim_bridge")
        p = declare(self, Params)
        self._params = p
        self._world = CubeWorld(
            CubeWorldConfig(
                p.timestep, p.hide_robot, p.cube_xy_noise, load_optional(p.camera_calibration)
            )
        )
        self._world.reset(0)
        self._goal = self._world.home_ee_position  # (3,) base frame
        self._problem = ""
        self._now = 0  # ns of simulated time, in lock-step
        size, with_gripper = (p.image_width, p.image_height), p.gripper_width > CLOSED
        self._sensors = Sensors(self, self._world, size, p.wrist, with_gripper)
        self._acknowledgement = self.publish_to(contract.ACKNOWLEDGEMENT)
        targets = TargetListener(
            self, p.gripper_width, self._follow, lambda: self._world.grip(Grip.STOP)
        )
        self.subscribe_to(contract.TARGET_POSE, targets.pose)
        self.subscribe_to(contract.CONTROL_FAULT, self._on_control_fault, required=False)
        self.offer(Reset, names.RESET, self._on_reset)
        self.create_timer(
            _SIGN_OF_LIFE,
            lambda: self._sensors.publish_robot_state(self._stamp()),
            clock=self.steady,
        )

        if p.lockstep:
            self.claim_topic("/clock")
            self._clock_publisher = self.create_publisher(Clock, "/clock", 10)
        else:
            self._until_image = 0.0  # s
            self.create_timer(1.0 / p.state_rate, self._on_tick, clock=self.steady)

    def problem(self) -> str:
        """Return why targets are refused."""
        return self._problem

    def close(self) -> None:
        """Free the renderer."""
        self._world.close()

    def _follow(self, message: PoseStamped, gripping: Gripping | None) -> None:
        position = position_of(message.pose)
        refused = self._refusal(message, position)
        answer = Acknowledgement(header=message.header, taken=not refused)

        if refused:
            answer.reasons, answer.text = int(refused.reasons), refused.text

        self._acknowledgement.publish(answer)  # before the world steps, which takes time
        self._problem = refused.text
        if refused:
            self.counts["refused targets"] += 1
            self.get_logger().error(self._problem, throttle_duration_sec=1.0)
            return

        self._goal = position
        if gripping is not None:
            self._world.grip(gripping.grip, gripping.width)

        self.counts["targets"] += 1
        if self._params.lockstep and to_nanoseconds(message.header.stamp) == self._now:
            self._world.advance(self._goal, self._params.control_period)
            self._move_clock(self._params.control_period)
            self._publish(self._now)

    def _refusal(self, message: PoseStamped, position: Vector) -> Refusal:
        quaternion = quaternion_of(message.pose)
        commanders = self.count_publishers(contract.TARGET_POSE.name)
        if refused := refusal(commanders, message.header.frame_id, position, quaternion):
            return refused

        tilt = angle_between(_DOWN, quaternion)

        return Refusal(
            f"the simulated hand points down, the target is {tilt:.2f} rad off"
            if tilt > _TILT
            else ""
        )

    def _on_control_fault(self, message: Fault) -> None:
        """Drop the target at an operator's stop, or another fault that needs an operator."""
        if message.needs_operator or message.kind == Fault.OPERATOR:
            self._goal = self._world.ee_pose[0]

    def _on_reset(self, request: Reset.Request, response: Reset.Response) -> Reset.Response:
        self._world.reset(int(request.seed))
        self._goal = self._world.home_ee_position
        if self._params.lockstep:
            self._move_clock(_HOMING)

        stamp = self._stamp()
        self._publish(stamp)
        self.counts["resets"] += 1
        response.success, response.stamp = True, to_stamp(stamp)

        return response

    def _on_tick(self) -> None:
        """Advance by one state period on the wall clock; publish an image every few periods."""
        period = (
            round(1.0 / self._params.state_rate / self._params.timestep) * self._params.timestep
        )
        self._world.advance(self._goal, period)
        stamp = self._stamp()
        self._sensors.publish_state(stamp)
        self._until_image -= period

        if self._until_image <= 0.0:
            self._until_image += 1.0 / self._params.camera_rate
            self._sensors.publish_image(stamp)

    def _publish(self, stamp: int) -> None:
        # publish the image first: the policy works while the others are published
        self._sensors.publish_image(stamp)
        self._sensors.publish_state(stamp)

    def _move_clock(self, seconds: float) -> None:
        self._now += round(seconds * 1e9)
        self._clock_publisher.publish(Clock(clock=to_stamp(self._now)))

    def _stamp(self) -> int:
        return self._now if self._params.lockstep else int(self.get_clock().now().nanoseconds)


def main() -> None:
    """Run the node."""
    run(SimBridge)
