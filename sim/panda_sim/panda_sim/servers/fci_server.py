"""The box's side of the Franka Control Interface.

Requests come over TCP, states and commands over UDP.
"""

import logging
import socket
from typing import Any

import numpy as np

from panda_sim.arm.box import ControlBox
from panda_sim.protocol.codes import FCI_PORT, FCI_VERSION, Command, MoveStatus
from panda_sim.protocol.wire import HEADER, REQUESTS, ROBOT_COMMAND
from panda_sim.servers.datagrams import Datagrams
from panda_sim.servers.sessions import BrokenError, Framing, Message, Session

_log = logging.getLogger("panda_sim.fci")


class FciServer:
    """Lets one client control the box.

    Raises:
        PandaSimError: the port is in use.

    """

    def __init__(self, host: str, box: ControlBox) -> None:
        self._box = box
        self._session = Session(host, FCI_PORT, Framing(HEADER, REQUESTS, "u1"))
        self._datagrams = Datagrams(host)
        self._command: Any = None
        self.mute = 0  # cycles for which it sends no state
        self.deaf = 0  # cycles for which it ignores commands

    @property
    def sockets(self) -> list[socket.socket]:
        """The sockets to wait for."""
        return [*self._session.sockets, self._datagrams.socket]

    @property
    def awaits_command(self) -> bool:
        """Whether a motion runs and an answer to the last state may still come.

        A client that has left a state unanswered is not waited for until it answers again.
        """
        motions = self._box.motions

        return (
            motions.move is not None
            and not motions.link.broken
            and self._command is None
            and not self.deaf
        )

    def serve(self) -> None:
        """Handle what has come, without waiting."""
        try:
            self._session.accept()
            for message in self._session.read():
                self._on_request(message)
            self._answer_ended()
        except BrokenError as error:
            self._lose(error)

        for data in self._datagrams.receive(ROBOT_COMMAND.itemsize):
            command = np.frombuffer(data, ROBOT_COMMAND)[0]
            if (
                int(command["message_id"]) == self._box.message_id
            ):  # a command for an older state is ignored
                self._command = command

    def cycle(self) -> None:
        """Advance the box by a millisecond, and send its state."""
        command, self._command = (None if self.deaf else self._command), None
        self._box.cycle(command)
        try:
            self._session.tick()
            self._answer_ended()
        except BrokenError as error:
            self._lose(error)

        if not self.mute:
            self._datagrams.send(self._box.state)

        self.mute, self.deaf = max(self.mute - 1, 0), max(self.deaf - 1, 0)

    def _lose(self, error: BrokenError) -> None:
        """Drop a client; log it if the client had connected."""
        level = logging.INFO if self._session.connected else logging.DEBUG
        _log.log(level, "%s: %s", self._session.peer, error)
        self.drop()

    def drop(self, abruptly: bool = False) -> None:
        """Drop the client; the arm comes to rest."""
        self._session.drop(abruptly)
        self._datagrams.speak_to(None)
        self._box.motions.lose_client()
        self._command = None

    def close(self) -> None:
        """Close every socket."""
        self._session.close()
        self._datagrams.close()

    def _on_request(self, message: Message) -> None:
        if message.command == Command.CONNECT:
            self._connect(message)
            return

        if not self._session.connected:
            raise BrokenError("the first request must be Connect")

        answer = self._box.request(message.command, message.command_id, message.given)
        if (
            answer is not None
        ):  # before other answers: StopMove's, then that of the Move that it stopped
            self._session.send(message.command, message.command_id, answer.status, answer.more)

    def _connect(self, message: Message) -> None:
        port = self._session.connect(message, FCI_VERSION)
        self._datagrams.speak_to((self._session.peer, port))
        _log.info("%s has connected", self._session.peer)

    def _answer_ended(self) -> None:
        for ended in self._box.take_ended():
            command = (
                Command.MOVE
                if isinstance(ended.status, MoveStatus)
                else Command.AUTOMATIC_ERROR_RECOVERY
            )
            self._session.send(command, ended.command_id, ended.status)
