"""One client at a time over TCP, as the box and the gripper take it: accepting, framing, and letting go."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from enum import IntEnum
from typing import Any

import numpy as np

from panda_sim.errors import PandaSimError

_FIRST_WORD = 2000  # cycles, within which a client must say Connect
_CHUNK = 4096  # bytes read in a cycle: more than any client needs
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
        """Take the first whole request out of a buffer. Raises BrokenError at an unknown command or a wrong size."""
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
    """The place of one client. While it is taken, nobody listens: a second client is refused at once.

    Args:
        host: address to listen on.
        port: TCP port.
        framing: of its messages.

    Raises:
        PandaSimError: the port cannot be had.

    """

    def __init__(self, host: str, port: int, framing: Framing) -> None:
        self._address, self._framing = (host, port), framing
        self._listener: socket.socket | None = None
        self._client: socket.socket | None = None
        self._heard, self._unsent = bytearray(), bytearray()
        self._silent = 0  # cycles since the client came
        self.connected = False  # Connect was said, and taken
        self.peer = ""  # the client's address
        try:
            self._listen()
        except OSError as error:
            raise PandaSimError(f"cannot listen on {host}:{port}: {error}") from error

    @property
    def sockets(self) -> list[socket.socket]:
        """What to wait for."""
        return [s for s in (self._listener, self._client) if s is not None]

    def _listen(self) -> None:
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self._address)
            listener.listen(1)
            listener.setblocking(False)
        except OSError:
            listener.close()
            raise
        self._listener = listener

    def accept(self) -> None:
        """Take a client, where one waits and the place is free."""
        if self._listener is None:
            return
        try:
            client, (self.peer, _) = self._listener.accept()
        except OSError:  # nobody there, or gone already
            return
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in _KEEPALIVE:
            client.setsockopt(socket.IPPROTO_TCP, option, value)
        self._listener.close()
        self._listener, self._client = None, client
        self._silent = 0

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

    def tick(self) -> None:
        """Let a millisecond pass: send on what could not be sent. Raises BrokenError as `read` does."""
        if self._client is None:
            self._listen_again()
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
        """Let the client go, where there is one, and listen again; abruptly: it is told by a reset."""
        if self._client is not None:
            if abruptly:
                linger = np.array([1, 0], np.int32).tobytes()
                self._client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self._client.close()
            self._client = None
        self._heard.clear()
        self._unsent.clear()
        self.connected = False
        self._listen_again()

    def _listen_again(self) -> None:
        if self._listener is None:
            with suppress(
                OSError
            ):  # where somebody else holds the port for a moment, the next tick tries again
                self._listen()

    def close(self) -> None:
        """Let go of everything."""
        for s in self.sockets:
            s.close()
        self._listener = self._client = None
