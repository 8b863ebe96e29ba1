"""How many threads of the processor torch computes with.

Acting takes one: an observation is too small for more, and the other nodes need the cores.
Learning, fitting and choosing a goal take the run's number, which decides the last bits.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

ACTING_THREADS = 1
THREADS = (
    "torch's threads while it learns, fits or chooses; learner and novelty use one number, for it "
    "decides the last bits"
)


@contextmanager
def computing_threads(number: int) -> Iterator[None]:
    """Compute with so many of torch's threads; afterwards with one again.

    The number holds for the calling thread. Only one thread of a process should compute with
    several: OpenMP keeps helpers for each, and lets them sleep if there are more than cores.
    """
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(ACTING_THREADS)
