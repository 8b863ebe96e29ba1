import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from panda_sim.protocol.codes import Command, SetStatus
from panda_sim.protocol.wire import HEADER, REQUESTS
from panda_sim.servers.sessions import BrokenError, Framing

FRAMING = Framing(HEADER, REQUESTS, "u1")
commands = st.sampled_from(Command)


def request(command: Command, number: int, fill: int = 0) -> bytes:
    size = HEADER.itemsize + REQUESTS[command].itemsize

    return (
        np.array([(command, number, size)], HEADER).tobytes()
        + bytes([fill]) * REQUESTS[command].itemsize
    )


@given(st.lists(commands, min_size=1, max_size=8), st.integers(1, 50))
def test_requests_are_found_however_the_stream_is_cut(asked: list[Command], piece: int) -> None:
    stream = b"".join(request(command, number) for number, command in enumerate(asked))
    buffer, found = bytearray(), []
    for start in range(0, len(stream), piece):
        buffer += stream[start : start + piece]
        while (message := FRAMING.cut(buffer)) is not None:
            found.append((message.command, message.command_id))

    assert found == [(command, number) for number, command in enumerate(asked)]
    assert not buffer


@given(st.binary(min_size=12, max_size=600))
def test_garbage_is_taken_or_refused_but_never_anything_else(data: bytes) -> None:
    buffer = bytearray(data)
    try:
        while FRAMING.cut(buffer) is not None:
            pass
    except BrokenError:
        pass


@given(commands, st.integers(0, 2**32 - 1))
def test_a_wrong_size_is_refused(command: Command, size: int) -> None:
    header = np.array([(command, 1, size)], HEADER).tobytes()
    right = HEADER.itemsize + REQUESTS[command].itemsize
    if size != right:
        with pytest.raises(BrokenError, match=f"it has {right}"):
            FRAMING.cut(bytearray(header))


def test_an_unknown_command_is_refused() -> None:
    with pytest.raises(BrokenError, match="no command 14"):
        FRAMING.cut(bytearray(np.array([(14, 1, 12)], HEADER).tobytes()))


def test_an_answer_says_what_it_answers_and_how_long_it_is() -> None:
    answer = FRAMING.answer(Command.SET_LOAD, 77, SetStatus.NOT_POSSIBLE, b"abc")
    header = np.frombuffer(answer[:12], HEADER)[0]
    assert tuple(header) == (Command.SET_LOAD, 77, len(answer))
    assert answer[12:] == b"\x01abc"
