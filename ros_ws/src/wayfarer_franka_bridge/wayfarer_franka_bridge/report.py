"""What a link knows of its arm, and how it treats it. Pure."""

from dataclasses import dataclass

from wayfarer_franka_bridge.driver import IDLE, MOVE, RobotState


@dataclass(frozen=True)
class Report:
    """What is known of the arm."""

    connected: bool = False
    fault: str = "not connected yet"
    state: RobotState | None = None  # the newest
    stamp: int = 0  # ns on the node's clock, when it was read
    number: int = 0  # counts the states

    @property
    def refusal(self) -> str:
        """Say why the arm takes no command; empty when it does."""
        if self.fault:
            return self.fault
        if self.state is None:
            return "no state of the robot yet"
        if self.state.errors or self.state.robot_mode not in (IDLE, MOVE):
            return f"the robot is in mode {self.state.robot_mode} with errors {', '.join(self.state.errors) or 'none'}"
        return ""


@dataclass(frozen=True)
class Manner:
    """How often to read and command, when a state is too old, and how to travel between targets."""

    state_rate: float  # Hz
    stale: float  # s without a newer state until the connection counts as disturbed
    quickness: float  # rad/s, see Approach
    top_speed: float  # m/s
