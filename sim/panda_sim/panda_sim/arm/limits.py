"""Limits of a Panda's range, speed and force.

From Franka's documentation of the FER and libfranka's rate_limiting.h.
"""

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float64]

DT = 0.001  # s, a cycle

Q_MIN = np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])  # rad
Q_MAX = np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])
DQ_MAX = np.array([2.175, 2.175, 2.175, 2.175, 2.61, 2.61, 2.61])  # rad/s
DDQ_MAX = np.array([15.0, 7.5, 10.0, 12.5, 15.0, 20.0, 20.0])  # rad/s^2
DDDQ_MAX = np.array([7500.0, 3750.0, 5000.0, 6250.0, 7500.0, 10000.0, 10000.0])  # rad/s^3

TAU_MAX = np.array([87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0])  # N m
TAU_STEP = 1.0  # N m, between two cycles

TRANSLATION = (2.0, 13.0, 6500.0)  # m/s, m/s^2, m/s^3
ROTATION = (2.5, 25.0, 12500.0)  # rad/s, rad/s^2, rad/s^3
ELBOW = (2.175, 10.0, 5000.0)  # rad/s, rad/s^2, rad/s^3

LOST_IN_A_ROW = 20  # successive missing answers that abort a motion
K_THETA_MAX = 14250.0  # N m/rad
K_TRANSLATION = (10.0, 3000.0)  # N/m, of SetCartesianImpedance
K_ROTATION = (1.0, 300.0)  # N m/rad

ELBOW_FLIP = -0.467  # rad, joint 4: below it the elbow's sign is negative


SANE = 1e6  # in any unit used here; larger numbers may overflow in computations


def is_sane(numbers: Vector) -> bool:
    """Say whether numbers are finite and of a plausible size."""
    return bool((np.abs(numbers) < SANE).all())


def elbow_sign(q4: float) -> float:
    """Return the elbow's sign for an angle of joint 4 [rad]."""
    return -1.0 if q4 < ELBOW_FLIP else 1.0
