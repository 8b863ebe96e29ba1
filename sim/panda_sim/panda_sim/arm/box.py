"""The control box: takes requests and commands, moves the arm, writes its state. No sockets."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from panda_sim.arm.controllers import CartesianImpedance, JointImpedance, Motion
from panda_sim.arm.generators import MotionGenerator, gain, make
from panda_sim.arm.kinematics import is_singular
from panda_sim.arm.limits import DDQ_MAX, DT, Vector, is_sane
from panda_sim.arm.model_library import Model, Payload, fits
from panda_sim.arm.motions import Deviation, Ended, Motions, Move
from panda_sim.arm.reference import Reference, Track
from panda_sim.arm.reflexes import Touch, measured_faults, torque_faults
from panda_sim.arm.rotations import difference
from panda_sim.arm.settings import SETTERS, Settings
from panda_sim.arm.state import StateRecord
from panda_sim.protocol.codes import (
    CARTESIAN,
    Command,
    Controller,
    Fault,
    Generator,
    LibraryStatus,
    Mode,
    MoveStatus,
    SetStatus,
)
from panda_sim.protocol.wire import CARTESIAN_LIMIT_ANSWER, record

_AT_REST = 0.01  # rad/s; a slower arm counts as at rest
_RESTING = 0.05  # rad/s^2, greatest acceleration of a reference at rest
_NUMBERS = ("q_c", "dq_c", "O_T_EE_c", "O_dP_EE_c", "elbow_c", "tau_J_d")  # fields of a command


class Arm(Protocol):
    """The arm that the box moves."""

    q: Vector  # (7,) [rad]
    dq: Vector  # (7,) [rad/s]
    pushed: Vector  # (7,) [N m], external torques on the joints

    def step(self, tau: Vector, finger_force: float) -> None:
        """Advance by a millisecond with torques (7,) [N m] and a force on each finger [N]."""


@dataclass(frozen=True)
class Answer:
    """A status, and additional data for some commands."""

    status: int
    more: bytes = b""


class ControlBox:
    """A Panda's control box.

    Args:
        arm: the arm.
        model: the library, built from that arm.
        hand: mass, centre and inertia of the hand.
        F_T_NE: nominal end effector in the flange frame, (4, 4).

    """

    def __init__(self, arm: Arm, model: Model, hand: Payload, F_T_NE: Vector) -> None:
        self.arm, self.model = arm, model
        self.settings = Settings(hand, F_T_NE)
        self.motions = Motions()
        self.reference = Reference(Track(arm.q))
        self.touch = Touch()
        self.tau_J_d = np.zeros(7)  # N m, last torque of a controller, without gravity
        self._joint_springs, self._hand_spring = JointImpedance(model), CartesianImpedance(model)
        self.finger_force = 0.0  # N on each, positive opens
        self._generator: MotionGenerator | None = None

        # the client's torques, or a reflex, may move the arm away from its reference
        self._free = False
        self._guided = False
        self._tense = False  # the springs may still pull at an arm that an obstacle has stopped
        self._state = StateRecord()
        model.carry(self.settings.total)
        self.tau_J = model.gravity(arm.q).copy()  # N m, measured
        self._look()
        self._publish()

    # --- requests ---

    def request(self, command: Command, command_id: int, given: Any) -> Answer | None:
        """Execute a client's request; None: the answer comes later, in `take_ended`.

        `given` is a record of wire.REQUESTS.
        """
        if command in SETTERS:
            return Answer(self._set(command, given))

        match command:
            case Command.MOVE:
                return Answer(self._start(command_id, given))
            case Command.STOP_MOVE:
                return Answer(self.motions.stop())
            case Command.AUTOMATIC_ERROR_RECOVERY:
                status = self.motions.recover(command_id)
                return None if status is None else Answer(status)
            case Command.GET_CARTESIAN_LIMIT:
                return Answer(
                    SetStatus.SUCCESS, record(CARTESIAN_LIMIT_ANSWER).tobytes()
                )  # none is set, or all are active
            case Command.LOAD_MODEL_LIBRARY:
                if fits(int(given["architecture"]), int(given["system"])):
                    return Answer(LibraryStatus.SUCCESS, self.model.binary)
                return Answer(LibraryStatus.ERROR)
            case _:
                raise ValueError(f"{command.name} is not for the box")

    def take_ended(self) -> list[Ended]:
        """Return the commands that have ended since the last call, for answers."""
        ended, self.motions.ended = self.motions.ended, []
        return ended

    def _set(self, command: Command, given: Any) -> SetStatus:
        if self.motions.mode not in (Mode.IDLE, Mode.GUIDING):
            return SetStatus.NOT_POSSIBLE
        status = self.settings.apply(command, given)
        self.model.carry(self.settings.total)

        return status

    def _start(self, command_id: int, given: Any) -> MoveStatus:
        try:
            controller, generator = (
                Controller(int(given["controller"])),
                Generator(int(given["generator"])),
            )
        except ValueError:
            return MoveStatus.INVALID_ARGUMENT

        path, goal = (
            Deviation(
                *(
                    float(given[f"{name}_deviation"][part])
                    for part in ("translation", "rotation", "elbow")
                )
            )
            for name in ("path", "goal")
        )
        if controller == Controller.OTHER:
            return MoveStatus.INVALID_ARGUMENT

        status = self.motions.start(Move(command_id, controller, generator, path, goal))
        if status != MoveStatus.STARTED:
            return status

        if generator in CARTESIAN and is_singular(self.model, self.arm.q, self.settings.F_T_EE):
            self.motions.move = None
            return MoveStatus.SINGULAR_START

        self.reference.joints = Track(self.reference.joints.x)
        self._generator = make(generator, self.reference, self.settings, self.model)
        self._free = True  # unless the motion ends properly

        return status

    # --- a cycle ---

    def cycle(self, command: Any | None) -> None:
        """Advance by a millisecond, with the client's answer to the last state, or without.

        Args:
            command: a record of wire.ROBOT_COMMAND; None if none came.

        """
        if self.motions.move is not None:
            self._follow(self.motions.move, command)

        if self.motions.move is None:
            self._rest()

        self._control(command)
        self.tau_J = self.tau_J_d + self.model.gravity(self.arm.q)
        self.arm.step(self.tau_J, self.finger_force)
        self._look()
        self.motions.fail(
            [
                *self.touch.faults,
                *measured_faults(self.arm.q, self.arm.dq),
                *self._deviation_faults(),
            ]
        )
        self.motions.cycle()
        self._publish()

    @property
    def state(self) -> Any:
        """The state after the last cycle, as bytes to send; they change with the next cycle."""
        return self._state.buffer

    @property
    def message_id(self) -> int:
        """The last state's number: milliseconds since the start."""
        return self._state.message_id

    def _follow(self, move: Move, command: Any | None) -> None:
        """Advance the generator with a command, or without one."""
        generator, motions = self._generator, self.motions
        assert generator is not None, "a motion has a generator"
        if not motions.link.cycle(command is not None):
            motions.fail([Fault.COMMUNICATION_CONSTRAINTS_VIOLATION])
        elif command is None:
            if motions.link.begun:
                generator.extrapolate()
        elif not all(is_sane(command[name]) for name in _NUMBERS):
            motions.refuse_input()
        else:
            faults = generator.take(command)
            if move.controller == Controller.EXTERNAL:
                faults += torque_faults(command["tau_J_d"], self.tau_J_d)

            finished = bool(command["motion_generation_finished"])
            motions.fail([*faults, *(self._end_faults(move) if finished else ())])
            if finished and motions.move is not None:
                motions.finish()
                self._free = move.controller == Controller.EXTERNAL

    def _end_faults(self, move: Move) -> list[Fault]:
        """Return the faults at the end of a motion.

        Its reference must be at rest, and the arm at the reference.
        """
        found = []
        if (np.abs(self.reference.joints.v) > DT * DDQ_MAX).any():
            cartesian = move.generator in CARTESIAN
            found.append(
                Fault.CARTESIAN_MOTION_GENERATOR_VELOCITY_DISCONTINUITY
                if cartesian
                else Fault.JOINT_MOTION_GENERATOR_VELOCITY_DISCONTINUITY
            )

        if move.controller != Controller.EXTERNAL and self._is_away(move.goal):
            found.append(Fault.MAX_GOAL_POSE_DEVIATION_VIOLATION)

        return found

    def _deviation_faults(self) -> list[Fault]:
        move = self.motions.move
        if move is None or move.controller == Controller.EXTERNAL or not self._is_away(move.path):
            return []
        return [Fault.MAX_PATH_POSE_DEVIATION_VIOLATION]

    def _is_away(self, allowed: Deviation) -> bool:
        away = difference(self.T, self.T_d)
        elbow = abs(float(self.arm.q[2] - self.reference.joints.x[2]))
        translation, rotation = float(np.linalg.norm(away[:3])), float(np.linalg.norm(away[3:]))

        return (
            translation > allowed.translation
            or rotation > allowed.rotation
            or elbow > allowed.elbow
        )

    def _rest(self) -> None:
        """Come to rest at the reference, or, if the arm has left it, where the arm is.

        An obstacle may have stopped such an arm: when it is at rest, the springs that brake it are
        released.
        """
        guided = self.motions.mode == Mode.GUIDING
        if self._free or guided != self._guided:
            self.reference.restart(self.arm.q, self.arm.dq)
            self._tense = True

        self._free, self._guided, self._generator = False, guided, None
        self.reference.brake()
        if self._tense and not self.reference.joints.v.any():
            self._tense = bool(np.abs(self.arm.dq).max() > _AT_REST)
            self.reference.restart(self.arm.q, self.arm.dq if self._tense else np.zeros(7))

    def _control(self, command: Any | None) -> None:
        """Compute the torques of this cycle."""
        move, settings, reference = self.motions.move, self.settings, self.reference
        arm = Motion(self.arm.q, self.arm.dq, self.T)
        if move is not None and move.controller == Controller.EXTERNAL:
            if command is not None:
                share = gain(settings.cutoffs[4])
                self.tau_J_d = self.tau_J_d + share * (command["tau_J_d"] - self.tau_J_d)
        elif move is not None and move.controller == Controller.CARTESIAN_IMPEDANCE:
            self.tau_J_d = self._hand_spring.torques(arm, reference, settings, settings.K_x, True)
        elif self.motions.mode == Mode.GUIDING:
            held, keeps = (
                np.where(settings.guided, 0.0, settings.K_x),
                not settings.guided_nullspace,
            )
            self.tau_J_d = self._hand_spring.torques(arm, reference, settings, held, keeps)
        else:
            self.tau_J_d = self._joint_springs.torques(arm, reference, settings.K_theta)

    def _look(self) -> None:
        """Update poses and external forces from the arm."""
        settings, model = self.settings, self.model
        self.T = model.pose(self.arm.q, settings.F_T_EE).copy()
        self.T_d = model.pose(self.reference.joints.x, settings.F_T_EE).copy()
        accelerating = float(np.abs(self.reference.joints.a).max()) > _RESTING
        self.touch.feel(
            self.arm.pushed,
            model.jacobian(self.arm.q, settings.F_T_EE @ settings.EE_T_K),
            self.T[:3, :3] @ settings.EE_T_K[:3, :3],
            settings.accelerating if accelerating else settings.nominal,
        )

    def _publish(self) -> None:
        self._state.write(self)
