"""Stands in the bridge's place where ros2_control and CRISP's controller move the arm: no message passes through it.

It names what of theirs is missing, and answers robot/reset. It does not move the arm: a reset says from when on
observations count; the way home is the collector's `scene_reset: home`, through the safety gate like all motion.
"""

from dataclasses import dataclass

from rclpy.qos import ReliabilityPolicy
from wayfarer_common import names
from wayfarer_common.params import declare, param
from wayfarer_common.run import ContractNode, run
from wayfarer_msgs.srv import Reset

from wayfarer_ros2_control.interfaces import REQUIRED, TARGET, Endpoint, missing


@dataclass(frozen=True)
class Params:
    """Parameters of the node. What it looks for is recorded in interfaces.py."""

    driver: str = param("franka_ros2", "who drives the arm below CRISP's controller", choices=tuple(REQUIRED))


class Ros2Control(ContractNode):
    """Offers robot/reset; is ready once everything of the driver's and CRISP's is there."""

    def __init__(self) -> None:
        super().__init__("franka_bridge")
        self._driver = declare(self, Params).driver
        self.create_service(Reset, names.RESET, self._on_reset)

    def missing_peers(self) -> list[str]:
        """Return what is not there, in words."""
        return super().missing_peers() + missing(self._driver, self._seen(), self.count_publishers(TARGET))

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
                seen += [Endpoint("service", required.name, kind) for kind in services.get(required.name, [])]
                continue
            look = (
                self.get_publishers_info_by_topic
                if required.role == "publisher"
                else self.get_subscriptions_info_by_topic
            )
            for info in look(required.name):
                reliable = info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
                seen.append(Endpoint(required.role, required.name, info.topic_type, reliable))
        return seen


def main() -> None:
    """Run the node."""
    run(Ros2Control)
