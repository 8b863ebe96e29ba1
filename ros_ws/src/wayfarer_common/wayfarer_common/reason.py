"""Why a command is not what the policy asked for. Pure: `policies` may import this module too."""

from enum import IntFlag


class Reason(IntFlag):
    """Why the executed action differs from the requested one; the constants of wayfarer_msgs/ExecutedAction."""

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


def nothing_passed(reasons: Reason) -> str:
    """Say that an action was not commanded."""
    return f"the safety gate let no command pass: {reasons.name}"
