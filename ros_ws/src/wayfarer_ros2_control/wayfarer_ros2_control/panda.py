"""Two interfaces of multipanda_ros2 that differ from the contract: the arm's state and its
recovery.

All other messages pass directly between control and CRISP's controller.
"""

import threading
from dataclasses import dataclass
from typing import Any

from franka_msgs.action import ErrorRecovery
from franka_msgs.msg import FrankaRobotState, FrankaState
from franka_msgs.srv import ErrorRecovery as RecoveryService
from rclpy.action import ActionServer
from rclpy.action.server import ServerGoalHandle
from wayfarer_common import contract, qos
from wayfarer_common.params import declare
from wayfarer_common.run import ContractNode, run
from wayfarer_core import names
from wayfarer_core.errors import DeviceError
from wayfarer_core.parameter import param

from wayfarer_ros2_control.interfaces import RECOVERY, STATE
from wayfarer_ros2_control.panda_state import fill

_JOINTS = [f"panda_joint{i}" for i in range(1, 8)]


@dataclass(frozen=True)
class Params:
    """Parameters of the node."""

    recovery_timeout: float = param(15.0, "longest time a recovery may take [s]", 1.0, 120.0)


class PandaNames(ContractNode):
    """Translates robot/robot_state and robot/error_recovery."""

    def __init__(self) -> None:
        super().__init__("panda_names")
        self._params = declare(self, Params)
        self._message = FrankaRobotState()
        self._robot = self.publish_to(contract.ROBOT_STATE)
        self.create_subscription(FrankaState, STATE, self._on_state, qos.STATE)
        self._recovery: Any = self.create_client(RecoveryService, RECOVERY)
        self._action = ActionServer(self, ErrorRecovery, names.ERROR_RECOVERY, self._on_recovery)

    def _on_state(self, state: FrankaState) -> None:
        fill(self._message, state, _JOINTS)
        self._robot.publish(self._message)
        self.counts["states"] += 1

    async def _on_recovery(self, handle: ServerGoalHandle) -> ErrorRecovery.Result:  # type: ignore[type-arg]
        """Recover. The goal is aborted if the driver did not answer, and succeeds if it did,
        whether the robot is well or not.
        """
        try:
            await self.in_thread(self._recover)
            handle.succeed()
        except DeviceError as error:
            self.get_logger().error(f"recovery: {error}")
            handle.abort()

        return ErrorRecovery.Result()

    def _recover(self) -> None:
        """Call the driver and wait. Raises DeviceError if it does not answer."""
        seconds = self._params.recovery_timeout
        if not self._recovery.wait_for_service(seconds):
            raise DeviceError(f"no service {RECOVERY} within {seconds:g} s")

        answered, answer = threading.Event(), self._recovery.call_async(RecoveryService.Request())
        answer.add_done_callback(lambda _: answered.set())
        if not answered.wait(seconds):
            raise DeviceError(f"{RECOVERY} did not answer within {seconds:g} s")

        said = answer.result()
        if said is not None and not said.success:
            self.get_logger().warning(f"recovery, in vain: {said.error}")

        self.counts["recoveries"] += 1


def main() -> None:
    """Run the node."""
    run(PandaNames)
