"""Sends invalid messages to a simulated Panda, and checks that it keeps working.

    .venv/bin/panda-sim --host 127.0.0.9 &
    .venv/bin/python tests/rigs/panda_fuzz.py 127.0.0.9 --messages 10000 --seed 1

Between the messages a valid client connects and reads. Prints JSON; exits 1 if the simulator did
not answer it.
"""

import argparse
import json
import random
import socket
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable

import numpy as np
from panda_sim.arm.limits import Q_MAX, Q_MIN
from panda_sim.protocol.codes import FCI_PORT, FCI_VERSION, GRIPPER_PORT, Command
from panda_sim.protocol.wire import (
    GRIPPER_HEADER,
    GRIPPER_REQUESTS,
    HEADER,
    REQUESTS,
    ROBOT_COMMAND,
    STATE,
)

TIMEOUT = 10.0  # s
BATCH = 20  # messages between two checks


def whole(rng: random.Random, gripper: bool, command: int | None = None) -> bytes:
    """Return a message of the right size with random content."""
    requests, header = (GRIPPER_REQUESTS, GRIPPER_HEADER) if gripper else (REQUESTS, HEADER)
    chosen = rng.choice(list(requests)) if command is None else command
    body = requests[chosen].itemsize

    if rng.random() < 0.5:
        filling = b"".join(struct.pack("<d", rng.choice(NUMBERS)) for _ in range(body // 8 + 1))[
            :body
        ]
    else:
        filling = rng.randbytes(body)

    head = np.array([(chosen, rng.getrandbits(32), header.itemsize + body)], header)

    return head.tobytes() + filling


NUMBERS = (0.0, 1.0, -1.0, 1e308, -1e308, float("nan"), float("inf"), 1e-300, 0.05)


def connect(version: int, port: int, gripper: bool) -> bytes:
    header = GRIPPER_HEADER if gripper else HEADER
    body = struct.pack("<HH", version, port)
    return np.array([(0, 0, header.itemsize + len(body))], header).tobytes() + body


class Fuzz:
    """Kinds of invalid messages, counted."""

    def __init__(self, host: str, seed: int) -> None:
        self.host, self.rng, self.sent = host, random.Random(seed), Counter[str]()
        self.kinds: tuple[Callable[[], None], ...] = (
            self.garbage,
            self.wrong_size,
            self.unknown_command,
            self.half_a_message,
            self.wrong_version,
            self.second_client,
            self.requests_of_a_connected_client,
            self.answers_never_read,
            self.datagrams,
            self.motion_with_nonsense,
        )

    def one(self) -> None:
        """Send one message."""
        kind = self.rng.choice(self.kinds)
        self.sent[kind.__name__] += 1
        try:
            kind()
        except OSError:  # refused or closed: a valid answer
            self.sent["refused or closed"] += 1

    def _open(self) -> tuple[socket.socket, bool]:
        gripper = self.rng.random() < 0.3
        port = GRIPPER_PORT if gripper else FCI_PORT
        return socket.create_connection((self.host, port), TIMEOUT), gripper

    def garbage(self) -> None:
        with self._open()[0] as s:
            s.sendall(self.rng.randbytes(self.rng.randint(1, 5000)))

    def wrong_size(self) -> None:
        s, gripper = self._open()
        with s:
            data = bytearray(whole(self.rng, gripper))
            at = 6 if gripper else 8
            data[at : at + 4] = struct.pack("<I", self.rng.getrandbits(32))
            s.sendall(data)

    def unknown_command(self) -> None:
        s, gripper = self._open()
        with s:
            s.sendall(connect(3 if gripper else FCI_VERSION, 40000, gripper))
            header = GRIPPER_HEADER if gripper else HEADER
            s.sendall(
                np.array([(self.rng.randint(20, 60000), 1, header.itemsize)], header).tobytes()
            )

    def half_a_message(self) -> None:
        s, gripper = self._open()
        with s:
            data = whole(self.rng, gripper)
            s.sendall(data[: self.rng.randint(1, len(data))])

    def wrong_version(self) -> None:
        s, gripper = self._open()
        with s:
            s.sendall(connect(self.rng.randint(0, 65535), self.rng.randint(0, 65535), gripper))

    def second_client(self) -> None:
        with self._open()[0], self._open()[0] as second:
            second.sendall(connect(FCI_VERSION, 40000, False))

    def requests_of_a_connected_client(self) -> None:
        s, gripper = self._open()
        with s:
            s.sendall(connect(3 if gripper else FCI_VERSION, 40000, gripper))
            for _ in range(self.rng.randint(1, 10)):
                s.sendall(whole(self.rng, gripper))

    def answers_never_read(self) -> None:
        s, _ = self._open()
        with s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            s.sendall(connect(FCI_VERSION, 40000, False))
            s.settimeout(0.2)
            ask = np.array([(Command.LOAD_MODEL_LIBRARY, 1, 14)], HEADER).tobytes() + bytes(2)
            s.sendall(ask * 40)

    def datagrams(self) -> None:
        with Client(self.host) as client:
            sender = client.state()[1]
            for size in (0, 1, 369, ROBOT_COMMAND.itemsize, 371, 3000):
                client.udp.sendto(self.rng.randbytes(size), sender)

    def motion_with_nonsense(self) -> None:
        with Client(self.host) as client:
            body = struct.pack(
                "<II6d", self.rng.randint(0, 2), self.rng.randint(0, 3), *[10.0, 3.12, 6.28] * 2
            )
            client.tcp.sendall(np.array([(Command.MOVE, 1, 68)], HEADER).tobytes() + body)
            for _ in range(self.rng.randint(1, 5)):
                state, sender = client.state()
                command = np.zeros(1, ROBOT_COMMAND)
                command.view(np.uint8)[:] = np.frombuffer(
                    self.rng.randbytes(ROBOT_COMMAND.itemsize), np.uint8
                )
                command["message_id"] = state["message_id"]
                client.udp.sendto(command.tobytes(), sender)


class Client:
    """A valid client: it connects, and reads states."""

    def __init__(self, host: str) -> None:
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind(("0.0.0.0", 0))
        self.udp.settimeout(TIMEOUT)
        end = time.monotonic() + TIMEOUT

        while True:
            try:
                self.tcp = self._connected(host)
                return
            except OSError:  # an earlier client may not have been dropped yet
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)

    def _connected(self, host: str) -> socket.socket:
        tcp = socket.create_connection((host, FCI_PORT), TIMEOUT)
        tcp.sendall(connect(FCI_VERSION, self.udp.getsockname()[1], False))
        answer = tcp.recv(15)
        if len(answer) != 15 or answer[12] != 0:
            tcp.close()
            raise OSError(f"answer to Connect: {answer!r}")

        return tcp

    def state(self) -> tuple[np.void, tuple[str, int]]:
        data, sender = self.udp.recvfrom(4096)
        return np.frombuffer(data, STATE)[0], sender

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.tcp.close()
        self.udp.close()


