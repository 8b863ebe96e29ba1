"""The grid's workers: Ray, on this machine's cores, or on a running cluster."""

import logging
import os
import signal
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from wayfarer_common import lifetime
from wayfarer_core.errors import ConfigError, DeviceError, WayfarerError

from wayfarer_paper.grid import Cell, do

# bytes of shared memory, Ray's minimum: cells pass plain data and files, no objects
_STORE = 80_000_000
_CONNECT = 10.0  # s
_POLL = 0.2  # s between two checks for a signal
_ATTEMPTS = 2  # for a cell whose process died (killed, out of memory); an error it raises is final


def _check_that_it_answers(address: str) -> None:
    """Raise DeviceError if nobody listens at HOST:PORT: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        return  # no address, or a word that Ray knows, such as "auto"

    try:
        socket.create_connection((host, int(port)), _CONNECT).close()
    except OSError as error:
        raise DeviceError(f"no Ray cluster answers at {address}: {error}") from error


class StoppedError(WayfarerError):
    """A signal asked for an end."""

    def __init__(self, number: int) -> None:
        word = signal.Signals(number).name
        super().__init__(f"stopped by {word}: what is finished is kept, the same command goes on")
        self.signal = number


class CellError(WayfarerError):
    """A cell raised an unexpected error: the message has its whole traceback."""


class RayWorkers:
    """One core for each cell.

    A context: its end stops running cells, and a signal ends the waiting.

    On a cluster every machine must have this version of Wayfarer and see the grid's folder under
    the same path.
    """

    def __init__(self, workers: int | None = None, address: str = "") -> None:
        """Use `workers` cores of this machine (all by default), or the cluster at `address`.

        Raises DeviceError.
        """
        if workers is not None and address:
            raise ConfigError(
                "a cluster tells its own number of workers: give either workers or an address"
            )

        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # send no usage statistics

        # Ray's future default; avoids a warning
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
        import ray

        _check_that_it_answers(address)
        self._ray = ray

        try:
            if address:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            else:
                ray.init(
                    address="local",
                    num_cpus=workers or os.cpu_count(),
                    include_dashboard=False,
                    object_store_memory=_STORE,
                    log_to_driver=False,
                    logging_level=logging.ERROR,
                )
        except (ConnectionError, RuntimeError, ValueError) as error:
            where = f" at {address}; does it want RAY_AUTH_MODE=token?" if address else ""
            raise DeviceError(f"Ray does not start{where}: {error}") from error

        self._do = ray.remote(num_cpus=1, max_retries=_ATTEMPTS - 1)(do)
        self._under_way: dict[Any, str] = {}
        self._signals: list[int] = []

        # set only now: Ray's own handler prints a traceback and aborts
        self._caught = lifetime.caught(lambda number, _: self._signals.append(number))

    def __enter__(self) -> Self:
        self._caught.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ray.shutdown()
        self._caught.__exit__(kind, error, trace)

    @property
    def slots(self) -> int:
        """Number of cells that can run at once."""
        return max(1, int(self._ray.cluster_resources().get("CPU", 1)))  # type: ignore[no-untyped-call]

    def start(self, cell: Cell, folder: Path) -> None:
        """Begin a cell in one of Ray's processes."""
        self._under_way[self._do.remote(cell, folder.resolve())] = cell.name

    def wait(self) -> tuple[str, WayfarerError | None]:
        """Return a cell that has ended, and its error if it failed.

        Raises StoppedError once a signal has come.
        """
        ended = None
        while ended is None:
            if self._signals:
                raise StoppedError(self._signals[0])
            ended = next(
                iter(self._ray.wait(list(self._under_way), num_returns=1, timeout=_POLL)[0]), None
            )

        name = self._under_way.pop(ended)
        try:
            self._ray.get(ended)
        except self._ray.exceptions.RayTaskError as error:
            cause = error.cause
            return name, cause if isinstance(cause, WayfarerError) else CellError(str(error))
        except self._ray.exceptions.RayError as error:
            return name, DeviceError(f"its process died {_ATTEMPTS} times: {error}")

        return name, None
