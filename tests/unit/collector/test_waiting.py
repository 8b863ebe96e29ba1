import threading
import time

import pytest
from wayfarer_collector.waiting import InterruptedWaitError, Waiter


def test_a_pause_takes_its_time() -> None:
    began = time.monotonic()
    Waiter().pause(0.2)
    assert time.monotonic() - began >= 0.2


def test_a_pause_ends_as_soon_as_something_is_asked_to_stop() -> None:
    waiter = Waiter()
    threading.Timer(0.1, waiter.stop).start()
    began = time.monotonic()
    waiter.pause(600.0)
    assert time.monotonic() - began < 60.0


def test_a_pause_is_interrupted_where_the_node_ends() -> None:
    waiter = Waiter()
    threading.Timer(0.1, waiter.close).start()
    with pytest.raises(InterruptedWaitError):
        waiter.until(lambda: False, 600.0, lambda: "")

    with pytest.raises(InterruptedWaitError):
        waiter.until(lambda: False, 600.0, lambda: "")
