"""Receiver of the safety gate's outputs. Pure."""

from typing import Protocol

from wayfarer_core.fault import Fault
from wayfarer_core.safety import Decision, Pose
from wayfarer_core.targets import Grip

from wayfarer_control.underway import Request


class Outlet(Protocol):
    """Receives the gate's outputs. Stamps in nanoseconds."""

    def send(self, target: Pose, grip: Grip, stamp: int) -> None:
        """Send a target to the bridge, and what the gripper does meanwhile."""

    def stop_gripper(self) -> None:
        """Stop the gripper where it is, at once."""

    def record(self, request: Request | None, decision: Decision, commanded: bool) -> None:
        """Record the result of an action, or of the hold after it; None: there was no action."""

    def tell(self, fault: Fault) -> None:
        """Report why the arm is not commanded; called at each change."""

    def recover(self) -> None:
        """Ask the bridge for a recovery."""

    def warn(self, text: str) -> None:
        """Log a warning."""
