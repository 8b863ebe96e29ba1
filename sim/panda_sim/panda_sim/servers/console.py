"""A console on loopback with which tests inject faults.

One line is a request, one line of JSON its answer.
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
    """Reads lines from any number of clients and calls the actions that they name.

    Args:
        address: where to listen; a loopback address, because any client can move the arm.
        actions: by name; each takes words, returns JSON values, and may raise ValueError or
            PandaSimError.

    Raises:
        PandaSimError: the address is not on loopback, or is in use.

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
        """The sockets to wait for."""
        return [self._listener, *self._clients]

    def serve(self) -> None:
        """Handle requests that have come, without waiting."""
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
        """Answer every complete line; say whether the client still listens."""
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
    """Send a line to a console and return its answer.

    Raises:
        PandaSimError: it reports an error.
        OSError: nobody listens, or answers within the timeout [s].

    """
    with socket.create_connection(address, timeout) as connection:
        connection.sendall(line.encode() + b"\n")
        answer = json.loads(connection.makefile().readline())

    if isinstance(answer, dict) and "error" in answer:
        raise PandaSimError(answer["error"])

    return answer
