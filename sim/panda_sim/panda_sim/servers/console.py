"""A console on loopback from which tests make faults happen.

One line asks, one line of JSON answers.
"""

import ipaddress
import json
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from panda_sim.errors import PandaSimError

_LONGEST = 4096  # bytes of a line
Action = Callable[..., Any]


class Console:
    """Reads lines from any number of clients and calls what they name.

    Args:
        address: where to listen; a loopback address, for whoever reaches it moves the arm.
        actions: by name; each takes words, returns what JSON can say, and may raise ValueError or
            PandaSimError.

    Raises:
        PandaSimError: the address is no loopback address, or cannot be had.

    """

    def __init__(self, address: tuple[str, int], actions: dict[str, Action]) -> None:
        host, port = address
        try:
            local = ipaddress.ip_address(host).is_loopback
        except ValueError as error:
            raise PandaSimError(f"console at {host}: {error}") from error

        if not local:
            raise PandaSimError(
                f"console at {host}: only a loopback address (127.0.0.0/8) is allowed"
            )

        self._actions = actions
        self._clients: dict[socket.socket, bytearray] = {}
        try:
            self._listener = socket.create_server((host, port))
        except OSError as error:
            raise PandaSimError(f"console cannot listen on {host}:{port}: {error}") from error

        self._listener.setblocking(False)

    @property
    def sockets(self) -> list[socket.socket]:
        """What to wait for."""
        return [self._listener, *self._clients]

    def serve(self) -> None:
        """Do what has been asked for, without waiting."""
        with suppress(BlockingIOError):
            client, _ = self._listener.accept()
            client.setblocking(False)
            self._clients[client] = bytearray()

        for client, heard in list(self._clients.items()):
            try:
                data = client.recv(_LONGEST)
            except BlockingIOError:
                continue
            except OSError:
                data = b""

            heard += data
            if not data or len(heard) > _LONGEST or not self._answer(client, heard):
                client.close()
                del self._clients[client]

    def _answer(self, client: socket.socket, heard: bytearray) -> bool:
        """Answer every whole line; say whether the client still listens."""
        while b"\n" in heard:
            line, _, rest = bytes(heard).partition(b"\n")
            heard[:] = rest
            try:
                client.sendall(
                    json.dumps(self._do(line.decode(errors="replace").split())).encode() + b"\n"
                )
            except OSError:
                return False

        return True

    def _do(self, words: Sequence[str]) -> Any:
        action = self._actions.get(words[0]) if words else None
        if action is None:
            return {"error": f"say one of: {', '.join(self._actions)}"}

        try:
            return action(*words[1:])
        except (ValueError, TypeError, PandaSimError) as error:
            return {"error": str(error)}

    def close(self) -> None:
        """Close every socket."""
        for s in self.sockets:
            s.close()


def ask(address: tuple[str, int], line: str, timeout: float = 10.0) -> Any:
    """Say a line to a console and return its answer.

    Raises:
        PandaSimError: it complains.
        OSError: nobody listens, or answers in time [s].

    """
    with socket.create_connection(address, timeout) as connection:
        connection.sendall(line.encode() + b"\n")
        answer = json.loads(connection.makefile().readline())

    if isinstance(answer, dict) and "error" in answer:
        raise PandaSimError(answer["error"])

    return answer
