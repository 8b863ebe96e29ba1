"""Random walks of gate and bridge: kills, stops, delays, clock jumps and refusals mixed in.

In all of them: no end of the spring outside the box, or too fast to stop inside it. No turn faster
than the bound. No command from a pose older than max_age, to a robot that was not heard to be well,
or one that leads away while a stop is in force. No `executed`, and no hold confirmed, without an
acknowledgement. Here a few walks; ten thousand by

    PYTHONPATH=tests .venv/bin/python -m fixtures.walk --walks 10000
"""

from collections import Counter

from fixtures.walk import EVENTS, walk

WALKS = 60


def test_no_promise_is_broken_whatever_happens_to_gate_and_bridge() -> None:
    total = Counter[str]()
    for seed in range(WALKS):
        total += walk(seed)

    for what in {
        *EVENTS,
        "executed",
        "not executed",
        "refused",
        "hold confirmed",
        "acknowledgement lost",
    }:
        assert total[what] >= 5, f"hardly ever: {what}"

    assert total["steps"] > 5000, "the arm hardly moves"
