"""Fixtures of all tests that touch ROS: every test gets a domain of its own, on this machine only.

And how hypothesis looks for examples: `make unit` draws new ones each time, `make test` the same
ones, so that its verdict is of the commit and not of the draw. No example has a time limit: the
machine may be busy.
"""

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

_SLOWLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", _SLOWLY)
settings.register_profile("repeat", _SLOWLY, derandomize=True)
settings.load_profile("explore")

_domains = itertools.cycle(range(1 + os.getpid() % 50, 100))


def _own_domain(home: Path) -> Iterator[int]:
    number = next(_domains)
    with pytest.MonkeyPatch.context() as patch:
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
