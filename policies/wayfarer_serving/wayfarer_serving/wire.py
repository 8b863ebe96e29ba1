"""The wire format between an actor and a policy server.

It sends frames of JSON and bytes over a TCP connection on this machine.

A frame is two big-endian uint32, the lengths of header and body; then the header, one JSON object
in UTF-8; then the body, raw bytes. docs/external_policies.md describes the frames of a
conversation. Needs only Python's standard library.
"""

import ipaddress
import json
import math
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROTOCOL, VERSION = "wayfarer-policy", 1
# numbers of each
FELT = {"ee_orientation": 4, "joint_positions": 7, "joint_velocities": 7, "gripper_width": 1}

_LENGTHS = struct.Struct(">II")
_LONGEST = (1 << 20, 1 << 26)  # bytes of header and body; a longer frame is refused
_CHUNK = 1 << 16  # bytes per read: a declared length alone must not reserve memory


class WireError(Exception):
    """A frame is invalid or late, or the connection is gone; the message says which."""


@dataclass(frozen=True)
class Frame:
    """One message of the protocol."""

    header: dict[str, Any]
    body: bytes = b""


def endpoint(address: str) -> tuple[str, int]:
    """Return host and port of HOST:PORT, as in 127.0.0.1:5555.

    ValueError if it is not of this machine.
    """
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    number = int(port) if port.isascii() and port.isdigit() else -1
    if not host or not 0 <= number <= 65535:
        raise ValueError(f"address {address!r} must be HOST:PORT, as 127.0.0.1:5555")
    if not _is_here(host):
        raise ValueError(
            f"address {address!r}: only this machine's own, 127.0.0.1 or localhost: the protocol "
            "knows no password; a tunnel of ssh reaches another machine"
        )

    return host, number


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True

    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # a host name
        return False


def connect(address: str, deadline: float) -> socket.socket:
    """Connect to HOST:PORT until `deadline` [s, monotonic].

    Raises WireError; ValueError for an invalid address.
    """
    where = endpoint(address)
    try:
        connection = socket.create_connection(where, timeout=_left(deadline))
    except OSError as error:
        raise WireError(f"nobody answers: {error.strerror or error}") from error

    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    return connection


def send(connection: socket.socket, frame: Frame, deadline: float) -> None:
    """Send a frame until `deadline` [s, monotonic]. Raises WireError."""
    header = json.dumps(frame.header, allow_nan=False).encode()
    try:
        connection.settimeout(_left(deadline))
        connection.sendall(_LENGTHS.pack(len(header), len(frame.body)) + header + frame.body)
    except TimeoutError as error:
        raise WireError("nothing is taken any more") from error
    except OSError as error:
        raise WireError(f"the connection is gone: {error.strerror or error}") from error


def receive(connection: socket.socket, deadline: float) -> Frame:
    """Return the next frame, complete by `deadline` [s, monotonic]. Raises WireError."""
    lengths = _LENGTHS.unpack(_read(connection, _LENGTHS.size, deadline))
    if any(length > longest for length, longest in zip(lengths, _LONGEST, strict=True)):
        raise WireError(
            f"what came is no frame: lengths of {lengths} bytes, allowed are {_LONGEST}"
        )

    header = _parsed(_read(connection, lengths[0], deadline))

    return Frame(header, _read(connection, lengths[1], deadline))


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        header = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise WireError(f"what came is no frame: its header is no JSON ({error})") from error

    if not isinstance(header, dict):
        raise WireError("what came is no frame: its header is no JSON object")

    return header


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


def _read(connection: socket.socket, length: int, deadline: float) -> bytes:
    """Return exactly `length` bytes."""
    found = bytearray()
    while len(found) < length:
        try:
            connection.settimeout(_left(deadline))
            chunk = connection.recv(min(length - len(found), _CHUNK))
        except TimeoutError as error:
            came = (
                "nothing came"
                if not found
                else f"half a frame came, {len(found)} of {length} bytes,"
            )
            raise WireError(f"{came} in time") from error
        except OSError as error:
            raise WireError(f"the connection is gone: {error.strerror or error}") from error

        if not chunk:
            raise WireError(
                "the connection was closed" + (" in the middle of a frame" if found else "")
            )

        found += chunk

    return bytes(found)


def _left(deadline: float) -> float:
    """Return the remaining time [s].

    Never 0: for a socket this would mean no waiting at all instead of a timeout.
    """
    return max(deadline - time.monotonic(), 1e-3)


def vector(header: Mapping[str, Any], key: str, length: int = 3) -> tuple[float, ...]:
    """Return `length` finite numbers of a header. Raises WireError if it has none."""
    found = numbers(header.get(key))
    if found is None or len(found) != length:
        raise WireError(f"{key} must be {length} finite numbers, not {shortened(header.get(key))}")
    return tuple(found)


def optional_vector(header: Mapping[str, Any], key: str, length: int) -> tuple[float, ...] | None:
    """Return what `vector` does, or None for null."""
    return None if header.get(key) is None else vector(header, key, length)


def numbers(value: Any) -> list[float] | None:
    """Return a list of finite numbers as floats; None for anything else."""
    if not isinstance(value, list) or not all(
        isinstance(v, int | float) and not isinstance(v, bool) for v in value
    ):
        return None

    try:
        found = [float(v) for v in value]
    except OverflowError:  # JSON allows integers of any size
        return None

    return found if all(map(math.isfinite, found)) else None


def shortened(value: Any) -> str:
    """Return a received value as one short text."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
