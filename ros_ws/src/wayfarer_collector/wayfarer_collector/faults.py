"""Remembers control's faults: some end before anybody asks. Pure."""

from wayfarer_core.fault import FaultKind


class ControlFaults:
    """The last fault. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.now = FaultKind.NONE  # control's present fault
        self._last = FaultKind.NONE
        self._until = 0.0  # when the last fault was last reported

    def hear(self, kind: FaultKind, at: float) -> None:
        """Take a message of control/fault."""
        if self.now is not FaultKind.NONE:
            self._until = at
        if kind is not FaultKind.NONE:
            self._last, self._until = kind, at
        self.now = kind

    def since(self, begin: float) -> FaultKind:
        """Return the present fault, or else the last one that did not end before `begin`."""
        if self.now is not FaultKind.NONE:
            return self.now
        return self._last if self._until >= begin else FaultKind.NONE
