"""Keeps an arm connected and its newest state in memory, so that no caller waits for the
network. Pure.

One thread reads, one commands; both may block while the arm does not answer. A fault stays,
and no command is sent, until `recover`.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from wayfarer_core.errors import DeviceError
from wayfarer_core.reason import Reason
from wayfarer_core.targets import Refusal

from wayfarer_franka_bridge.drivers.driver import (
    ConnectionLostError,
    Driver,
    MotionAbortedError,
    RobotState,
    StoppedError,
    UnusableError,
)
from wayfarer_franka_bridge.follower import STEP, Course, Follower, TargetPose
from wayfarer_franka_bridge.report import Reading, Report
from wayfarer_franka_bridge.threads import Job, Threads

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 8.0  # s between two attempts to connect, doubling
_END = 2.0  # s for which a closing link waits for the arm to rest
_THEN = "; and then "  # between the fault that came first and the last one
_WORD = 0.5  # s; the end of a hold may reach the requester of a motion before it reaches this link


class Link:
    """A driver and its two threads.

    Args:
        driver: the arm.
        reading: how often to read, see Reading.
        follower: moves the set point from target to target.
        now: the node's clock [ns], for stamps.
        monotonic: seconds, for waiting.
        give_up: called, from a thread, with an error for which trying again is useless, or an
            unexpected one.
    """

    def __init__(
        self,
        driver: Driver,
        reading: Reading,
        follower: Follower,
        now: Callable[[], int],
        monotonic: Callable[[], float],
        give_up: Callable[[BaseException], None],
    ) -> None:
        self._driver, self._reading, self._now, self._monotonic = driver, reading, now, monotonic
        self._report = Report()
        self._retry = threading.Event()  # try to connect now

        # guards all below, and each replacement of the report
        self._change = threading.Condition()
        self._jobs: deque[Job] = deque()
        self._course = Course(follower)
        self._running: Job | None = None  # the last job that was begun
        self._heard = 0.0  # s, time of the newest state
        loops = {"franka reader": self._read, "franka commander": self._command}
        self._threads = Threads(loops, self._wake, give_up)
        self._closing = self._threads.closing

    def open(self) -> None:
        """Start connecting."""
        self._threads.start()

    @property
    def report(self) -> Report:
        """What is known of the arm now."""
        return self._report

    def watch(self) -> None:
        """Check whether the newest state is too old.

        Call it often: the reader may be blocked in a read.
        """
        with self._change:
            report = self._report
            waiting = report.connected and (report.unseen or not report.fault)
            if waiting and self._monotonic() - self._heard > self._reading.stale:
                self._fail(f"no new state of the robot for {self._reading.stale:g} s", unseen=False)

    def track(self, target: TargetPose) -> Refusal:
        """Pass on a target of the tool point, or return why not.

        After a stop, accept only a target at the arm's position.
        """
        with self._change:
            self.watch()
            report = self._report
            if report.refusal or report.state is None:
                return Refusal(report.refusal, Reason.REFUSED | Reason.ROBOT_ERROR)
            if self._busy:
                return Refusal("the arm is on its way home, or recovering")

            refused = self._course.take(target, report.state.T_O_EE)
            self._change.notify_all()

        return refused

    def hold(self, why: str) -> None:
        """Drop the target, stop a motion home, and start none while there is a reason.

        An empty reason ends the hold.
        """
        with self._change:
            self._course.hold(why)
            self._change.notify_all()

    def home(self, timeout: float) -> None:
        """Go home and return there. Raises DeviceError for a fault, a hold, or a timeout."""
        with self._change:
            self._change.wait_for(lambda: not self._course.held, _WORD)
            refusal = self._report.refusal or self._course.held

        if refusal:
            raise DeviceError(f"cannot go home: {refusal}")

        given_up = threading.Event()

        def go_on() -> bool:
            return not (
                given_up.is_set()
                or self._report.fault
                or self._course.held
                or self._closing.is_set()
            )

        try:
            self._do(lambda: self._driver.home(go_on), timeout, "home")
        finally:
            given_up.set()

    def recover(self, timeout: float) -> None:
        """Clear the fault and the arm's errors; connect first if the connection is lost.

        Raises ConnectionLostError if the arm was not reached, another DeviceError if it was
        but is still not well.
        """
        deadline = self._monotonic() + timeout
        self._retry.set()
        with self._change:
            self._change.wait_for(lambda: self._report.connected or self._closing.is_set(), timeout)

        if not self._report.connected:
            raise ConnectionLostError(f"cannot recover: {self._report.fault}")

        try:
            self._do(self._recover, max(deadline - self._monotonic(), 0.1), "recover")
        except DeviceError as error:
            if not self._report.connected:  # the wait may have ended before the loss was noticed
                raise ConnectionLostError(str(error)) from error
            raise

    def close(self) -> None:
        """Bring the arm to rest and disconnect; after a while give up on an arm without answer."""
        self._threads.end()
        self._threads.join(_END)

    @property
    def _busy(self) -> bool:
        """Whether a job waits or runs; who waited for the last one finds the arm free."""
        return bool(self._jobs) or not (self._running is None or self._running.done)

    def _wake(self) -> None:
        self._retry.set()
        with self._change:
            self._change.notify_all()

    # --- the reader ---

    def _read(self) -> None:
        wait, newest = 0.0, -1.0
        while not self._closing.is_set():
            if not self._report.connected:
                self._retry.wait(wait)
                self._retry.clear()
                wait = min(max(2.0 * wait, _FIRST_WAIT), _LONGEST_WAIT)
                if self._connect():
                    wait, newest = 0.0, -1.0

                continue

            began = self._monotonic()
            try:
                newest = self._look(newest)
            except ConnectionLostError as error:
                self._set(connected=False, fault=f"connection lost: {error}")
                continue
            except MotionAbortedError as error:
                self._fail(str(error), unseen=True)

            self._closing.wait(
                max(1.0 / self._reading.state_rate - (self._monotonic() - began), 0.0)
            )

    def _look(self, newest: float) -> float:
        """Read the arm's state and return its time [s].

        The error that ended a motion is reported with the state after it.
        """
        ended, expected = "", self._report.unseen
        try:
            state = self._driver.state()
        except MotionAbortedError as error:
            ended = str(error)
            state = self._after(ended)

        if state.time == newest and not ended:
            return newest

        with self._change:
            if not ended:
                self.watch()

            self._heard = self._monotonic()

            # a fault that came meanwhile is not in this state
            unseen = self._report.unseen and not (expected or ended)
            seen = {
                "state": state,
                "stamp": self._now(),
                "number": self._report.number + 1,
                "unseen": unseen,
            }

            if ended:
                self._fail(ended, **seen)
            else:
                self._set(**seen)

        return state.time

    def _after(self, ended: str) -> RobotState:
        """Return the state after the end of a motion; name both errors if another one ended."""
        try:
            return self._driver.state()
        except MotionAbortedError as error:
            raise MotionAbortedError(_after_another(ended, str(error))) from error

    def _connect(self) -> bool:
        never = self._report.number == 0
        try:
            self._driver.connect()
        except UnusableError:
            raise  # this ends the node
        except DeviceError as error:
            self._set(fault=f"not connected: {error}" if never else f"connection lost: {error}")
            return False

        self._heard = self._monotonic()

        # after a loss the fault stays until a recovery; at the start there is none to clear
        self._set(
            connected=True,
            unseen=False,
            fault="" if never else "the connection is back: recover to go on",
        )

        return True

    # --- the commander ---

    def _command(self) -> None:
        try:
            self._work()
        finally:
            with contextlib.suppress(DeviceError):  # the link ends anyway
                self._driver.close()

    def _work(self) -> None:
        while True:
            with self._change:
                self._change.wait_for(
                    lambda: self._jobs or self._course.leads or self._closing.is_set()
                )
                if self._closing.is_set():
                    return

                job = self._jobs.popleft() if self._jobs else None
                if job is not None:
                    self._course.drop()
                    self._running = job

            if job is not None:
                job.run()
            else:
                self._guarded(self._travel)

    def _travel(self) -> None:
        """Make one step towards the target; forget it if the arm takes no command."""
        began, report = self._monotonic(), self._report
        with self._change:
            if report.refusal or report.state is None:
                self._course.drop()
                return

            told, target = self._course.step(report.state.T_O_EE, began), self._course.target

        if told is None:
            return

        self._driver.track(told.position, told.quaternion, told.velocity, told.acceleration)
        with self._change:
            rest = max(STEP - (self._monotonic() - began), 0.0)
            self._change.wait_for(
                lambda: self._jobs or self._closing.is_set() or self._course.target is not target,
                rest,
            )

    def _do(self, work: Callable[[], None], timeout: float, what: str) -> None:
        """Run work in the commander's thread, and wait for it."""
        job = Job(lambda: self._guarded(work, tell=True))
        with self._change:
            self._jobs.append(job)
            self._change.notify_all()

        job.wait(timeout, what)

    def _guarded(self, work: Callable[[], None], tell: bool = False) -> None:
        """Run work that may fail; a failure is a fault, except a motion stopped on purpose."""
        try:
            work()
        except ConnectionLostError as error:
            self._set(connected=False, fault=f"connection lost: {error}")
            if tell:
                raise
        except (StoppedError, UnusableError):
            raise
        except DeviceError as error:
            self._fail(str(error), unseen=True)
            if tell:
                raise

    def _recover(self) -> None:
        if not self._report.refusal:
            return  # nothing to clear, and the arm may be moving

        self._driver.recover()
        with self._change:
            # no new state may have come meanwhile, because the arm was busy
            self._heard = self._monotonic()
            self._set(fault="")

    def _fail(self, fault: str, **changes: object) -> None:
        """Keep a fault, and bring the arm to rest as soon as possible."""
        with self._change:
            self._add(fault, **changes)
            self._course.drop()
            self._jobs.append(Job(self._stop))

    def _stop(self) -> None:
        try:
            self._driver.stop()
        except ConnectionLostError as error:
            self._set(connected=False, fault=f"connection lost: {error}")
        except DeviceError as error:
            self._add(str(error))

    def _add(self, fault: str, **changes: object) -> None:
        with self._change:
            self._set(fault=_after_another(self._report.fault, fault), **changes)

    def _set(self, **changes: object) -> None:
        with self._change:
            self._report = replace(self._report, **changes)  # type: ignore[arg-type]
            self._change.notify_all()


def _after_another(before: str, fault: str) -> str:
    """Return a fault's text with the one that came before it, if any: it may be the cause."""
    if not before or fault in before:
        return before or fault
    return f"{before.partition(_THEN)[0]}{_THEN}{fault}"
