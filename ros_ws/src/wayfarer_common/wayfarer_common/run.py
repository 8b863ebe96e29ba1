"""The base class of every node, and its main function.

Contract endpoints, readiness, diagnostics, a clean end.
"""

import ctypes
import inspect
import os
import sys
import threading
import time
import traceback
import types
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from contextlib import suppress
from typing import Any, NoReturn, ParamSpec, TypeVar

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.action import ActionClient, ActionServer
from rclpy.callback_groups import CallbackGroup, ReentrantCallbackGroup
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.executors import Executor
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
P = ParamSpec("P")

# s for which an action's result is kept. If the clock stands exactly at the ns at which a result
# expires, rcl looks for expired results without a pause and passes no messages: a simulated clock
# must never stand there.
RESULT_TIMEOUT = 10.000000001

_CHECK_PERIOD = 0.1  # s, until the node is ready
_REPORT_PERIOD = 1.0  # s
# s between two checks whether long work has ended; other callbacks wait at most this long
_PACE = 0.003


class ContractNode(Node):
    """A node whose endpoints come from the contract. It reports on /diagnostics whether they are
    connected.

    The level is WARN, with the missing peers by name, until every endpoint has them. Then it is OK,
    or WARN with the text of `problem`. On one machine a ROS domain has one node of a name: a second
    one raises ConfigError.
    """

    def __init__(self, name: str) -> None:
        self._all_callbacks = ReentrantCallbackGroup()
        super().__init__(name)
        self._claims = [
            lifetime.claim(self.context.get_domain_id(), self.get_fully_qualified_name())
        ]
        self.failure: BaseException | None = None  # ends the process, see `fail`
        self.finished = False  # set by a node when its work is done

        # counts of events by name; diagnostics show them with rates
        self.counts: Counter[str] = Counter()
        self.steady = Clock(clock_type=ClockType.STEADY_TIME)
        self._endpoints: list[tuple[Topic, Publisher | None, Subscription | None]] = []  # type: ignore[type-arg]
        self._last_report = 0.0
        self._last_counts: Counter[str] = Counter()
        self._last_change: dict[str, float] = {}  # monotonic s, exact to a report period
        self._was_ready = False
        self._diagnostics = self.create_publisher(DiagnosticArray, "/diagnostics", 10)
        self.create_timer(_CHECK_PERIOD, self._report_if_due, clock=self.steady)

    @property
    def default_callback_group(self) -> CallbackGroup:
        """The group of every callback: none waits for another.

        With rclpy's default group Jazzy's executor starts no callback while a coroutine of the
        group waits. A hold would then wait for the bridge's acknowledgement, and the
        acknowledgement for the hold. One thread runs all callbacks, so no locks are needed.
        """
        return self._all_callbacks

    def claim_topic(self, name: str) -> None:
        """Claim a topic that all namespaces share, so that only one of our nodes publishes it.

        Raises ConfigError if another node has it.
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

    def offer(self, kind: Any, name: str, answer: Callable[[Any, Any], Any]) -> None:
        """Offer a service; `answer` may be a coroutine function.

        An error in it ends the node with that error. Jazzy's EventsExecutor (rclpy 7) awaits no
        coroutine: it gives it to `send_response`, which awaits it here.
        """

        async def awaited(result: Awaitable[Any], response: Any) -> Any:
            try:
                return await result
            except BaseException as error:  # noqa: BLE001  not hidden: the process ends with it
                self.fail(error)
                return response

        def answered(request: Any, response: Any) -> Any:
            result = answer(request, response)
            return awaited(result, response) if inspect.isawaitable(result) else result

        service = self.create_service(kind, name, answered)
        send = self.guarded(service.send_response)

        async def send_result(result: Awaitable[Any], header: Any) -> None:
            send(await result, header)

        def send_or_await(result: Any, header: Any) -> None:
            if inspect.isawaitable(result):
                executor: Executor = self.executor  # type: ignore[assignment]  # the node spins
                executor.create_task(send_result(result, header))
            else:
                send(result, header)

        service.send_response = send_or_await  # type: ignore[assignment, method-assign]

    def missing_peers(self) -> list[str]:
        """Return the missing connections, in words."""
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

        For threads, coroutines and futures: an error in other callbacks ends it anyway.
        """
        self.failure, self.finished = error, True

    def guarded(self, callback: Callable[P, None]) -> Callable[P, None]:
        """Return the callback; an error in it ends the node with that error.

        For the callbacks of futures: on Jazzy an error there would crash the process.
        """

        def call(*given: P.args, **named: P.kwargs) -> None:
            try:
                callback(*given, **named)
            except BaseException as error:  # noqa: BLE001  not hidden: the process ends with it
                self.fail(error)

        return call

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run long work in a thread; the executor keeps answering meanwhile.

        Raises the WayfarerError of the work.
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
        """Return this node's present problem; empty if there is none.

        Nodes override it.
        """
        return ""

    def close(self) -> None:
        """Clean up before the process ends. Nodes override it."""

    def destroy_node(self) -> None:
        """Remove the node from ROS: other nodes notice, and shared memory is freed."""
        for waitable in [*self.waitables]:
            # rclpy does not destroy these, and they would keep the node alive
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
    """Wait for another thread's work.

    rclpy polls a waiting coroutine as fast as it can; this slows the polling down.
    """
    while not ended.wait(_PACE):
        yield


def run(make_node: Callable[[], ContractNode]) -> NoReturn:
    """Run one node until a signal or an error.

    The exit code is 0, or 1 for an error that the user can correct.

    SIGINT, SIGTERM and SIGHUP end it, and so does the death of the process that started
    it.
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
        with suppress(OSError):  # the reader may be gone
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
    """Spin the node until a signal comes, or it has finished or failed.

    Raises its failure.
    """
    executor = EventsExecutor()
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
    """End the process now, after all clean-up.

    The interpreter's normal end takes a second with torch, on a busy machine longer than launchers
    wait; and torch aborts in it if a thread still computes.
    """
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # the reader may be gone
            stream.flush()

    ctypes.CDLL(None).fflush(None)  # ROS's output
    os._exit(code)
