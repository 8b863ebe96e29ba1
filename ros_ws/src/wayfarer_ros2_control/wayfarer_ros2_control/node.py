"""Takes the bridge's place if ros2_control and CRISP's controller move the arm.

No message passes through it.

It reports their missing interfaces, answers robot/reset, and acknowledges the targets that the arm
follows. It does not move the arm: a reset only returns the time from which observations count. The
way home is the collector's `scene_reset: home`, through the safety gate like all motion.
"""

import time

from geometry_msgs.msg import PoseStamped
from rclpy.qos import ReliabilityPolicy
from wayfarer_common import contract, qos
from wayfarer_common.conversions import position_of, quaternion_of, to_nanoseconds, to_stamp
from wayfarer_common.gripper import GripperActions, TargetListener, failed
from wayfarer_common.params import declare
from wayfarer_common.run import ContractNode, run
from wayfarer_core import names
from wayfarer_core.targets import Grip, Gripping, refusal
from wayfarer_msgs.msg import Acknowledgement
from wayfarer_msgs.srv import Reset

from wayfarer_ros2_control.interfaces import POSE, REQUIRED, TARGET, Endpoint, missing
from wayfarer_ros2_control.judge import Judge, Verdict
from wayfarer_ros2_control.params import Params

_TICK = 0.02  # s, period of the check for verdicts


class Ros2Control(ContractNode):
    """Offers robot/reset, and acknowledges targets.

    It is ready when all interfaces of the driver and CRISP are there.
    """

    def __init__(self) -> None:
        super().__init__("franka_bridge")
        p = declare(self, Params)
        self._driver = p.driver
        self._gripper = (
            GripperActions(self, p.gripper, p.gripper_speed, p.gripper_force)
            if p.has_gripper()
            else None
        )
        self._judge = Judge()
        self._acknowledgement = self.publish_to(contract.ACKNOWLEDGEMENT)
        self.create_subscription(PoseStamped, POSE, self._on_pose, qos.STATE)
        listener = TargetListener(self, p.gripper_width, self._follow, self._stop_gripper)
        self.create_subscription(PoseStamped, TARGET, listener.pose, qos.STEP)
        self.offer(Reset, names.RESET, self._on_reset)
        self.create_timer(
            _TICK, lambda: self._say(self._judge.due(time.monotonic())), clock=self.steady
        )

    def missing_peers(self) -> list[str]:
        """Return the missing interfaces, in words."""
        of_the_arm = missing(self._driver, self._seen(), self.count_publishers(TARGET))
        of_the_gripper = [] if self._gripper is None else self._gripper.missing()

        return super().missing_peers() + of_the_arm + of_the_gripper

    def problem(self) -> str:
        """Say that the gripper did not do what it was told."""
        return failed(None if self._gripper is None else self._gripper.failure)

    def close(self) -> None:
        """Leave the gripper as it is."""
        self._stop_gripper()

    def _stop_gripper(self) -> None:
        if self._gripper is not None:
            self._gripper.follow(Gripping(Grip.STOP))

    def _on_pose(self, message: PoseStamped) -> None:
        if message.header.frame_id in names.BASE_FRAMES:
            self._judge.pose(position_of(message.pose), time.monotonic())

    def _follow(self, message: PoseStamped, gripping: Gripping | None) -> None:
        stamp, position = to_nanoseconds(message.header.stamp), position_of(message.pose)
        wrong = refusal(
            self.count_publishers(TARGET),
            message.header.frame_id,
            position,
            quaternion_of(message.pose),
        )
        if wrong:
            self._say([Verdict(stamp, wrong)])
        else:
            if self._gripper is not None and gripping is not None:
                self._gripper.follow(gripping)

            self._say(self._judge.target(stamp, position, time.monotonic()))

    def _say(self, verdicts: list[Verdict]) -> None:
        for verdict in verdicts:
            answer = Acknowledgement(taken=not verdict.refusal, text=verdict.refusal.text)
            answer.header.stamp = to_stamp(verdict.stamp)
            if verdict.refusal:
                answer.reasons = int(verdict.refusal.reasons)

            self._acknowledgement.publish(answer)
            self.counts["refused targets" if verdict.refusal else "targets"] += 1

    def _on_reset(self, _: Reset.Request, response: Reset.Response) -> Reset.Response:
        wrong = self.missing_peers()
        response.success, response.message = not wrong, "; ".join(wrong)
        response.stamp = self.get_clock().now().to_msg()
        return response

    def _seen(self) -> list[Endpoint]:
        seen = []
        services = dict(self.get_service_names_and_types())
        for required in REQUIRED[self._driver]:
            if required.role == "action":
                for kind in services.get(f"{required.name}/_action/send_goal", []):
                    seen.append(Endpoint("action", required.name, kind.removesuffix("_SendGoal")))
                continue

            if required.role == "service":
                seen += [
                    Endpoint("service", required.name, kind)
                    for kind in services.get(required.name, [])
                ]
                continue

            look = (
                self.get_publishers_info_by_topic
                if required.role == "publisher"
                else self.get_subscriptions_info_by_topic
            )
            for info in look(required.name):
                if (info.node_name, info.node_namespace) == (self.get_name(), self.get_namespace()):
                    continue  # this node, which only listens
                reliable = info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
                seen.append(Endpoint(required.role, required.name, info.topic_type, reliable))

        return seen


def main() -> None:
    """Run the node."""
    run(Ros2Control)
