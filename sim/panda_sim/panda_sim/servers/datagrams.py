"""States go out over UDP, a datagram each, and commands come back to the same socket."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

_AT_ONCE = 64  # datagrams looked at in a cycle: garbage must not hold the arm up


class Datagrams:
    """A UDP socket that speaks with one client.

    Args:
        host: address to send from.

    """

    def __init__(self, host: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self._client: tuple[str, int] | None = None

    def speak_to(self, client: tuple[str, int] | None) -> None:
        """Send to a client's address from now on, and listen to it alone; None: to nobody."""
        self._client = client

    def send(self, data: Any) -> None:
        """Send; what the network does not take is lost, as on a pulled cable."""
        if self._client is not None:
            with suppress(OSError):
                self.socket.sendto(data, self._client)

    def receive(self, size: int) -> Iterator[bytes]:
        """Return what has come from the client and has the right size [bytes]."""
        for _ in range(_AT_ONCE):
            try:
                data, sender = self.socket.recvfrom(size + 1)
            except (
                OSError
            ):  # nothing more, or an error of the network that a datagram does not know
                return

            if sender == self._client and len(data) == size:
                yield data

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()
