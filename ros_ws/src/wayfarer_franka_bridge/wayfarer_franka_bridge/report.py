"""What a link knows of its arm, and how it treats it. Pure."""

from dataclasses import dataclass

from wayfarer_franka_bridge.drivers.driver import IDLE, MOVE, RobotState


@dataclass(frozen=True)
class Report:
    """What is known of the arm."""

    connected: bool = False
    fault: str = "not connected yet"
    state: RobotState | None = None  # the newest
    stamp: int = 0  # ns on the node's clock, when it was read
    number: int = 0  # counts the states
    # the fault is newer than the state: what the arm says of it comes with the next
    unseen: bool = False

    @property
    def refusal(self) -> str:
        """Say why the arm takes no command; empty when it does."""
        if self.fault:
            return self.fault
        return self._of_the_arm

    @property
    def undecided(self) -> bool:
        """Whether it is open until the next state whose word the fault is, the arm's or the
        link's.
        """
        return self.connected and self.unseen

    @property
    def of_the_link(self) -> bool:
        """Whether the link must say that something is wrong, because the arm's own state does
        not.
        """
        return (
            not self.connected or self.state is None or (bool(self.fault) and not self._of_the_arm)
        )

    @property
    def _of_the_arm(self) -> str:
        if self.state is None:
            return "no state of the robot yet"
        if self.state.errors or self.state.robot_mode not in (IDLE, MOVE):
            return (
                f"the robot is in mode {self.state.robot_mode} with errors "
                f"{', '.join(self.state.errors) or 'none'}"
            )

        return ""


@dataclass(frozen=True)
class Reading:
    """How often to read the arm, and when what was read is too old."""

    state_rate: float  # Hz
    stale: float  # s without a newer state until the connection counts as disturbed
