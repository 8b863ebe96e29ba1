"""Four motion generators: they turn the client's commands into the joint reference. Pure.

Each returns the faults of a command, with the FER's names. A missing command is
extrapolated with constant acceleration.
"""

import math
from typing import Any, Protocol

import numpy as np

from panda_sim.arm.kinematics import follow
from panda_sim.arm.limits import (
    DDDQ_MAX,
    DDQ_MAX,
    DQ_MAX,
    DT,
    ELBOW,
    Q_MAX,
    Q_MIN,
    ROTATION,
    TRANSLATION,
)
from panda_sim.arm.model_library import Model
from panda_sim.arm.reference import Reference, Track
from panda_sim.arm.rotations import exp, is_pose, log
from panda_sim.arm.settings import NO_FILTER, Settings
from panda_sim.protocol.codes import Fault, Generator

_START_JOINT = 0.02  # rad, greatest difference of the first command from the arm; assumed
_START_TRANSLATION, _START_ROTATION = 0.005, 0.02  # m, rad; assumed

_JOINT_FAULTS = (
    Fault.JOINT_MOTION_GENERATOR_VELOCITY_LIMITS_VIOLATION,
    Fault.JOINT_MOTION_GENERATOR_VELOCITY_DISCONTINUITY,
    Fault.JOINT_MOTION_GENERATOR_ACCELERATION_DISCONTINUITY,
)
_CARTESIAN_FAULTS = (
    Fault.CARTESIAN_MOTION_GENERATOR_VELOCITY_LIMITS_VIOLATION,
    Fault.CARTESIAN_MOTION_GENERATOR_VELOCITY_DISCONTINUITY,
    Fault.CARTESIAN_MOTION_GENERATOR_ACCELERATION_DISCONTINUITY,
)
_CARTESIAN_JOINT_FAULTS = (
    Fault.CARTESIAN_MOTION_GENERATOR_JOINT_VELOCITY_LIMITS_VIOLATION,
    Fault.CARTESIAN_MOTION_GENERATOR_JOINT_VELOCITY_DISCONTINUITY,
    Fault.CARTESIAN_MOTION_GENERATOR_JOINT_ACCELERATION_DISCONTINUITY,
)


class MotionGenerator(Protocol):
    """The generator of one motion."""

    def take(self, command: Any) -> list[Fault]:
        """Follow a wire.ROBOT_COMMAND of finite numbers; return its faults."""

    def extrapolate(self) -> None:
        """Continue without a command."""


class JointPosition:
    """Commands q_c: joint positions."""

    def __init__(self, reference: Reference, settings: Settings) -> None:
        self._reference, self._gain = reference, gain(settings.cutoffs[0])
        self._first = True

    def take(self, command: Any) -> list[Fault]:
        """See MotionGenerator."""
        joints, q_c = self._reference.joints, command["q_c"]
        if self._first and np.abs(q_c - joints.x).max() > _START_JOINT:
            return [Fault.JOINT_POSITION_MOTION_GENERATOR_START_POSE_INVALID]

        self._first = False
        joints.to(joints.x + self._gain * (q_c - joints.x))

        return _joint_faults(joints)

    def extrapolate(self) -> None:
        """See MotionGenerator."""
        self._reference.joints.extrapolate()


class JointVelocity:
    """Commands dq_c: joint velocities."""

    def __init__(self, reference: Reference, settings: Settings) -> None:
        self._reference, self._gain = reference, gain(settings.cutoffs[1])

    def take(self, command: Any) -> list[Fault]:
        """See MotionGenerator."""
        joints = self._reference.joints
        joints.at(joints.v + self._gain * (command["dq_c"] - joints.v))
        return _joint_faults(joints)

    def extrapolate(self) -> None:
        """See MotionGenerator."""
        self._reference.joints.extrapolate()


