"""Where the words of the safety gate go. Pure."""

from typing import Protocol

from wayfarer_core.fault import Fault
from wayfarer_core.safety import Decision, Pose
from wayfarer_core.targets import Grip

from wayfarer_control.underway import Request


class Outlet(Protocol):
    """Where the gate's words go. Stamps in nanoseconds."""

    def send(self, target: Pose, grip: Grip, stamp: int) -> None:
        """Send a target to the bridge, and what the gripper does meanwhile."""

    def stop_gripper(self) -> None:
        """Stop the gripper where it is, at once."""

    def record(self, request: Request | None, decision: Decision, commanded: bool) -> None:
        """Say what became of an action, or of the hold that followed it; None: there was none."""

    def tell(self, fault: Fault) -> None:
        """Say what keeps the arm from being commanded; called when that changes."""

    def recover(self) -> None:
        """Ask the bridge for a recovery."""

    def warn(self, text: str) -> None:
        """Say something to whoever reads the log."""
