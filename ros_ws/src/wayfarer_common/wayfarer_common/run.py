"""What every node is built on and started by.

Contract endpoints, readiness, diagnostics, a clean end.
"""

import ctypes
import os
import sys
import threading
import time
import traceback
import types
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import suppress
from importlib.metadata import version
from typing import Any, NoReturn, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.action import ActionClient, ActionServer
from rclpy.callback_groups import CallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import Executor, SingleThreadedExecutor
from rclpy.experimental import EventsExecutor
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from rclpy.task import Future
from wayfarer_core.errors import WayfarerError

from wayfarer_common import lifetime
from wayfarer_common.contract import Topic
from wayfarer_common.ros import start_ros

T = TypeVar("T")

# s an action's result is kept. rcl looks for results to forget without a pause while its clock
# stands at the very nanosecond at which one may be forgotten, and lets no message through: a
# simulated clock must never stand there.
RESULT_TIMEOUT = 10.000000001

# Jazzy's EventsExecutor (rclpy 7) sends a service's coroutine instead of what comes of it
_EXECUTOR: Callable[[], Executor] = (
    EventsExecutor if int(version("rclpy").split(".")[0]) >= 9 else SingleThreadedExecutor
)

_CHECK_PERIOD = 0.1  # s, until the node is ready
_REPORT_PERIOD = 1.0  # s
# s between two looks at whether long work has ended; other callbacks wait for no longer than this
_PACE = 0.003


