"""Franka's hand by the gripper class of franky or panda_py, in a process of its own.

Both wrap libfranka's, whose commands return once the fingers stand. One that is asked for meanwhile
takes the place of the one before.
"""

import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from wayfarer_core.targets import CLOSED, WIDEST, Grip, Gripping

from wayfarer_franka_bridge.drivers.child import serve
from wayfarer_franka_bridge.drivers.driver import (
    ConnectionLostError,
    HandSettings,
    HandState,
    UnusableError,
)

_SLACK = 0.001  # m by which an opening may be wider than homing found: the fingers' own play


def _library(driver: str) -> Any:
    """Return the module that has a Gripper."""
    if driver == "franky":
        return import_module("franky")
    return import_module("panda_py.libfranka")


class HandLibrary:
    """A hand; after its connection is lost it need not bear being called."""

    def __init__(self, settings: HandSettings) -> None:
        self._settings, self._name = settings, f"gripper of {settings.robot_ip}"
        self._library: Any = _library(settings.driver)
        # panda_py raises RuntimeErrors, franky its own as well
        self._errors = (RuntimeError, getattr(self._library, "Exception", RuntimeError))
        self._hand: Any = None
        self._change = threading.Lock()  # guards the two below
        self._motion = 0  # number of the newest; a motion that ends is known by it
        self._moves, self._failure = False, ""

    def connect(self) -> None:
        """Connect, once. UnusableError where it does not open as wide as it shall."""
        s = self._settings
        try:
            self._hand = self._library.Gripper(s.robot_ip)
        except self._errors as error:
            raise ConnectionLostError(
                f"{self._name}: {error}. Is there a hand, and does Desk know it (Settings, End "
                "Effector)? Without one, gripper_width must be 0"
            ) from error

        widest = float(self._read().max_width)
        if s.width > widest + _SLACK:
            raise UnusableError(
                f"{self._name} opens to {widest:g} m, gripper_width is {s.width:g} m: home the "
                "hand in Desk, which finds how wide it opens, or give a smaller gripper_width"
            )

    def state(self) -> HandState:
        """Return the newest state."""
        read = self._read()
        with self._change:
            return HandState(float(read.width), self._failure)

    def begin(self, gripping: Gripping) -> None:
        """Open or close, and return at once."""
        s, hand = self._settings, self._hand
        if gripping.grip is Grip.OPEN:
            self._start(lambda: hand.move(gripping.width, s.speed))
        else:  # whatever is between the fingers is held, and nothing at all, too
            self._start(lambda: hand.grasp(CLOSED, s.speed, s.force, WIDEST, WIDEST))

    def stop(self) -> None:
        """End a motion where it is; without one a grip goes on as it is."""
        with self._change:
            moves, self._moves = self._moves, False
            self._motion += 1

        if moves:
            try:
                self._hand.stop()
            except self._errors as error:
                raise ConnectionLostError(f"{self._name}: cannot stop: {error}") from error

    def _start(self, command: Callable[[], bool]) -> None:
        with self._change:
            self._motion += 1
            self._moves, self._failure = True, ""
            number = self._motion

        thread = threading.Thread(target=self._carry_out, args=(number, command), daemon=True)
        thread.start()

    def _carry_out(self, number: int, command: Callable[[], bool]) -> None:
        try:
            failure = "" if command() else "it did not come to where it should"
        except self._errors as error:  # told by `state`
            failure = str(error)

        with self._change:
            if number == self._motion:  # else another took its place
                self._moves, self._failure = False, failure

    def _read(self) -> Any:
        hand = self._hand
        try:
            return hand.read_once() if hasattr(hand, "read_once") else hand.state
        except self._errors as error:
            raise ConnectionLostError(f"{self._name}: {error}") from error


def main() -> None:
    """Serve the node that started this process."""
    serve(HandLibrary)


if __name__ == "__main__":
    main()