def look(host: str) -> None:
    """Check that a valid client is served, and where the arm is.

    Clear a reflex that a message has caused.
    """
    with Client(host) as client:
        state = client.state()[0]
        if not (
            np.isfinite(state["q"]).all()
            and (state["q"] > Q_MIN - 0.1).all()
            and (state["q"] < Q_MAX + 0.1).all()
        ):
            raise OSError(f"the arm is at {state['q']}")

        client.tcp.sendall(np.array([(Command.AUTOMATIC_ERROR_RECOVERY, 7, 12)], HEADER).tobytes())
        client.tcp.settimeout(TIMEOUT)
        if not client.tcp.recv(13):
            raise OSError("no answer to a recovery")


def main() -> None:
    """Send so many messages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("host")
    parser.add_argument("--messages", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    fuzz, failure = Fuzz(given.host, given.seed), ""
    began = time.monotonic()

    for number in range(given.messages):
        fuzz.one()
        if number % BATCH == BATCH - 1:
            try:
                look(given.host)
            except OSError as error:
                failure = f"after message {number + 1}: {error}"
                break

    result = {
        "sent": dict(fuzz.sent),
        "seconds": round(time.monotonic() - began, 1),
        "failure": failure,
    }
    print(json.dumps(result, indent=2))
    sys.exit(bool(failure))


if __name__ == "__main__":
    main()