class ContractNode(Node):
    """A node whose endpoints come from the contract, and which reports on /diagnostics whether they
    are connected.

    The level is WARN with the missing peers by name until every endpoint has them, then OK, or what
    `problem` says. On one machine there is one node of a name in a ROS domain: a second one raises
    ConfigError.
    """

    def __init__(self, name: str) -> None:
        self._all_callbacks = ReentrantCallbackGroup()
        super().__init__(name)
        self._claims = [
            lifetime.claim(self.context.get_domain_id(), self.get_fully_qualified_name())
        ]
        self.failure: BaseException | None = None  # what ends the process, see `fail`
        self.finished = False  # set by a node whose work is done

        # what happened, by name; shown in diagnostics with rates
        self.counts: Counter[str] = Counter()
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._endpoints: list[tuple[Topic, Publisher | None, Subscription | None]] = []  # type: ignore[type-arg]
        self._last_report = 0.0
        self._last_counts: Counter[str] = Counter()
        self._last_change: dict[str, float] = {}  # monotonic s, to within a report period
        self._was_ready = False
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(_CHECK_PERIOD, self._report_if_due, clock=self.steady)

    @property
    def default_callback_group(self) -> CallbackGroup:
        """The group of every callback: none waits for another.

        Of a group as rclpy has it by default, Jazzy's executor begins no callback while a coroutine
        of it waits: a hold would wait for the bridge's word, and the word for the hold. One thread
        runs them all: nothing is to be guarded.
        """
        return self._all_callbacks

    def claim_topic(self, name: str) -> None:
        """Be the only one of our nodes to publish a topic that all namespaces share.

        Raises ConfigError.
        """
        self._claims.append(lifetime.claim(self.context.get_domain_id(), name, kind="topic"))

    def publish_to(self, topic: Topic) -> Publisher:  # type: ignore[type-arg]
        """Create the publisher of a contract topic."""
        publisher = self.create_publisher(topic.type, topic.name, topic.qos)
        self._endpoints.append((topic, publisher, None))
        return publisher

    def subscribe_to(
        self,
        topic: Topic,
        callback: Callable[[Any], None],
        raw: bool = False,
        required: bool = True,
    ) -> Subscription:  # type: ignore[type-arg]
        """Create a subscription of a contract topic.

        Its QoS can be overridden by ROS's qos_overrides parameters.
        """
        subscription = self.create_subscription(
            topic.type,
            topic.name,
            callback,
            topic.qos,
            raw=raw,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )
        if required:
            self._endpoints.append((topic, None, subscription))

        return subscription

    def missing_peers(self) -> list[str]:
        """Return what is not connected yet, in words."""
        missing = []
        for topic, publisher, subscription in self._endpoints:
            if publisher is not None and publisher.get_subscription_count() < len(
                topic.subscribers
            ):
                missing.append(f"{topic.name} has not reached {' and '.join(topic.subscribers)}")

            if subscription is not None and subscription.get_publisher_count() < 1:
                missing.append(f"nobody publishes {topic.name} ({topic.publisher} should)")

        return missing

    def fail(self, error: BaseException) -> None:
        """End the process with this error.

        For threads and coroutines: the executor dies of what those raise.
        """
        self.failure, self.finished = error, True

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Do long work beside the executor, which keeps answering.

        Raises the WayfarerError that the work raises.
        """
        done: Future[T] = Future()
        ended = threading.Event()

        def target() -> None:
            try:
                done.set_result(work())
            except WayfarerError as error:
                done.set_exception(error)
            except BaseException as error:  # noqa: BLE001  not hidden: the process ends with it
                self.fail(error)
                done.set_exception(WayfarerError(f"{type(error).__name__}: {error}"))
            finally:
                ended.set()

        threading.Thread(target=target, name="work", daemon=True).start()
        await _end_of(ended)

        return done.result()  # type: ignore[return-value, no-any-return]  # T | None, or not typed

    def problem(self) -> str:
        """Say what is wrong with this node right now; empty when nothing is.

        For nodes to override.
        """
        return ""

    def close(self) -> None:
        """Put everything in order before the process ends. For nodes to override."""

    def destroy_node(self) -> None:
        """Take the node out of ROS: the others hear of it, and its shared memory is given back."""
        for waitable in [*self.waitables]:
            # rclpy leaves them, and they would keep the node
            if isinstance(waitable, ActionServer | ActionClient):
                waitable.destroy()

        super().destroy_node()

    def _report_if_due(self) -> None:
        now = time.monotonic()
        missing = self.missing_peers()
        if self._was_ready == (not missing) and now - self._last_report < _REPORT_PERIOD:
            return

        problem = self.problem()
        level = (
            DiagnosticStatus.WARN
            if missing
            else DiagnosticStatus.ERROR
            if problem
            else DiagnosticStatus.OK
        )
        status = DiagnosticStatus(
            level=level,
            name=self.get_name(),
            hardware_id=self.get_namespace(),
            message="waiting: " + "; ".join(missing) if missing else problem or "ready",
        )
        elapsed = now - self._last_report

        for key, count in sorted(self.counts.items()):
            rate = (count - self._last_counts[key]) / elapsed
            if rate or key not in self._last_change:
                self._last_change[key] = now

            age = now - self._last_change[key]
            status.values.append(
                KeyValue(key=key, value=f"{count} ({rate:.1f}/s, last {age:.0f} s ago)")
            )

        message = DiagnosticArray(status=[status])
        message.header.stamp = Clock().now().to_msg()
        self._diagnostics.publish(message)
        self._last_report, self._last_counts, self._was_ready = now, self.counts.copy(), not missing


@types.coroutine
def _end_of(ended: threading.Event) -> Generator[None, None, None]:
    """Wait for other threads' work.

    Rclpy asks a waiting coroutine as fast as it can; this slows it to a pace.
    """
    while not ended.wait(_PACE):
        yield


def run(make_node: Callable[[], ContractNode]) -> NoReturn:
    """Run one node until a signal asks for its end, or an error.

    Exit 0, or 1 where the user can mend the error.

    SIGINT, SIGTERM and SIGHUP ask for an end, and so does the death of the process that started
    this one.
    """
    signals: list[int] = []
    lifetime.catch(lambda caught, _: signals.append(caught))
    lifetime.end_with_parent()
    node: ContractNode | None = None
    code = 0

    try:
        start_ros()
        node = make_node()
        _spin(node, signals)
    except WayfarerError as error:
        who = node.get_name() if node is not None else sys.argv[0].rsplit("/", 1)[-1]
        with suppress(OSError):  # who read it may be gone
            print(f"{who}: {type(error).__name__}: {error}", file=sys.stderr, flush=True)
        code = 1
    except BaseException:  # noqa: BLE001  not hidden: told in full
        traceback.print_exc()
        code = 1
    finally:
        lifetime.ignore_signals()
        if node is not None:
            node.destroy_node()
        rclpy.try_shutdown()

    _leave(code)


def _spin(node: ContractNode, signals: list[int]) -> None:
    """Let the node work until a signal comes, or it has finished or failed.

    Raises what it failed of.
    """
    executor = _EXECUTOR()
    executor.add_node(node)
    try:
        # spin() without a timeout never returns in these wheels
        while not signals and not node.finished:
            executor.spin_once(timeout_sec=0.1)
    finally:
        node.close()

    if node.failure is not None:
        raise node.failure


def _leave(code: int) -> NoReturn:
    """End the process here and now: all that matters has been put in order.

    The interpreter's own end takes torch a second, on a busy machine more than launchers wait for;
    and torch aborts in it where a thread still computes.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # who read it may be gone
            stream.flush()

    ctypes.CDLL(None).fflush(None)  # what ROS has written
    os._exit(code)
