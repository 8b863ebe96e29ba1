"""Publishes a person's commands at a device as teleop/command.

They come from sensor_msgs/Joy, geometry_msgs/TwistStamped, or keys.

Each message of a driver gives one command. If the driver falls silent, so does this node, and then
the arm holds.
"""

import time
from contextlib import ExitStack
from dataclasses import replace

from geometry_msgs.msg import TwistStamped
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Joy
from wayfarer_common import contract
from wayfarer_common.conversions import to_stamp
from wayfarer_common.keyboard import HELP, Keys
from wayfarer_common.params import declare
from wayfarer_common.run import ContractNode, run
from wayfarer_common.teleop import Command
from wayfarer_common.terminal import keys_of_terminal
from wayfarer_core import names
from wayfarer_core.errors import DataError
from wayfarer_msgs.msg import TeleopCommand

from wayfarer_teleop.mapping import JoyMapping, twist_command
from wayfarer_teleop.params import JOY, TWIST, Params

_PERIOD = 0.05  # s between two commands of a keyboard


class Device(ContractNode):
    """Publishes teleop/command."""

    def __init__(self) -> None:
        super().__init__("teleop")
        self._command = self.publish_to(contract.TELEOP_COMMAND)

    def say(self, command: Command) -> None:
        """Publish the person's command."""
        message = TeleopCommand(engaged=command.engaged, mark=int(command.mark))
        message.header.stamp, message.header.frame_id = (
            to_stamp(round(command.stamp * 1e9)),
            names.BASE_FRAME,
        )
        message.action, message.gripper = command.action, float(command.gripper)
        self._command.publish(message)
        self.counts["commands"] += 1


class Teleop(Device):
    """A device whose driver publishes a Joy, or a program that publishes velocities."""

    def __init__(self) -> None:
        super().__init__()
        self._params = declare(self, Params)
        self._by_velocity = self._params.device == "topic"
        self._mapping = JoyMapping(self._params)
        self._heard = 0.0  # monotonic s
        self._wish: Command | None = None  # of the last velocity
        self.create_subscription(Joy, JOY, self._on_joy, qos_profile_sensor_data)

        if self._by_velocity:
            self.create_subscription(TwistStamped, TWIST, self._on_twist, qos_profile_sensor_data)

    def problem(self) -> str:
        """Report a silent device."""
        silence = time.monotonic() - self._heard
        if silence <= self._params.silence:
            return ""
        topic = TWIST if self._by_velocity else JOY

        return f"nothing on {self.resolve_topic_name(topic)} for {self._params.silence:g} s"

    def _on_joy(self, message: Joy) -> None:
        before = self._mapping.gripper
        try:
            command = self._mapping.command(time.time(), message.axes, message.buttons)
        except DataError as error:
            self._refuse(error)
            return

        if not self._by_velocity:
            self._heard = time.monotonic()
            self.say(command)
        elif command.mark or command.gripper != before:
            # what is wished for stays as it is, and as old as it is
            wish = self._wish or command
            self.say(replace(wish, mark=command.mark, gripper=command.gripper))

    def _on_twist(self, message: TwistStamped) -> None:
        v = message.twist.linear
        try:
            frame = message.header.frame_id
            wish = twist_command(time.time(), frame, (v.x, v.y, v.z), self._params.full_speed)
            self._wish = replace(wish, gripper=self._mapping.gripper)
            self._heard = time.monotonic()
            self.say(self._wish)
        except DataError as error:
            self._refuse(error)

    def _refuse(self, error: DataError) -> None:
        self.counts["refused"] += 1
        self.get_logger().warning(str(error), throttle_duration_sec=1.0)


class Keyboard(Device):
    """The keyboard of this terminal.

    The node ends with the terminal; the arm then holds.
    """

    def __init__(self) -> None:
        super().__init__()
        self._keys = Keys()
        self.create_timer(_PERIOD, self._on_tick, clock=self.steady)
        self._taken = ExitStack()
        self._terminal = self._taken.enter_context(keys_of_terminal())
        print(HELP, flush=True)

    def close(self) -> None:
        """Restore the terminal."""
        self._taken.close()

    def _on_tick(self) -> None:
        now = time.monotonic()
        for key in self._terminal.read(0.0):
            self._keys.press(key, now)
        self.say(self._keys.command(time.time(), now))


def main() -> None:
    """Run the node of a device with a driver."""
    run(Teleop)


def keyboard() -> None:
    """Run the node of this terminal."""
    run(Keyboard)
