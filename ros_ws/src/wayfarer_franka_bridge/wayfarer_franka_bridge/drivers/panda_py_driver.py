"""A Panda (FER) by panda_py, which runs in another process.

panda_py can stall or end its process.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import TypeVar

from wayfarer_core.errors import DeviceError

from wayfarer_franka_bridge.drivers.child import Child
from wayfarer_franka_bridge.drivers.driver import ConnectionLostError, RobotState, Settings, Vector

INSTALL = (
    "pip install panda-python==1.1.1   # Panda with robot system 4.2.1 or newer (robot server 5)\n"
    "for a Panda with other firmware, the wheel built for its libfranka, from\n"
    "  https://github.com/JeanElsner/panda-py/releases; for an FR3: driver:=franky"
)
T = TypeVar("T")
_ARM = "wayfarer_franka_bridge.drivers.panda_py_arm"
# deadlines for answers of the arm's process [s]; libfranka itself notices within 1 s that states
# stop coming
_CONNECT, _STATE, _TRACK, _STOP, _RECOVER = 10.0, 3.0, 3.0, 5.0, 60.0


class PandaPyDriver:
    """See driver.Driver. Raises DeviceError if panda_py is not installed."""

    def __init__(self, settings: Settings) -> None:
        if find_spec("panda_py") is None:
            raise DeviceError(f"driver panda_py is not installed. Install it:\n{INSTALL}")
        self._settings = settings
        # it loads the library while the node starts
        self._child: Child | None = Child(_ARM, settings)
        self._begun = False  # the child was told to connect, which it can do only once

    def connect(self) -> None:
        """Start a new process: one with a broken connection cannot connect again."""
        if self._begun or self._child is None:
            self._let_go()
            self._child = Child(_ARM, self._settings)

        self._begun = True
        self._reach(lambda child: child.tell("connect", timeout=_CONNECT))

    def state(self) -> RobotState:
        """Return the newest state; raise the error that ended a motion."""
        state: RobotState = self._reach(lambda child: child.ask("state", timeout=_STATE))
        return state

    def track(
        self, position: Vector, quaternion: Vector, velocity: Vector, acceleration: Vector
    ) -> None:
        """Start tracking, or give the running controller its next target."""
        target = (position, quaternion, velocity, acceleration)
        self._reach(lambda child: child.tell("track", *target, timeout=_TRACK))

    def stop(self) -> None:
        """End tracking."""
        self._reach(lambda child: child.tell("stop", timeout=_STOP))

    def home(self, wanted: Callable[[], bool]) -> None:
        """Move in joint space."""
        self._reach(lambda child: child.tell("home", timeout=_STOP, wanted=wanted))

    def recover(self) -> None:
        """Clear the arm's errors and set thresholds and load again."""
        self._reach(lambda child: child.tell("recover", timeout=_RECOVER))

    def close(self) -> None:
        """Stop and disconnect."""
        try:
            if self._child is not None:
                self.stop()
        finally:
            self._let_go()

    def _reach(self, work: Callable[[Child], T]) -> T:
        """Use the arm's process; end it if the arm is lost."""
        child = self._child
        if child is None:
            raise ConnectionLostError(f"robot {self._settings.robot_ip} is not connected")

        try:
            return work(child)
        except ConnectionLostError:
            child.end()
            raise

    def _let_go(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.end()
