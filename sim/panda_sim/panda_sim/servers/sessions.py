"""One client at a time over TCP, as the box and the gripper take it.

Accepting, framing, and letting go.
"""

import select
import socket
from collections.abc import Iterator
from enum import IntEnum
from typing import Any

import numpy as np

from panda_sim.errors import PandaSimError
from panda_sim.protocol.codes import ConnectStatus
from panda_sim.protocol.wire import CONNECT_ANSWER

_FIRST_WORD = 2000  # cycles, within which a client must say Connect
_CHUNK = 4096  # bytes read in a cycle: more than any client needs
_BACKLOG = 8
_UNREAD = 1 << 20  # bytes of answers that a client may leave unread
_KEEPALIVE = (
    (socket.TCP_KEEPIDLE, 1),
    (socket.TCP_KEEPINTVL, 1),
    (socket.TCP_KEEPCNT, 3),
)  # s, s, times


class BrokenError(Exception):
    """What a client said makes no sense; its connection is closed."""


class Message:
    """A request: which, its number, and its body as a record."""

    def __init__(self, command: Any, command_id: int, given: Any) -> None:
        self.command, self.command_id, self.given = command, command_id, given


class Framing:
    """How a stream of bytes is cut into requests.

    Args:
        header: type of the header, with command, command_id and size of the whole message.
        requests: the body of each command.
        status: type of an answer's status.

    """

    def __init__(
        self, header: np.dtype[Any], requests: dict[Any, np.dtype[Any]], status: str
    ) -> None:
        self._header, self._requests, self._status = header, requests, np.dtype(status)

    def cut(self, buffer: bytearray) -> Message | None:
        """Take the first whole request out of a buffer.

        Raises BrokenError at an unknown command or a wrong size.
        """
        length = self._header.itemsize
        if len(buffer) < length:
            return None

        header = np.frombuffer(bytes(buffer[:length]), self._header)[0]
        number, size = int(header["command"]), int(header["size"])
        body = next((kind for command, kind in self._requests.items() if command == number), None)
        if body is None:
            raise BrokenError(f"there is no command {number}")
        if size != length + body.itemsize:
            raise BrokenError(
                f"command {number} says it has {size} bytes: it has {length + body.itemsize}"
            )
        if len(buffer) < size:
            return None

        data = bytes(buffer[length:size])
        del buffer[:size]
        given = np.frombuffer(data, body)[0] if body.itemsize else np.zeros(1, body)[0]

        return Message(
            next(c for c in self._requests if c == number), int(header["command_id"]), given
        )

    def answer(self, command: IntEnum, command_id: int, status: int, more: bytes = b"") -> bytes:
        """Return an answer's bytes."""
        size = self._header.itemsize + self._status.itemsize + len(more)
        header = np.array([(int(command), command_id, size)], self._header)
        return header.tobytes() + np.array(status, self._status).tobytes() + more


class Session:
    """The place of one client.

    A second one is turned away by a reset, so that it does not wait in vain.

    Args:
        host: address to listen on.
        port: TCP port.
        framing: of its messages.

    Raises:
        PandaSimError: the port cannot be had.

    """

    def __init__(self, host: str, port: int, framing: Framing) -> None:
        self._framing = framing
        self._client: socket.socket | None = None
        self._next: tuple[socket.socket, str] | None = None  # who comes when the client has gone
        self._heard, self._unsent = bytearray(), bytearray()
        self._silent = 0  # cycles since the client came
        self.connected = False  # Connect was said, and taken
        self.peer = ""  # the client's address

        try:
            self._listener = socket.create_server((host, port), backlog=_BACKLOG)
        except OSError as error:
            raise PandaSimError(f"cannot listen on {host}:{port}: {error}") from error

        self._listener.setblocking(False)

    @property
    def sockets(self) -> list[socket.socket]:
        """What to wait for."""
        return [self._listener] if self._client is None else [self._listener, self._client]

    def accept(self) -> None:
        """Take a client, where one waits and the place is free.

        Raises:
            BrokenError: the place is taken by a client that has gone.

        """
        try:
            client, (peer, _) = self._listener.accept()
        except OSError:  # nobody there, or gone already
            return

        if self._client is None:
            self._take(client, peer)
        elif _is_gone(self._client) and self._next is None:
            self._next = (client, peer)
            raise BrokenError("the client has gone")
        else:
            _reset(client)

    def _take(self, client: socket.socket, peer: str) -> None:
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            client.setsockopt(socket.IPPROTO_TCP, option, value)

        self._client, self.peer, self._silent = client, peer, 0

    def read(self) -> Iterator[Message]:
        """Return the requests that have come, a few at a time.

        Raises:
            BrokenError: the client is gone, or what it says makes no sense.

        """
        client = self._client
        if client is None:
            return

        try:
            data = client.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            raise BrokenError(f"the connection broke: {error}") from error

        if not data:
            raise BrokenError("the client has gone")

        self._heard += data
        while self._client is client and (message := self._framing.cut(self._heard)) is not None:
            yield message

    def connect(self, request: Message, version: int) -> int:
        """Answer a client's Connect, as box and gripper do; return its UDP port.

        Raises:
            BrokenError: it has connected already, speaks another version, or names no port.

        """
        if self.connected:
            raise BrokenError("Connect was said twice")

        more = np.array([version], CONNECT_ANSWER).tobytes()
        wanted, port = int(request.given["version"]), int(request.given["udp_port"])
        if wanted != version:
            self.send(request.command, request.command_id, ConnectStatus.INCOMPATIBLE, more)
            raise BrokenError(f"it speaks version {wanted}, not {version}")

        if port == 0:
            raise BrokenError("it names no UDP port")

        self.connected = True
        self.send(request.command, request.command_id, ConnectStatus.SUCCESS, more)

        return port

    def tick(self) -> None:
        """Let a millisecond pass: send what could not be sent.

        Raises BrokenError as `read` does.
        """
        if self._client is None:
            return

        self._flush()
        if not self.connected:
            self._silent += 1
            if self._silent > _FIRST_WORD:
                raise BrokenError(f"no Connect within {_FIRST_WORD} ms")

    def send(self, command: IntEnum, command_id: int, status: int, more: bytes = b"") -> None:
        """Answer. Raises BrokenError where the client does not read its answers."""
        if self._client is not None:
            self._unsent += self._framing.answer(command, command_id, status, more)
            self._flush()

    def _flush(self) -> None:
        if self._client is None or not self._unsent:
            return

        try:
            del self._unsent[: self._client.send(self._unsent)]
        except BlockingIOError:
            if len(self._unsent) > _UNREAD:
                raise BrokenError("the client does not read its answers") from None
        except OSError as error:
            raise BrokenError(f"the connection broke: {error}") from error

    def drop(self, abruptly: bool = False) -> None:
        """Let the client go, where there is one; abruptly: it is told by a reset."""
        if self._client is not None:
            if abruptly:
                _reset(self._client)
            self._client.close()
            self._client = None

        self._heard.clear()
        self._unsent.clear()
        self.connected = False

        if self._next is not None:
            self._take(*self._next)
            self._next = None

    def close(self) -> None:
        """Let go of everything."""
        self._listener.close()
        self.drop()


def _is_gone(client: socket.socket) -> bool:
    """Say whether a client has closed its end."""
    look = select.poll()
    look.register(client, select.POLLRDHUP)
    return bool(look.poll(0))


def _reset(client: socket.socket) -> None:
    """Close a connection so that the other end knows at once."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, np.array([1, 0], np.int32).tobytes())
    client.close()