class _Cartesian:
    """The reference of the hand.

    Position, orientation and optionally the elbow; the joints follow.
    """

    def __init__(self, reference: Reference, settings: Settings, model: Model) -> None:
        self._reference, self._settings, self._model = reference, settings, model
        reference.T = model.pose(reference.joints.x, settings.F_T_EE).copy()
        reference.elbow = Track(reference.joints.x[2:3])
        self._point, self._turn = Track(reference.T[:3, 3]), Track(np.zeros(3))
        self._R = reference.T[:3, :3].copy()
        self._elbow_given = False
        self._first = True

    def extrapolate(self) -> None:
        """See MotionGenerator."""
        self._point.extrapolate()
        self._turn.extrapolate()
        self._R = exp(DT * self._turn.v) @ self._R
        if self._elbow_given:
            self._reference.elbow.extrapolate()

        self._show()
        self._follow()

    def _elbow_faults(self, command: Any) -> list[Fault]:
        """Take the elbow, if the command has one."""
        self._elbow_given = bool(command["valid_elbow"])
        if not self._elbow_given:
            return []

        elbow, (angle, sign) = self._reference.elbow, command["elbow_c"]
        if sign != self._reference.elbow_sign:
            return [Fault.CARTESIAN_MOTION_GENERATOR_ELBOW_SIGN_INCONSISTENT]
        if self._first and abs(angle - elbow.x[0]) > _START_JOINT:
            return [Fault.CARTESIAN_MOTION_GENERATOR_START_ELBOW_INVALID]

        elbow.to(np.array([angle]))
        broken = any(elbow.exceeds_norm(*ELBOW)) or not Q_MIN[2] <= angle <= Q_MAX[2]

        return [Fault.CARTESIAN_MOTION_GENERATOR_ELBOW_LIMIT_VIOLATION] if broken else []

    def _faults(self) -> list[Fault]:
        """Compute the joints; return the limits that are exceeded."""
        self._show()
        point, turn = self._point.exceeds_norm(*TRANSLATION), self._turn.exceeds_norm(*ROTATION)
        self._follow()
        joints = self._reference.joints
        found = [
            fault for fault, a, b in zip(_CARTESIAN_FAULTS, point, turn, strict=True) if a or b
        ]
        found += _named(_CARTESIAN_JOINT_FAULTS, joints.exceeds(DQ_MAX, DDQ_MAX, DDDQ_MAX))

        if _leaves(joints):
            found.append(Fault.CARTESIAN_MOTION_GENERATOR_JOINT_POSITION_LIMITS_VIOLATION)

        self._first = False

        return found

    def _show(self) -> None:
        reference = self._reference
        reference.T[:3, :3], reference.T[:3, 3] = self._R, self._point.x
        reference.twist = np.concatenate([self._point.v, self._turn.v])
        reference.acceleration = np.concatenate([self._point.a, self._turn.a])

    def _follow(self) -> None:
        reference = self._reference
        q3 = float(reference.elbow.x[0]) if self._elbow_given else None
        reference.joints.to(
            follow(self._model, reference.joints.x, reference.T, self._settings.F_T_EE, q3)
        )
        if not self._elbow_given:
            reference.elbow = Track(reference.joints.x[2:3])


class CartesianPose(_Cartesian):
    """Commands O_T_EE_c: the end effector's pose."""

    def take(self, command: Any) -> list[Fault]:
        """See MotionGenerator."""
        T = command["O_T_EE_c"].reshape(4, 4).T
        if not is_pose(T):
            return [Fault.CARTESIAN_POSITION_MOTION_GENERATOR_INVALID_FRAME]

        way, turned = T[:3, 3] - self._point.x, log(T[:3, :3] @ self._R.T)
        if self._first and (
            np.linalg.norm(way) > _START_TRANSLATION or np.linalg.norm(turned) > _START_ROTATION
        ):
            return [Fault.CARTESIAN_POSITION_MOTION_GENERATOR_START_POSE_INVALID]

        faults = self._elbow_faults(command)
        share = gain(self._settings.cutoffs[2])
        self._point.to(self._point.x + share * way)
        self._turn.at(share * turned / DT)
        self._R = exp(share * turned) @ self._R

        return faults + self._faults()


class CartesianVelocity(_Cartesian):
    """Commands O_dP_EE_c: the end effector's velocity and angular velocity, in base axes."""

    def take(self, command: Any) -> list[Fault]:
        """See MotionGenerator."""
        twist, share = command["O_dP_EE_c"], gain(self._settings.cutoffs[3])
        faults = self._elbow_faults(command)
        self._point.at(self._point.v + share * (twist[:3] - self._point.v))
        self._turn.at(self._turn.v + share * (twist[3:] - self._turn.v))
        self._R = exp(DT * self._turn.v) @ self._R

        return faults + self._faults()


def make(
    kind: Generator, reference: Reference, settings: Settings, model: Model
) -> MotionGenerator:
    """Return a generator that begins at a reference, and moves it."""
    match kind:
        case Generator.JOINT_POSITION:
            return JointPosition(reference, settings)
        case Generator.JOINT_VELOCITY:
            return JointVelocity(reference, settings)
        case Generator.CARTESIAN_POSE:
            return CartesianPose(reference, settings, model)
        case Generator.CARTESIAN_VELOCITY:
            return CartesianVelocity(reference, settings, model)


def gain(cutoff: float) -> float:
    """Return the factor of a first-order low pass for a new value: cut-off in Hz."""
    return 1.0 if cutoff >= NO_FILTER else DT / (DT + 1.0 / (2.0 * math.pi * cutoff))


def _joint_faults(joints: Track) -> list[Fault]:
    found = _named(_JOINT_FAULTS, joints.exceeds(DQ_MAX, DDQ_MAX, DDDQ_MAX))
    if _leaves(joints):
        found.append(Fault.JOINT_MOTION_GENERATOR_POSITION_LIMITS_VIOLATION)
    return found


def _leaves(joints: Track) -> bool:
    """Say whether a joint is beyond its range and moves further out."""
    x, v = joints.x, joints.v
    return bool((((x < Q_MIN) & (v < 0.0)) | ((x > Q_MAX) & (v > 0.0))).any())


def _named(faults: tuple[Fault, ...], broken: tuple[bool, ...]) -> list[Fault]:
    return [fault for fault, is_broken in zip(faults, broken, strict=True) if is_broken]
