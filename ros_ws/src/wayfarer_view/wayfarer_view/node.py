"""Publishes what RViz, Foxglove and the bag show.

The end effector on /tf, and markers of box, targets and goal.

It only listens. No other node waits for it, and a run goes on without it.
"""

import numpy as np
from geometry_msgs.msg import PointStamped, PoseStamped
from rcl_interfaces.srv import GetParameters
from rclpy.task import Future
from tf2_msgs.msg import TFMessage
from wayfarer_common import contract
from wayfarer_common.conversions import position_of, quaternion_of, to_nanoseconds, transform
from wayfarer_common.params import declare
from wayfarer_common.run import ContractNode, run
from wayfarer_core import names
from wayfarer_core.reason import Reason
from wayfarer_core.safety import Workspace
from wayfarer_msgs.msg import ExecutedAction
from wayfarer_report.view.scene import Scene
from wayfarer_report.view.shapes import shapes_of

from wayfarer_view.markers import markers_of
from wayfarer_view.params import Params

_BOX = ["workspace_min", "workspace_max", "action_scale"]  # parameters of control


class View(ContractNode):
    """Turns robot/current_pose into /tf, and messages of control and novelty into view/markers."""

    def __init__(self) -> None:
        super().__init__("view")
        p = declare(self, Params)
        self._scene = Scene()
        self._tf = self.publish_to(contract.TF)
        self._markers = self.publish_to(contract.MARKERS)
        self.subscribe_to(contract.CURRENT_POSE, self._on_pose)
        self.subscribe_to(contract.EXECUTED, self._on_executed)
        self.subscribe_to(contract.GOAL_POSITION, self._on_goal, required=False)
        self._control = self.create_client(GetParameters, "control/get_parameters")
        self._asking = self.create_timer(p.ask_period, self._ask, clock=self.steady)

    def problem(self) -> str:
        """Report that the box is not known yet."""
        return "" if self._scene.workspace else "control has not told its box yet"

    def _ask(self) -> None:
        """Ask control for its workspace box.

        Control's own parameters are the only reliable source.
        """
        if self._control.service_is_ready():
            answer = self._control.call_async(GetParameters.Request(names=_BOX))
            answer.add_done_callback(self.guarded(self._on_box))

    def _on_box(self, answer: Future) -> None:  # type: ignore[type-arg]
        low, high, scale = answer.result().values  # type: ignore[union-attr]
        low, high = (np.array(corner.double_array_value) for corner in (low, high))
        self._scene.workspace = Workspace(low, high, scale.double_value)
        self._asking.cancel()
        self._show()

    def _on_pose(self, message: PoseStamped) -> None:
        position, stamp = position_of(message.pose), to_nanoseconds(message.header.stamp)
        self._scene.moved(stamp, position)
        moved = transform(names.END_EFFECTOR_FRAME, position, quaternion_of(message.pose), stamp)
        self._tf.publish(TFMessage(transforms=[moved]))
        self.counts["poses"] += 1

    def _on_executed(self, message: ExecutedAction) -> None:
        target = position_of(message.target) if message.commanded else None
        requested = np.asarray(message.requested, dtype=float)
        self._scene.executed(
            to_nanoseconds(message.header.stamp), requested, target, Reason(message.reasons)
        )
        self._show()

    def _on_goal(self, message: PointStamped) -> None:
        self._scene.goal = np.array((message.point.x, message.point.y, message.point.z))
        self._show()

    def _show(self) -> None:
        self._markers.publish(markers_of(shapes_of(self._scene)))
        self.counts["markers"] += 1


def main() -> None:
    """Run the node."""
    run(View)
