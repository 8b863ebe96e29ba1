"""A link's knowledge of its arm, and how it reads it. Pure."""

from dataclasses import dataclass

from wayfarer_franka_bridge.drivers.driver import IDLE, MOVE, RobotState


@dataclass(frozen=True)
class Report:
    """What a link knows of its arm."""

    connected: bool = False
    fault: str = "not connected yet"
    state: RobotState | None = None  # the newest
    stamp: int = 0  # ns on the node's clock, when it was read
    number: int = 0  # of the state, counted from the start
    # the fault is newer than the state: the next state has the arm's own view of it
    unseen: bool = False

    @property
    def refusal(self) -> str:
        """Say why the arm takes no command; empty if it does."""
        if self.fault:
            return self.fault
        return self._of_the_arm

    @property
    def undecided(self) -> bool:
        """Whether it is unknown, until the next state, if the arm itself reports the fault or only
        the link.
        """
        return self.connected and self.unseen

    @property
    def of_the_link(self) -> bool:
        """Whether the link must report the fault, because the arm's own state does
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
    """How often to read the arm, and when a state is too old."""

    state_rate: float  # Hz
    stale: float  # s without a newer state until the connection counts as disturbed
