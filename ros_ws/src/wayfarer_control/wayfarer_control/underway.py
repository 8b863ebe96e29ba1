"""Commands between sending and acknowledgement or timeout. Pure."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from wayfarer_core.safety import Decision, Vector

_FORGOTTEN = 10.0  # s after its deadline, when an unanswered command is forgotten


@dataclass(frozen=True, eq=False)
class Request:
    """An action of the policy."""

    stamp: int  # ns, of the observation that it answers
    action: Vector  # (3,), or with a gripper (4,)
    last: bool  # no action follows in this episode
    message: Any  # the original message


@dataclass(eq=False)
class Sent:
    """A command that waits for the bridge's acknowledgement."""

    stamp: int  # ns, of the target
    request: Request | None  # None: a hold before the first action
    decision: Decision
    sent_at: float  # s, steady
    conclude: Callable[[bool, str], None]  # called with whether the bridge took it, or why not
    late: bool = False  # its timeout is over and was reported


class Underway:
    """Matches the bridge's answers, which come in the order of the targets, to the commands."""

    def __init__(self, timeout: float) -> None:
        """Give the bridge `timeout` seconds for each command."""
        self._timeout = timeout
        self._sent: deque[Sent] = deque()

    def send(
        self,
        stamp: int,
        request: Request | None,
        decision: Decision,
        now: float,
        conclude: Callable[[bool, str], None],
    ) -> None:
        """Note a target that is being sent."""
        self._sent.append(Sent(stamp, request, decision, now, conclude))

    def answered(self, stamp: int) -> Sent | None:
        """Remove and return the oldest command of a stamp; None if its timeout is over."""
        for sent in self._sent:
            if sent.stamp == stamp:
                self._sent.remove(sent)
                return None if sent.late else sent

        return None

    def overdue(self, now: float) -> list[Sent]:
        """Return, once, each command whose timeout is over.

        A late answer is not taken for another command's.
        """
        while self._sent and now > self._sent[0].sent_at + self._timeout + _FORGOTTEN:
            self._sent.popleft()

        over = [sent for sent in self._sent if not sent.late and now > sent.sent_at + self._timeout]
        for sent in over:
            sent.late = True

        return over

    def all(self) -> list[Sent]:
        """Return and forget every waiting command: its answer will not be heard."""
        waiting = [sent for sent in self._sent if not sent.late]
        self._sent.clear()
        return waiting
