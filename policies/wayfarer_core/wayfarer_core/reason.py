"""Why an executed action differs from the policy's action."""

from enum import IntFlag


class Reason(IntFlag):
    """Bits that say why the executed action differs from the requested one.

    They are the constants of wayfarer_msgs/ExecutedAction.
    """

    NOT_FINITE = 1
    ACTION_RANGE = 2
    STEP_LENGTH = 4
    SPEED = 8
    WORKSPACE = 16
    STALE = 32
    OUT_OF_ORDER = 64
    SILENT = 128
    ROBOT_ERROR = 256
    OUTSIDE = 512
    STOPPED = 1024
    REFUSED = 2048
    UNACKNOWLEDGED = 4096
    NO_POSE = 8192
    TURNED = 16384
    ACTION_SIZE = 32768


def words_of(reasons: Reason) -> str:
    """Return the names of reasons for pictures and viewers."""
    return ", ".join(reason.name or "" for reason in reasons)


def nothing_passed(reasons: Reason) -> str:
    """Return a message that an action was not commanded, and why."""
    if reasons & Reason.REFUSED:
        return f"the bridge did not take the command: {reasons.name}"
    if reasons & Reason.UNACKNOWLEDGED:
        return f"the bridge did not say whether it took the command: {reasons.name}"
    return f"the safety gate let no command pass: {reasons.name}"
