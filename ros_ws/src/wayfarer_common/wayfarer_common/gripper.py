"""What bridges have in common of a gripper: their ear for targets, and franka_gripper's actions."""

from collections.abc import Callable
from functools import partial
from typing import Any

from franka_msgs.action import Grasp, Move
from franka_msgs.msg import GraspEpsilon
from geometry_msgs.msg import PoseStamped
from rclpy.action import ActionClient
from wayfarer_core.errors import DataError
from wayfarer_core.targets import CLOSED, WIDEST, Grip, Gripping, Targets
from wayfarer_msgs.msg import GripperTarget

from wayfarer_common import contract
from wayfarer_common.conversions import to_nanoseconds
from wayfarer_common.run import ContractNode

Follow = Callable[[PoseStamped, Gripping | None], None]


def failed(why: str | None) -> str:
    """Say in words that a gripper's last motion failed; empty where it did not."""
    return f"the gripper's last motion failed: {why}" if why else ""


class TargetListener:
    """Passes targets on, each with what the gripper does from it on.

    The bridge itself subscribes to robot/target_pose, with `pose`.

    Args:
        node: the bridge.
        width: that the gripper opens to [m]; 0: it stays closed, and is not listened for.
        follow: hears each target, and what goes with it.
        stop: stops the gripper, at once.

    """

    def __init__(
        self, node: ContractNode, width: float, follow: Follow, stop: Callable[[], None]
    ) -> None:
        self._node, self._width, self._follow, self._stop = node, width, follow, stop
        self._targets: Targets[PoseStamped] = Targets(width > CLOSED)
        if width > CLOSED:
            node.subscribe_to(contract.TARGET_GRIPPER, self._on_gripper)

    def pose(self, message: PoseStamped) -> None:
        """Hear robot/target_pose."""
        for due in self._targets.pose(to_nanoseconds(message.header.stamp), message):
            self._follow(*due)

    def _on_gripper(self, message: GripperTarget) -> None:
        try:
            gripping = self._gripping(message)
        except DataError as error:
            self._node.counts["refused grips"] += 1
            log = self._node.get_logger()  # type: ignore[no-untyped-call]
            log.error(str(error), throttle_duration_sec=1.0)
            gripping = Gripping(Grip.STOP)

        if gripping.grip is Grip.STOP:
            self._stop()

        for due in self._targets.grip(to_nanoseconds(message.header.stamp), gripping):
            self._follow(*due)

    def _gripping(self, message: GripperTarget) -> Gripping:
        """Return what a message says. DataError where that is beyond what a gripper may do."""
        known = message.grip in tuple(Grip)
        if not known or not CLOSED <= message.width <= self._width:  # NaN is refused, too
            raise DataError(
                f"grip {message.grip} with width {message.width:g} m was refused, the gripper "
                f"stops: grips are 0 to {max(Grip):d}, widths {CLOSED:g} to {self._width:g} m"
            )

        return Gripping(Grip(message.grip), message.width)


class GripperActions:
    """Moves the gripper of a node franka_gripper: franka_ros2's, or one that offers the same.

    What is asked for is told once, however often it is asked; it is never homed.

    Args:
        node: who asks.
        called: the name of franka_gripper's node, in which its actions are.
        speed: of the width [m/s].
        force: of a grip [N].

    """

    def __init__(self, node: ContractNode, called: str, speed: float, force: float) -> None:
        self._node, self._called = node, called
        # of rclpy, which has types in some releases only
        client: Callable[..., Any] = ActionClient
        self._move = client(node, Move, f"{called}/move")
        self._grasp = client(node, Grasp, f"{called}/grasp")
        self._speed, self._force = speed, force
        self._doing: Gripping | None = None  # what it was told last, unless that failed
        self._number = 0  # of the newest goal; answers to earlier ones count no more
        self._goal: Any = None  # its handle, while it is carried out
        self.failure = ""  # of the last motion

    def missing(self) -> list[str]:
        """Return, in words, which of its actions nobody offers."""
        return [
            f"no action of {self._called}/{verb} (franka_gripper should be it)"
            for verb, client in (("move", self._move), ("grasp", self._grasp))
            if not client.server_is_ready()
        ]

    def follow(self, gripping: Gripping) -> None:
        """Let it do something from now on."""
        if gripping.grip is Grip.KEEP or gripping == self._doing:
            return

        self._doing = gripping
        self._number += 1
        if gripping.grip is Grip.STOP:
            if self._goal is not None:
                self._goal.cancel_goal_async()  # franka_gripper stops the fingers then
                self._goal = None
        elif gripping.grip is Grip.OPEN:
            self._send(self._move, Move.Goal(width=gripping.width, speed=self._speed))
        else:  # whatever is between the fingers is held, and nothing at all, too
            any_size = GraspEpsilon(inner=WIDEST, outer=WIDEST)
            self._send(
                self._grasp,
                Grasp.Goal(width=CLOSED, epsilon=any_size, speed=self._speed, force=self._force),
            )

    def _send(self, client: Any, goal: Any) -> None:
        self.failure, self._goal = "", None
        answered = self._node.guarded(partial(self._on_answer, self._number))
        client.send_goal_async(goal).add_done_callback(answered)

    def _on_answer(self, number: int, answer: Any) -> None:
        handle = answer.result()
        accepted = handle is not None and handle.accepted
        if number != self._number:
            if accepted and self._doing is not None and self._doing.grip is Grip.STOP:
                handle.cancel_goal_async()  # it was stopped before it was heard of
        elif accepted:
            self._goal = handle
            ended = self._node.guarded(partial(self._on_result, number))
            handle.get_result_async().add_done_callback(ended)
        else:
            self._fail("franka_gripper did not accept it")

    def _on_result(self, number: int, result: Any) -> None:
        if number != self._number:
            return

        self._goal = None
        said = result.result().result
        if not said.success:
            self._fail(said.error or "it did not come to where it should")

    def _fail(self, why: str) -> None:
        """Note why; asked for once more, it is tried once more."""
        self.failure, self._doing = why, None
