"""The number of torch's threads belongs to the thread that computes."""

from threading import Barrier, Thread

import pytest
import torch
from wayfarer_policies.exploration.threads import ACTING_THREADS, computing_threads

DEADLINE = 20.0  # s


def test_learning_takes_its_number_and_acting_keeps_one() -> None:
    torch.set_num_threads(ACTING_THREADS)
    learning, done = Barrier(2, timeout=DEADLINE), Barrier(2, timeout=DEADLINE)
    seen = []

    def learn() -> None:
        with computing_threads(3):
            learning.wait()
            done.wait()
            seen.append(torch.get_num_threads())
        seen.append(torch.get_num_threads())

    other = Thread(target=learn)
    other.start()
    learning.wait()
    assert torch.get_num_threads() == ACTING_THREADS  # here, while the other one learns
    done.wait()
    other.join(DEADLINE)
    assert seen == [3, ACTING_THREADS]


def test_an_error_gives_the_threads_back() -> None:
    with pytest.raises(ValueError, match="no images"), computing_threads(2):
        raise ValueError("no images")
    assert torch.get_num_threads() == ACTING_THREADS
