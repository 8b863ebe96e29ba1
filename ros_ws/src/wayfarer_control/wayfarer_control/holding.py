"""Asks the arm to hold, again and again until the bridge confirms it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from wayfarer_core.reason import Reason
from wayfarer_core.safety import Decision, Limits, Pose, hold, nothing

_AGAIN = 0.1  # s between two tries

Answer = Callable[[bool, str], None]  # gets whether the arm holds, and why it may not


@dataclass(eq=False)
class Wish:
    """One request for a hold, and the callback for its result."""

    why: Reason
    until: float  # s
    stamp: int | None  # ns, of the target; None: use the pose's
    answers: list[Answer] = field(default_factory=list)
    sent: bool = False  # waits for the bridge's acknowledgement
    not_before: float = -np.inf  # s, time of the next try
    failure: str = ""


class Holding:
    """Keeps one request at a time; a stop replaces the watchdog's.

    Times are seconds on a steady clock.
    """

    def __init__(self, limits: Limits, patience: float) -> None:
        """Try for `patience` seconds."""
        self._limits, self._patience = limits, patience
        self._wish: Wish | None = None

    @property
    def wanted(self) -> bool:
        """Whether there is a request."""
        return self._wish is not None

    def want(
        self, why: Reason, now: float, stamp: int | None = None, answer: Answer | None = None
    ) -> None:
        """Request a hold; `answer` is called once with the result."""
        wish = self._wish
        if wish is None or (why == Reason.STOPPED and wish.why != why):
            wish = self._wish = Wish(why, now + self._patience, stamp)
        if answer is not None:
            wish.answers.append(answer)

    def attempt(
        self, now: float, pose: Pose | None, against: str, led: bool
    ) -> tuple[Wish, Decision] | None:
        """Return the next step: a command, or a decision that there is none.

        `against` says why the robot may not be commanded at all; empty if it may. `led` says
        whether the bridge moves the arm to a target of ours.
        """
        wish = self._wish
        if wish is None or wish.sent or now < wish.not_before:
            return None

        if against:
            self._end(False, against)
            return wish, nothing(self._limits, wish.why | Reason.ROBOT_ERROR)

        decision = hold(self._limits, pose, wish.why, led)
        if decision.target is not None and now <= wish.until:
            wish.sent = True
            return wish, decision

        if (
            decision.target is not None
        ):  # the bridge refused to the end, and each refusal was recorded
            self._end(False, wish.failure)
            return None

        if pose is None and now <= wish.until:
            wish.not_before = now + _AGAIN
            return None

        self._end(False, "its place is not known" if pose is None else "it is outside its box")

        return wish, decision

    def heard(self, wish: Wish, taken: bool, text: str, now: float) -> None:
        """Take the bridge's answer to the command of a request."""
        if wish is not self._wish:
            return

        if taken:
            self._end(True, "")
        else:
            wish.sent, wish.failure, wish.not_before = False, text, now + _AGAIN

    def withdraw(self, why: Reason, text: str) -> None:
        """Give up a request of this kind."""
        if self._wish is not None and self._wish.why == why:
            self._end(False, text)

    def _end(self, holds: bool, text: str) -> None:
        wish, self._wish = self._wish, None
        for answer in wish.answers if wish is not None else ():
            answer(holds, text)
