"""A client's settings, each checked before it is applied. Pure."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from panda_sim.arm.limits import K_ROTATION, K_THETA_MAX, K_TRANSLATION, Vector, is_sane
from panda_sim.arm.model_library import Payload
from panda_sim.arm.rotations import is_pose
from panda_sim.protocol.codes import Command, SetStatus

NO_FILTER = 1000.0  # Hz; a filter with this cut-off passes everything
_HEAVIEST, _FARTHEST = 20.0, 1.0  # kg and m, limits of a load and its centre; assumed
_NOTHING = Payload(0.0, np.zeros(3), np.zeros((3, 3)))


@dataclass(frozen=True)
class Thresholds:
    """Torques (7,) [N m] and forces (6,) [N, N m] above which a touch counts."""

    torque_contact: Vector
    torque_collision: Vector
    force_contact: Vector
    force_collision: Vector


def _flat(torque: float, force: float) -> Thresholds:
    return Thresholds(np.full(7, torque), np.full(7, torque), np.full(6, force), np.full(6, force))


@dataclass
class Settings:
    """The box's settings after it was switched on.

    Default impedances and thresholds are assumed.
    """

    hand: Payload
    F_T_NE: Vector  # (4, 4)
    NE_T_EE: Vector = field(default_factory=lambda: np.eye(4))
    EE_T_K: Vector = field(default_factory=lambda: np.eye(4))
    load: Payload = _NOTHING
    nominal: Thresholds = field(default_factory=lambda: _flat(20.0, 20.0))
    accelerating: Thresholds = field(default_factory=lambda: _flat(20.0, 20.0))
    K_theta: Vector = field(
        default_factory=lambda: np.array([3000.0, 3000.0, 3000.0, 2500.0, 2500.0, 2000.0, 2000.0])
    )
    K_x: Vector = field(default_factory=lambda: np.array([3000.0] * 3 + [300.0] * 3))
    guided: Vector = field(
        default_factory=lambda: np.ones(6, dtype=bool)
    )  # Cartesian axes that a guiding hand can move
    guided_nullspace: bool = True
    cutoffs: Vector = field(
        default_factory=lambda: np.full(5, NO_FILTER)
    )  # q_c, dq_c, O_T_EE_c, O_dP_EE_c, tau_J_d

    def __post_init__(self) -> None:
        self._combine()

    def _combine(self) -> None:
        self.F_T_EE = self.F_T_NE @ self.NE_T_EE
        self.total = self.hand.joined(self.load)

    def apply(self, command: Command, given: Any) -> SetStatus:
        """Apply a wire.REQUESTS record, completely or not at all."""
        if not all(is_sane(given[name]) for name in given.dtype.names):
            return SetStatus.INVALID_ARGUMENT
        taken = _SETTERS[command](self, given)
        self._combine()

        return SetStatus.SUCCESS if taken else SetStatus.INVALID_ARGUMENT

    def _collision_behavior(self, given: Any) -> bool:
        if any((given[name] < 0.0).any() for name in given.dtype.names):
            return False

        self.accelerating, self.nominal = (
            Thresholds(
                *(
                    given[f"{side}_{what}_{phase}"]
                    for what in ("torque", "force")
                    for side in ("lower", "upper")
                )
            )
            for phase in ("acceleration", "nominal")
        )

        return True

    def _joint_impedance(self, given: Any) -> bool:
        K = given["K_theta"]
        if (K < 0.0).any() or (K > K_THETA_MAX).any():
            return False
        self.K_theta = K.copy()

        return True

    def _cartesian_impedance(self, given: Any) -> bool:
        stiffness = given["K_x"]
        low, high = (np.repeat([k, r], 3) for k, r in zip(K_TRANSLATION, K_ROTATION, strict=True))
        if (stiffness < low).any() or (stiffness > high).any():
            return False

        self.K_x = stiffness.copy()

        return True

    def _guiding_mode(self, given: Any) -> bool:
        self.guided, self.guided_nullspace = given["axes"].astype(bool), bool(given["nullspace"])
        return True

    def _ee_to_k(self, given: Any) -> bool:
        T = given["EE_T_K"].reshape(4, 4).T
        if not is_pose(T) or np.abs(T[:3, 3]).max() > _FARTHEST:
            return False
        self.EE_T_K = T.copy()

        return True

    def _ne_to_ee(self, given: Any) -> bool:
        T = given["NE_T_EE"].reshape(4, 4).T
        if not is_pose(T) or np.abs(T[:3, 3]).max() > _FARTHEST:
            return False
        self.NE_T_EE = T.copy()

        return True

    def _load(self, given: Any) -> bool:
        mass, centre = float(given["m_load"]), given["F_x_Cload"].copy()
        inertia = given["I_load"].reshape(3, 3).T.copy()
        if not 0.0 <= mass <= _HEAVIEST or np.abs(centre).max() > _FARTHEST:
            return False
        if np.abs(inertia).max() > _HEAVIEST * _FARTHEST**2 or not np.allclose(inertia, inertia.T):
            return False
        if np.linalg.eigvalsh(inertia)[0] < -1e-9:
            return False

        self.load = Payload(mass, centre, inertia)

        return True

    def _filters(self, given: Any) -> bool:
        cutoffs = given["cutoffs"]
        if (cutoffs <= 0.0).any() or (cutoffs > NO_FILTER).any():
            return False
        self.cutoffs = cutoffs.copy()

        return True


_SETTERS = {
    Command.SET_COLLISION_BEHAVIOR: Settings._collision_behavior,
    Command.SET_JOINT_IMPEDANCE: Settings._joint_impedance,
    Command.SET_CARTESIAN_IMPEDANCE: Settings._cartesian_impedance,
    Command.SET_GUIDING_MODE: Settings._guiding_mode,
    Command.SET_EE_TO_K: Settings._ee_to_k,
    Command.SET_NE_TO_EE: Settings._ne_to_ee,
    Command.SET_LOAD: Settings._load,
    Command.SET_FILTERS: Settings._filters,
}
SETTERS = frozenset(_SETTERS)
