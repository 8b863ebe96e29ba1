"""A terminal's keys as a device. A terminal reports only presses and repeats, no releases. Pure.

A key that is held repeats: first after the keyboard's delay, then fast. So a key
counts as held for `first` seconds after its press, and for `repeat` seconds after each repeat.
Holding a key holds the dead man's switch: release all keys, and the arm holds.
"""

from dataclasses import dataclass, field

import numpy as np

from wayfarer_common.teleop import Command, Mark

_DIRECTIONS = {
    "w": (0, 1.0),  # axis of the base frame, direction
    "s": (0, -1.0),
    "a": (1, 1.0),
    "d": (1, -1.0),
    "r": (2, 1.0),
    "f": (2, -1.0),
}
_MARKS = {
    "\n": Mark.START,
    "\r": Mark.START,
    "y": Mark.SUCCESS,
    "n": Mark.FAILURE,
    "x": Mark.DISCARD,
}
_GRIPS = {"o": -1.0, "c": 1.0}  # as the fourth number of an action
_STOP = " "
HELP = (
    "w/s forward, back · a/d left, right · r/f up, down (hold) · o/c open, close a gripper that is "
    "part of the action · space stop · 1 to 9, 0: 10 to 90, 100 % of a full action · Enter start · "
    "y success · n failure · x discard"
)


@dataclass
class Keys:
    """The keys of a keyboard. Times are seconds on a steady clock, stamps on the wall clock."""

    first: float = 0.7  # s; longer than a keyboard's delay before the first repeat
    repeat: float = 0.2  # s; longer than the time between two repeats
    scale: float = 0.5  # share of a full action
    gripper: float = 0.0  # as it was last asked for in this episode
    _until: dict[str, float] = field(default_factory=dict)  # key -> time at which it is released
    _marks: list[Mark] = field(default_factory=list)  # not yet returned

    def press(self, key: str, now: float) -> None:
        """Take one press or repeat of a key."""
        if key in _GRIPS:
            self.gripper = _GRIPS[key]

        if key in _DIRECTIONS or key in _GRIPS:
            held = now <= self._until.get(key, -np.inf)
            self._until[key] = now + (self.repeat if held else self.first)
        elif key in _MARKS:
            self.gripper = 0.0
            if self._marks[-1:] != [_MARKS[key]]:  # a repeat counts once
                self._marks.append(_MARKS[key])
        elif key == _STOP:
            self._until.clear()
        elif key.isdecimal() and key.isascii():
            self.scale = (int(key) or 10) / 10

    def command(self, stamp: float, now: float) -> Command:
        """Return the present command; each mark is returned once."""
        held = [key for key, until in self._until.items() if now <= until]
        action = np.zeros(3, np.float32)
        for axis, way in (_DIRECTIONS[key] for key in held if key in _DIRECTIONS):
            action[axis] += way * self.scale

        mark = self._marks.pop(0) if self._marks else Mark.NONE

        return Command(stamp, np.clip(action, -1.0, 1.0), bool(held), mark, self.gripper)
