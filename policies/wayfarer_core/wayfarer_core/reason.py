"""Why a command is not what the policy asked for."""

from enum import IntFlag


class Reason(IntFlag):
    """Why the executed action differs from the requested one.

    The constants of wayfarer_msgs/ExecutedAction.
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
    """Return the names of reasons, as pictures and viewers show them."""
    return ", ".join(reason.name or "" for reason in reasons)


def nothing_passed(reasons: Reason) -> str:
    """Say that an action was not commanded."""
    if reasons & Reason.REFUSED:
        return f"the bridge did not take the command: {reasons.name}"
    if reasons & Reason.UNACKNOWLEDGED:
        return f"the bridge did not say whether it took the command: {reasons.name}"
    return f"the safety gate let no command pass: {reasons.name}"
