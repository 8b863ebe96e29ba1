"""Frames over a real socket: what is sent arrives, and anything else is one error in time."""

import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wayfarer_serving.wire import (
    Frame,
    WireError,
    connect,
    endpoint,
    numbers,
    receive,
    send,
    shortened,
    vector,
)

Pair = tuple[socket.socket, socket.socket]

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


def soon(seconds: float = 30.0) -> float:
    return time.monotonic() + seconds


@pytest.fixture
def pair() -> Iterator[Pair]:
    ends = socket.socketpair()
    yield ends
    for end in ends:
        end.close()


@given(header=st.dictionaries(st.text(), json_values, max_size=5), body=st.binary(max_size=2000))
def test_a_frame_arrives_as_it_was_sent(header: dict[str, Any], body: bytes) -> None:
    here, there = socket.socketpair()
    with here, there:
        send(here, Frame(header, body), soon())
        assert receive(there, soon()) == Frame(header, body)


@given(noise=st.binary(min_size=1, max_size=200))
def test_whatever_comes_is_a_frame_or_one_error(noise: bytes) -> None:
    here, there = socket.socketpair()
    with here, there:
        here.sendall(noise)
        here.shutdown(socket.SHUT_WR)
        with suppress(WireError):
            assert isinstance(receive(there, soon()).header, dict)


def test_a_half_frame_and_a_silence_end_at_the_deadline(pair: Pair) -> None:
    here, there = pair
    for sent, said in (
        (b"", "nothing came in time"),
        (b"\0\0\0", "half a frame came, 3 of 8 bytes, in time"),
    ):
        here.sendall(sent)
        began = time.monotonic()
        with pytest.raises(WireError, match=said):
            receive(there, soon(0.2))
        assert time.monotonic() - began >= 0.2


def test_one_byte_after_another_does_not_move_the_deadline(pair: Pair) -> None:
    here, there = pair
    here.sendall(b"\0")
    with pytest.raises(WireError, match="half a frame"):
        receive(there, soon(-1.0))  # a byte is there, and the time is over


def test_who_takes_nothing_is_given_up(pair: Pair) -> None:
    with pytest.raises(WireError, match="nothing is taken any more"):
        send(pair[0], Frame({}, bytes(1 << 24)), soon(0.2))


def test_a_closed_connection_is_told(pair: Pair) -> None:
    here, there = pair
    there.close()
    with pytest.raises(WireError, match="the connection"):
        receive(here, soon())

    with pytest.raises(WireError, match="the connection is gone"):
        send(here, Frame({}, bytes(1 << 20)), soon())


@pytest.mark.parametrize(
    ("address", "meant"),
    [
        ("127.0.0.1:5555", ("127.0.0.1", 5555)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_addresses_of_this_machine_are_taken(address: str, meant: tuple[str, int]) -> None:
    assert endpoint(address) == meant


@pytest.mark.parametrize(
    "address", ["", "none", "5555", "127.0.0.1", ":5555", "127.0.0.1:x", "127.0.0.1:65536", "h:-1"]
)
def test_what_is_no_address_is_refused_with_one_that_is(address: str) -> None:
    with pytest.raises(ValueError, match=r"HOST:PORT, as 127\.0\.0\.1:5555|only this machine's"):
        endpoint(address)


@pytest.mark.parametrize(
    "address", ["192.168.0.7:5555", "0.0.0.0:5555", "example.org:80", "[::]:1"]
)
def test_other_machines_are_refused(address: str) -> None:
    with pytest.raises(ValueError, match="only this machine's own"):
        endpoint(address)


def test_where_nobody_listens_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(WireError, match="nobody answers"):
        connect(f"127.0.0.1:{port}", soon())


@given(value=json_values)
def test_numbers_are_finite_numbers_and_nothing_else(value: Any) -> None:
    found = numbers(value)
    if found is not None:
        assert isinstance(value, list)
        assert all(type(v) in (int, float) for v in value)

    assert len(shortened(value)) <= 80


@pytest.mark.parametrize(
    "value", [None, 1.0, [1.0, 2.0], [1.0, 2.0, "3"], [1.0, 2.0, True], [1, 2, 10**400]]
)
def test_a_vector_has_three_numbers(value: Any) -> None:
    with pytest.raises(WireError, match="where must be 3 finite numbers"):
        vector({"where": value}, "where")
    assert vector({"where": [1, 2.5, -3]}, "where") == (1.0, 2.5, -3.0)
