"""Fixtures of all tests that touch ROS: every test gets a domain of its own, on this machine only.

No other test run on this machine has the same domain meanwhile.

And how hypothesis looks for examples: `make unit` draws new ones each time, `make test` the same
ones, so that its verdict is of the commit and not of the draw. No example has a time limit: the
machine may be busy.
"""

import fcntl
import itertools
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, settings

# Threads of one sum wait for each other in circles: on a busy machine that takes ten times as long.
torch.set_num_threads(1)

_SLOWLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", _SLOWLY)
settings.register_profile("repeat", _SLOWLY, derandomize=True)
settings.load_profile("explore")

_DOMAINS = range(1, 100)
_domains = itertools.cycle((*_DOMAINS[os.getpid() % 50 :], *_DOMAINS[: os.getpid() % 50]))


@contextmanager
def _reserved_domain() -> Iterator[int]:
    """Reserve a domain by a locked file: two test runs in one domain command each other's nodes."""
    for number in itertools.islice(_domains, len(_DOMAINS)):
        try:
            lock = (Path(tempfile.gettempdir()) / f"wayfarer-domain-{number}.lock").open("w")
        except PermissionError:  # another user's
            continue

        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue

            yield number
            return

    raise RuntimeError(f"tests on this machine use all ROS domains from 1 to {_DOMAINS[-1]}")


def _own_domain(home: Path) -> Iterator[int]:
    with _reserved_domain() as number, pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_DOMAIN_ID", str(number))
        # where a stop of one test would wait for another's nodes
        patch.setenv("ROS_HOME", str(home))
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
        yield number


@pytest.fixture
def domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A ROS domain for one test, in the environment of the processes it starts."""
    yield from _own_domain(tmp_path_factory.mktemp("ros"))


@pytest.fixture(scope="module")
def module_domain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A ROS domain for the tests of one module that share their nodes."""
    yield from _own_domain(tmp_path_factory.mktemp("ros"))
