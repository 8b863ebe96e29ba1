"""One client at a time over TCP, for the box and for the gripper.

It accepts a client, cuts the stream into messages, and drops the client.
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

_FIRST_WORD = 2000  # cycles, deadline of a client's Connect
_CHUNK = 4096  # bytes read in a cycle: more than any client needs
_BACKLOG = 8
_UNREAD = 1 << 20  # bytes of unread answers that a client may leave
_KEEPALIVE = (
    (socket.TCP_KEEPIDLE, 1),
    (socket.TCP_KEEPINTVL, 1),
    (socket.TCP_KEEPCNT, 3),
)  # s, s, times


class BrokenError(Exception):
    """A client sent an invalid message; its connection is closed."""


class Message:
    """A request: command, id, and body as a record."""

    def __init__(self, command: Any, command_id: int, given: Any) -> None:
        self.command, self.command_id, self.given = command, command_id, given


class Framing:
    """Cuts a stream of bytes into requests.

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
        """Remove and return the first complete request of a buffer.

        Raises BrokenError for an unknown command or a wrong size.
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
    """The connection of one client.

    A second client is reset at once, so that it does not wait.

    Args:
        host: address to listen on.
        port: TCP port.
        framing: of its messages.

    Raises:
        PandaSimError: the port is in use.

    """

    def __init__(self, host: str, port: int, framing: Framing) -> None:
        self._framing = framing
        self._client: socket.socket | None = None
        self._next: tuple[socket.socket, str] | None = None  # accepted when the client has gone
        self._heard, self._unsent = bytearray(), bytearray()
        self._silent = 0  # cycles since the client came
        self.connected = False  # Connect has succeeded
        self.peer = ""  # the client's address

        try:
            self._listener = socket.create_server((host, port), backlog=_BACKLOG)
        except OSError as error:
            raise PandaSimError(f"cannot listen on {host}:{port}: {error}") from error

        self._listener.setblocking(False)

    @property
    def sockets(self) -> list[socket.socket]:
        """The sockets to wait for."""
        return [self._listener] if self._client is None else [self._listener, self._client]

    def accept(self) -> None:
        """Accept a waiting client if there is none yet.

        Raises:
            BrokenError: the present client has gone.

        """
        try:
            client, (peer, _) = self._listener.accept()
        except OSError:  # nobody waits, or it has gone already
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
        """Yield the requests that have come, a few at a time.

        Raises:
            BrokenError: the client has gone, or sent an invalid message.

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
        """Answer a client's Connect, like box and gripper; return its UDP port.

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
        """Count a millisecond; send answers that could not be sent before.

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
        """Send an answer. Raises BrokenError if the client does not read its answers."""
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
        """Drop the client, if there is one; `abruptly` resets the connection."""
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
        """Close all sockets."""
        self._listener.close()
        self.drop()


def _is_gone(client: socket.socket) -> bool:
    """Say whether a client has closed its end."""
    look = select.poll()
    look.register(client, select.POLLRDHUP)
    return bool(look.poll(0))


def _reset(client: socket.socket) -> None:
    """Close a connection with a reset, so that the other end notices at once."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, np.array([1, 0], np.int32).tobytes())
    client.close()
