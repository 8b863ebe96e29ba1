"""States are sent over UDP, one datagram each; commands come back to the same socket."""

import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

_AT_ONCE = 64  # datagrams processed in a cycle: garbage must not delay the arm


class Datagrams:
    """A UDP socket for one client.

    Args:
        host: address to send from.

    """

    def __init__(self, host: str) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind((host, 0))
        self.socket.setblocking(False)
        self._client: tuple[str, int] | None = None

    def speak_to(self, client: tuple[str, int] | None) -> None:
        """From now on send to this address and accept only its datagrams; None: nobody's."""
        self._client = client

    def send(self, data: Any) -> None:
        """Send; a datagram that the network refuses is lost, as with a pulled cable."""
        if self._client is not None:
            with suppress(OSError):
                self.socket.sendto(data, self._client)

    def receive(self, size: int) -> Iterator[bytes]:
        """Yield datagrams of the right size [bytes] that have come from the client."""
        for _ in range(_AT_ONCE):
            try:
                data, sender = self.socket.recvfrom(size + 1)
            except OSError:  # nothing more, or a network error that does not matter for datagrams
                return

            if sender == self._client and len(data) == size:
                yield data

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()
