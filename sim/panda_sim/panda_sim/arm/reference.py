"""The arm's reference motion, cycle by cycle. Pure."""

from dataclasses import dataclass, field

import numpy as np

from panda_sim.arm.limits import DDQ_MAX, DT, Vector, elbow_sign

_SLACK = 1.0 + 1e-6  # factor on a limit, for rounding
_ROUNDING = 1e-5  # on a jerk, which is a third difference of positions


class Track:
    """A commanded quantity (n,) with its velocity and acceleration."""

    def __init__(self, position: Vector) -> None:
        self.x = np.array(position, dtype=np.float64)
        self.v, self.a, self.jerk = (
            np.zeros_like(self.x),
            np.zeros_like(self.x),
            np.zeros_like(self.x),
        )

    def to(self, position: Vector) -> None:
        """Reach a position in this cycle."""
        self._take((position - self.x) / DT, np.array(position))

    def at(self, velocity: Vector) -> None:
        """Move at a velocity in this cycle."""
        self._take(np.array(velocity), self.x + DT * velocity)

    def extrapolate(self) -> None:
        """Continue with the last acceleration, because no command came."""
        self.v = self.v + DT * self.a
        self.x = self.x + DT * self.v
        self.jerk = np.zeros_like(self.x)

    def _take(self, velocity: Vector, position: Vector) -> None:
        acceleration = (velocity - self.v) / DT
        self.jerk = (acceleration - self.a) / DT
        self.x, self.v, self.a = position, velocity, acceleration

    def exceeds(self, v: Vector, a: Vector, jerk: Vector) -> tuple[bool, bool, bool]:
        """Say which limits, one for each number (n,), are exceeded.

        Of velocity, acceleration, jerk.
        """
        return (
            bool((np.abs(self.v) > v * _SLACK).any()),
            bool((np.abs(self.a) > a * _SLACK).any()),
            bool((np.abs(self.jerk) > jerk * _SLACK + _ROUNDING).any()),
        )

    def exceeds_norm(self, v: float, a: float, jerk: float) -> tuple[bool, bool, bool]:
        """Say which limits of the vector's length are exceeded: velocity, acceleration, jerk."""
        lengths = [float(np.linalg.norm(derivative)) for derivative in (self.v, self.a, self.jerk)]

        return (
            lengths[0] > v * _SLACK,
            lengths[1] > a * _SLACK,
            lengths[2] > jerk * _SLACK + _ROUNDING,
        )


@dataclass
class Reference:
    """The joint reference, and the Cartesian one if the client commands poses.

    Both appear in the state.
    """

    joints: Track  # (7,) rad: q_d, dq_d, ddq_d
    T: Vector = field(default_factory=lambda: np.eye(4))  # O_T_EE_c
    twist: Vector = field(default_factory=lambda: np.zeros(6))  # O_dP_EE_c
    acceleration: Vector = field(default_factory=lambda: np.zeros(6))  # O_ddP_EE_c
    elbow: Track = field(default_factory=lambda: Track(np.zeros(1)))  # elbow_c, delbow_c, ddelbow_c

    @property
    def elbow_sign(self) -> float:
        """The elbow's side, from joint 4."""
        return elbow_sign(float(self.joints.x[3]))

    def restart(self, q: Vector, dq: Vector) -> None:
        """Restart at the arm's position and velocity."""
        self.joints = Track(q)
        self.joints.v = np.array(dq)

    def brake(self) -> None:
        """Brake as quickly as the joints may, then stay at rest."""
        v = self.joints.v
        if v.any():
            self.joints.at(v - np.clip(v, -DT * DDQ_MAX, DT * DDQ_MAX))
        elif self.joints.a.any():
            self.joints.at(v)

        self.twist, self.acceleration = np.zeros(6), np.zeros(6)
