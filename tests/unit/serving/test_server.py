"""The server's half, asked over a real connection by frames of every kind."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from fixtures.policy_servers import WELCOME, policy_server
from wayfarer_serving import wire
from wayfarer_serving.wire import Frame

HELLO = {
    "protocol": "wayfarer-policy",
    "version": 1,
    "image": [84, 84, 3],
    "action": 3,
    "steps": 5,
    "seed": 1,
}
IMAGE = bytes(84 * 84 * 3)


def soon() -> float:
    return time.monotonic() + 60.0


def said(address: str, *frames: Frame) -> list[dict]:
    """Return the headers that answer some frames on one connection."""
    found = []
    with wire.connect(address, soon()) as connection:
        for frame in frames:
            wire.send(connection, frame, soon())
            found.append(wire.receive(connection, soon()).header)

    return found


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Of a server that is well."""
    with policy_server() as server:
        yield server.address


def test_a_conversation_is_a_welcome_and_an_answer_to_each_observation(address: str) -> None:
    seen = [Frame({"step": k, "ee_position": [0.5, 0, 0]}, bytes([51]) + IMAGE[1:]) for k in (0, 4)]
    welcome, *answers = said(address, Frame(HELLO), *seen)
    assert welcome == WELCOME
    assert answers == [{"step": k, "actions": [[k / 100, 0.2, 0.5]] * 4} for k in (0, 4)]


@pytest.mark.parametrize(
    ("frames", "complaint"),
    [
        ([Frame({**HELLO, "version": 9})], "this server speaks wayfarer-policy version 1"),
        ([Frame({})], "this server speaks wayfarer-policy version 1"),
        ([Frame({**HELLO, "action": 5})], "image must be height, width, 3, and action 3 or 4"),
        ([Frame({**HELLO, "image": [84, "x", 3]})], "image must be height, width, 3"),
        ([Frame({**HELLO, "seed": -1})], "seed must be a whole number from 0, not -1"),
        ([Frame({**HELLO, "steps": None})], "steps must be a whole number"),
        ([Frame(HELLO, IMAGE[1:])], "has 21168 bytes, not 21167"),
        ([Frame(HELLO), Frame({"step": 0, "ee_position": [0, 0, 0]})], "has 21168 bytes, not 0"),
        ([Frame(HELLO), Frame({"step": 0}, IMAGE)], "ee_position must be 3 finite numbers"),
        ([Frame(HELLO), Frame({"ee_position": [0, 0, 0]}, IMAGE)], "step must be a whole number"),
    ],
)
def test_what_it_does_not_understand_is_said_and_the_next_is_served(
    frames: list[Frame], complaint: str, address: str
) -> None:
    assert complaint in said(address, *frames)[-1]["error"]
    assert said(address, Frame(HELLO)) == [WELCOME]


def test_the_actor_that_came_last_is_the_one_that_is_served(address: str) -> None:
    with wire.connect(address, soon()) as old:
        wire.send(old, Frame(HELLO), soon())
        assert wire.receive(old, soon()).header == WELCOME
        assert said(address, Frame(HELLO)) == [WELCOME]
        with pytest.raises(wire.WireError, match="connection"):
            wire.receive(old, soon())


def test_it_ends_with_who_started_it() -> None:
    with policy_server() as server:
        assert server.process.stdin is not None
        server.process.stdin.close()
        assert server.process.wait(60.0) == 0


def test_it_needs_nothing_of_ours_and_no_torch() -> None:
    code = (
        "import sys, wayfarer_serving.server as s; "
        "print(*sorted({m.split('.')[0] for m in sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60.0
    )
    loaded = set(done.stdout.split())
    assert "wayfarer_serving" in loaded
    others = {name for name in loaded if name.startswith("wayfarer_")} - {
        "wayfarer_serving",
        "wayfarer_environment",
    }
    assert not (others | loaded & {"torch", "rclpy", "yaml"})
