"""The protocol of an arm's driver.

Frames are libfranka's, units SI.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from wayfarer_core.errors import DeviceError

Vector = NDArray[np.float64]

# robot_mode of franka_msgs/FrankaRobotState: the two in which an arm takes commands
IDLE, MOVE = 1, 2
OTHER = 0


class ConnectionLostError(DeviceError):
    """The arm no longer answers: connect again."""


class MotionAbortedError(DeviceError):
    """The arm, or libfranka, ended a motion: recover."""


class StoppedError(DeviceError):
    """A motion home was cancelled, and the arm has come to rest: no fault of the arm."""


class UnusableError(DeviceError):
    """Trying again is useless: another wheel, kernel or parameter is needed."""


def require_configured(configured: bool) -> None:
    """Raise MotionAbortedError if an arm's thresholds and load are not set yet."""
    if not configured:
        raise MotionAbortedError(
            "collision thresholds and load are not set yet: the arm was not idle; recover it"
        )


@dataclass(frozen=True)
class Settings:
    """An arm's settings; applied at each connection."""

    robot_ip: str
    stiffness: float  # N/m, of the spring from the hand to its set point
    rotational_stiffness: float  # N m/rad
    error_clip: float  # m, longest spring: bounds the force to stiffness * error_clip
    home_joints: tuple[float, ...]  # (7,) rad
    home_speed: float  # share of the arm's own limits
    torque_threshold: float  # N m, above which a contact is a collision
    force_threshold: float  # N
    load_mass: float  # kg, beyond the hand's mass in Desk
    load_centre: tuple[float, ...]  # (3,) m, flange frame
    realtime: bool  # refuse to run without a real-time kernel


@dataclass(frozen=True)
class RobotState:
    """One state of the arm, with libfranka's names.

    T_* are (4, 4); wrenches and twists (6,), linear part first.
    """

    time: float  # s on the arm's own clock
    robot_mode: int  # of franka_msgs/FrankaRobotState
    errors: tuple[str, ...]  # names of the flags that are set
    last_motion_errors: tuple[str, ...]
    success_rate: float
    q: Vector  # (7,)
    dq: Vector
    tau_J: Vector  # noqa: N815
    q_d: Vector
    dq_d: Vector
    tau_J_d: Vector  # noqa: N815
    ddq_d: Vector
    dtau_J: Vector  # noqa: N815
    theta: Vector
    dtheta: Vector
    tau_ext: Vector
    elbow: Vector  # (5, 2): measured, desired, commanded, its velocity and acceleration
    K_F_ext: Vector
    O_F_ext: Vector
    inertia_ee: Vector  # (13,): mass, centre (3,), inertia (9,)
    inertia_load: Vector
    inertia_total: Vector
    T_O_EE: Vector
    T_O_EE_d: Vector
    T_O_EE_c: Vector
    T_F_EE: Vector
    T_EE_K: Vector
    twist_d: Vector
    twist_c: Vector
    acceleration_c: Vector
    cartesian_contact: Vector  # (6,)
    cartesian_collision: Vector
    joint_contact: Vector  # (7,)
    joint_collision: Vector


@dataclass(frozen=True)
class HandSettings:
    """Which hand, and how it moves."""

    robot_ip: str
    driver: str  # of the arm's library
    width: float  # m that it opens to
    speed: float  # m/s of the width
    force: float  # N of a grip


@dataclass(frozen=True)
class HandState:
    """What a hand tells of itself."""

    width: float  # m between the fingers
    failure: str = ""  # of the last motion; empty where it went well, or still goes on


class Driver(Protocol):
    """One arm. `state` may be called from another thread while one of the others runs.

    Every method may raise ConnectionLostError or MotionAbortedError; `connect` UnusableError, too.
    """

    def connect(self) -> None:
        """Connect, again if there was a connection, and apply the settings.

        May block as long as the arm does not answer.
        """

    def state(self) -> RobotState:
        """Return the newest state."""

    def track(
        self, position: Vector, quaternion: Vector, velocity: Vector, acceleration: Vector
    ) -> None:
        """Pull the end effector (libfranka's O_T_EE) to a moving pose.

        Position (3,) [m], quaternion (4,), velocity (3,) [m/s], acceleration (3,) [m/s^2].
        """

    def stop(self) -> None:
        """End tracking; the arm comes to rest and holds."""

    def home(self, wanted: Callable[[], bool]) -> None:
        """Move to the home joints and return there.

        If `wanted` returns False, stop and raise StoppedError.
        """

    def recover(self) -> None:
        """Clear the arm's errors."""

    def close(self) -> None:
        """Stop and disconnect."""


def raised(errors: Any) -> tuple[str, ...]:
    """Return the names of the set flags in a libfranka Errors, as franky and panda_py wrap
    it.
    """
    return tuple(name for name in _flags(errors.__class__) if getattr(errors, name))


@cache
def _flags(errors: Any) -> tuple[str, ...]:
    return tuple(name for name in dir(errors) if isinstance(getattr(errors, name), property))
