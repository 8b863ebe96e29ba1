"""A person at this terminal's keyboard, in the one process.

Over ROS the keyboard's node and the actor do this.
"""

import time
from collections.abc import Callable

from wayfarer_bags.episode import ActionSource, End
from wayfarer_common.keyboard import Keys
from wayfarer_common.teleop import ENDINGS, Command, Mark, Teleoperator
from wayfarer_common.terminal import Terminal
from wayfarer_core.errors import WayfarerError
from wayfarer_core.fault import DISCARDED
from wayfarer_core.options import TeleopOptions
from wayfarer_policies.acting.policy import Action

# s between two reads of the keys, the same period as the keyboard's node
_LOOK = 0.05

Hear = Callable[[Command], None]


class DiscardedError(WayfarerError):
    """The person has discarded the episode."""


class NobodysHand:
    """No person takes over."""

    def begin(self, hear: Hear, tell: Callable[[], None]) -> None:
        """Begin the episode at once."""

    def wait(self, tell: Callable[[], None]) -> None:
        """Do not wait: the simulator's time counts."""

    def answer(self, own: Action) -> tuple[Action, ActionSource]:
        """Return the policy's action."""
        return own, ActionSource.POLICY

    @property
    def ending(self) -> tuple[End, str] | None:
        """Return None: nobody ends an episode."""
        return None


class KeyboardHand:
    """Runs the simulator on the wall clock, and reads the keys meanwhile."""

    def __init__(
        self,
        options: TeleopOptions,
        terminal: Terminal,
        period: float,
        by_hand: bool,
        size: int = 3,
    ) -> None:
        """`period` is that of control [s]; `by_hand` lets an episode wait for the person's word.

        `size` is how many numbers an action has.
        """
        self._terminal, self._period, self._by_hand = terminal, period, by_hand
        self._keys, self._person = Keys(), Teleoperator(options, size)
        self._hear: Hear = lambda _: None
        self._due = 0.0  # monotonic s, time of the next action
        self.ending: tuple[End, str] | None = None

    def begin(self, hear: Hear, tell: Callable[[], None]) -> None:
        """Return when the person starts.

        `hear` records commands; `tell` is called meanwhile, and may raise.
        """
        self._hear, self.ending = hear, None
        mark = Mark.NONE
        while self._by_hand and not mark.begins:
            tell()
            mark = self._look(time.monotonic() + _LOOK)

        self._due = time.monotonic()

    def wait(self, tell: Callable[[], None]) -> None:
        """Return when the next action is due; `ending` then says whether the person ended the
        episode.

        Raises DiscardedError.
        """
        self._due = max(self._due + self._period, time.monotonic())
        while (now := time.monotonic()) < self._due:
            tell()
            mark = self._look(min(now + _LOOK, self._due))
            if mark is Mark.DISCARD:
                raise DiscardedError(DISCARDED)
            self.ending = ENDINGS.get(mark, self.ending)

    def answer(self, own: Action) -> tuple[Action, ActionSource]:
        """Return the arm's action, and its source."""
        return self._person.answer(own, time.time())

    def _look(self, until: float) -> Mark:
        """Read keys until a time [monotonic s]; return their mark."""
        for key in self._terminal.read(until - time.monotonic()):
            self._keys.press(key, time.monotonic())

        command = self._keys.command(time.time(), time.monotonic())
        self._person.hear(command)
        self._hear(command)

        return command.mark


Hand = NobodysHand | KeyboardHand
