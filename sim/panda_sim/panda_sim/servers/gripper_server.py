"""The hand's side of Franka's gripper interface: requests over TCP, states over UDP."""

import logging
import socket

import numpy as np

from panda_sim.arm.gripper import Gripper
from panda_sim.protocol.codes import GRIPPER_PORT, GRIPPER_VERSION, GripperCommand
from panda_sim.protocol.wire import GRIPPER_HEADER, GRIPPER_REQUESTS, GRIPPER_STATE
from panda_sim.servers.datagrams import Datagrams
from panda_sim.servers.sessions import BrokenError, Framing, Message, Session

_STATE_EVERY = 10  # ms between two states; assumed
_log = logging.getLogger("panda_sim.gripper")


class GripperServer:
    """Lets one client control a gripper.

    Raises:
        PandaSimError: the port is in use.

    """

    def __init__(self, host: str, gripper: Gripper) -> None:
        self._gripper = gripper
        self._session = Session(
            host, GRIPPER_PORT, Framing(GRIPPER_HEADER, GRIPPER_REQUESTS, "<u2")
        )
        self._datagrams = Datagrams(host)
        self._cycles = 0

    @property
    def sockets(self) -> list[socket.socket]:
        """The sockets to wait for."""
        return self._session.sockets

    def serve(self) -> None:
        """Handle what has come, without waiting."""
        try:
            self._session.accept()
            for message in self._session.read():
                self._on_request(message)
        except BrokenError as error:
            self._lose(error)

    def cycle(self, width: float, speed: float) -> float:
        """Advance by a millisecond; return the force on each finger [N]. See Gripper.cycle."""
        force = self._gripper.cycle(width, speed)
        try:
            self._session.tick()
            self._answer_ended()
        except BrokenError as error:
            self._lose(error)

        self._cycles += 1
        if self._cycles % _STATE_EVERY == 0:
            g = self._gripper
            state = (self._cycles % 2**32, g.width, g.max_width, g.is_grasped, g.temperature)
            self._datagrams.send(np.array([state], GRIPPER_STATE).tobytes())

        return force

    def close(self) -> None:
        """Close every socket."""
        self._session.close()
        self._datagrams.close()

    def _lose(self, error: BrokenError) -> None:
        level = logging.INFO if self._session.connected else logging.DEBUG
        _log.log(level, "%s: %s", self._session.peer, error)
        self._session.drop()
        self._datagrams.speak_to(None)
        self._gripper.lose_client()

    def _on_request(self, message: Message) -> None:
        if message.command == GripperCommand.CONNECT:
            self._connect(message)
            return

        if not self._session.connected:
            raise BrokenError("the first request must be Connect")

        answer = self._gripper.request(message.command, message.command_id, message.given)
        self._answer_ended()
        if answer is not None:
            self._session.send(message.command, message.command_id, answer.status, answer.more)

    def _connect(self, message: Message) -> None:
        port = self._session.connect(message, GRIPPER_VERSION)
        self._datagrams.speak_to((self._session.peer, port))

    def _answer_ended(self) -> None:
        ended, self._gripper.ended = self._gripper.ended, []
        for done in ended:
            self._session.send(done.command, done.command_id, done.status)
