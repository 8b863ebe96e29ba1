"""Writes the control box's state as the message for clients."""

from typing import Protocol

import numpy as np

from panda_sim.arm.limits import DT, Vector, elbow_sign
from panda_sim.arm.model_library import GRAVITY, Payload
from panda_sim.arm.motions import Motions
from panda_sim.arm.reference import Reference
from panda_sim.arm.reflexes import Touch
from panda_sim.arm.settings import Settings
from panda_sim.protocol.codes import CARTESIAN, Controller
from panda_sim.protocol.wire import STATE


class Joints(Protocol):
    """The arm's joints."""

    q: Vector  # (7,) [rad]
    dq: Vector  # (7,) [rad/s]


class Shown(Protocol):
    """The parts of a control box that appear in its state."""

    settings: Settings
    motions: Motions
    reference: Reference
    touch: Touch
    tau_J: Vector  # noqa: N815  (7,) [N m], measured
    tau_J_d: Vector  # noqa: N815  (7,) [N m], commanded, without gravity

    @property
    def arm(self) -> Joints:
        """The arm."""

    @property
    def T(self) -> Vector:  # noqa: N802
        """Pose of the end effector, (4, 4)."""

    @property
    def T_d(self) -> Vector:  # noqa: N802
        """Its reference, (4, 4)."""


class StateRecord:
    """One message, rewritten each cycle; `buffer` is its bytes."""

    def __init__(self) -> None:
        self._record = np.zeros(1, STATE)
        self.buffer = self._record.view(np.uint8).data
        self._fields = {name: self._record[name] for name in STATE.fields or ()}  # views
        self._fields["O_ddP_O"][0] = GRAVITY
        self.message_id = 0
        self._tau_J = np.zeros(7)

    def write(self, box: Shown) -> None:
        """Write the next state, a millisecond after the last."""
        self.message_id += 1
        self._fields["message_id"][0] = self.message_id
        self._write_settings(box.settings)
        self._write_arm(box)
        self._write_reference(box)
        self._write_touch(box.touch)
        self._write_mode(box)

    def _write_settings(self, settings: Settings) -> None:
        fields = self._fields
        for name in ("F_T_EE", "EE_T_K", "F_T_NE", "NE_T_EE"):
            fields[name][0] = _columns(getattr(settings, name))
        self._write_payload("ee", settings.hand)
        self._write_payload("load", settings.load)

    def _write_payload(self, name: str, payload: Payload) -> None:
        self._fields[f"m_{name}"][0] = payload.mass
        self._fields[f"F_x_C{name}"][0] = payload.centre
        self._fields[f"I_{name}"][0] = payload.inertia.ravel(order="F")

    def _write_arm(self, box: Shown) -> None:
        fields, arm = self._fields, box.arm
        fields["O_T_EE"][0] = _columns(box.T)
        fields["q"][0] = fields["theta"][0] = arm.q  # the joints have no elasticity
        fields["dq"][0] = fields["dtheta"][0] = arm.dq
        fields["tau_J"][0] = box.tau_J
        fields["dtau_J"][0] = (box.tau_J - self._tau_J) / DT
        self._tau_J = box.tau_J
        fields["tau_J_d"][0] = box.tau_J_d
        fields["elbow"][0] = arm.q[2], elbow_sign(float(arm.q[3]))

    def _write_reference(self, box: Shown) -> None:
        fields, reference, joints = self._fields, box.reference, box.reference.joints
        fields["q_d"][0], fields["dq_d"][0], fields["ddq_d"][0] = joints.x, joints.v, joints.a
        fields["O_T_EE_d"][0] = _columns(box.T_d)
        fields["elbow_d"][0] = joints.x[2], reference.elbow_sign
        move = box.motions.move

        if move is not None and move.generator in CARTESIAN:
            self._write_cartesian(reference, reference.T)
        else:
            elbow = fields["elbow_d"][0]
            fields["O_T_EE_c"][0] = fields["O_T_EE_d"][0]
            fields["elbow_c"][0] = elbow
            for name in ("O_dP_EE_d", "O_dP_EE_c", "O_ddP_EE_c", "delbow_c", "ddelbow_c"):
                fields[name][0] = 0.0

    def _write_cartesian(self, reference: Reference, T: Vector) -> None:
        fields, elbow = self._fields, reference.elbow
        fields["O_T_EE_c"][0] = _columns(T)
        fields["O_dP_EE_d"][0] = fields["O_dP_EE_c"][0] = reference.twist
        fields["O_ddP_EE_c"][0] = reference.acceleration
        fields["elbow_c"][0] = elbow.x[0], reference.elbow_sign
        fields["delbow_c"][0] = elbow.v[0], 0.0
        fields["ddelbow_c"][0] = elbow.a[0], 0.0

    def _write_touch(self, touch: Touch) -> None:
        fields = self._fields
        fields["tau_ext_hat_filtered"][0] = touch.torques
        fields["O_F_ext_hat_K"][0], fields["K_F_ext_hat_K"][0] = touch.base, touch.own

        for name in (
            "joint_contact",
            "joint_collision",
            "cartesian_contact",
            "cartesian_collision",
        ):
            fields[name][0] = getattr(touch, name)

    def _write_mode(self, box: Shown) -> None:
        fields, motions = self._fields, box.motions
        move = motions.move
        fields["motion_generator_mode"][0] = 0 if move is None else move.generator + 1
        fields["controller_mode"][0] = Controller.OTHER if move is None else move.controller
        fields["robot_mode"][0] = motions.mode
        fields["errors"][0], fields["reflex_reason"][0] = motions.errors, motions.reflex_reason
        fields["control_command_success_rate"][0] = (
            0.0 if move is None else motions.link.success_rate
        )


def _columns(T: Vector) -> Vector:
    return T.ravel(order="F")
