"""What control says of faults, and has said: some are over before anybody asks. Pure."""

from wayfarer_core.fault import FaultKind


class ControlFaults:
    """Remembers the last fault. Times are monotonic seconds."""

    def __init__(self) -> None:
        self.now = FaultKind.NONE  # what control says now
        self._last = FaultKind.NONE
        self._until = 0.0  # when the last one was told of last

    def hear(self, kind: FaultKind, at: float) -> None:
        """Take what control/fault says."""
        if self.now is not FaultKind.NONE:
            self._until = at
        if kind is not FaultKind.NONE:
            self._last, self._until = kind, at
        self.now = kind

    def since(self, begin: float) -> FaultKind:
        """Return the fault of now, or else the last one that was not over before `begin`."""
        if self.now is not FaultKind.NONE:
            return self.now
        return self._last if self._until >= begin else FaultKind.NONE
