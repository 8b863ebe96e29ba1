"""A Panda (FER) by panda_py's Cartesian impedance controller, in its own process.

panda_py 1.1.1 does not report what ended a controller, then repeats the last state for ever, holds
the interpreter during a recovery, and ends the process if a Panda with a lost connection is
destroyed (docs/parity.md).
"""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import panda_py
from panda_py import controllers, libfranka

from wayfarer_franka_bridge.drivers.child import serve
from wayfarer_franka_bridge.drivers.driver import (
    IDLE,
    ConnectionLostError,
    MotionAbortedError,
    RobotState,
    Settings,
    StoppedError,
    UnusableError,
    Vector,
    raised,
    require_configured,
)
from wayfarer_franka_bridge.drivers.panda_py_driver import INSTALL

_GUARD = 0.02  # s; if a command holds the handle for longer, the last state is returned
_SILENCE = 1.0  # s without a new state, after which libfranka also gives a connection up
_LOST = ("UDP", "TCP", "onnection", "Net Exception")
_PRIORITY = 99  # real-time priority that libfranka needs
DOCUMENTED = "docs/hardware.md; realtime:=ignore is for simulators only"


class PandaPyArm:
    """See driver.Driver; do not use it after its connection is lost."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._name = settings, f"robot {settings.robot_ip}"
        self._panda: Any = None
        self._controller: Any = None
        self._handle = threading.Lock()  # without a controller, one thread at a time may read
        self._configured = False
        self._last: RobotState | None = None
        self._heard = 0.0  # s, time of the newest state
        self._wanted: tuple[Vector, Vector] | None = None  # target of the hand, (3,), (4,)

    def connect(self) -> None:
        """Connect, once."""
        s, config = self._settings, libfranka.RealtimeConfig
        if s.realtime:
            require_realtime()

        realtime = config.kEnforce if s.realtime else config.kIgnore
        with self._handle, self._errors("cannot connect"):
            try:
                panda = panda_py.Panda(s.robot_ip, realtime_config=realtime)
            except RuntimeError as error:
                text = f"robot {s.robot_ip}: {error}"
                if "version" in text:
                    fits = f"{text}. Install the wheel that fits it:\n{INSTALL}"
                    raise UnusableError(fits) from error

                raise ConnectionLostError(text) from error

            self._panda = panda
            if int(panda.get_state().robot_mode) == IDLE:
                self._configure()  # in any other mode the arm refuses, and `recover` does it later

    def state(self) -> RobotState:
        """Return the newest state; raise the error that ended a controller."""
        panda = self._connected()
        free = self._handle.acquire(timeout=_GUARD)
        try:
            if not free and not panda.is_moving():
                # a motion is just beginning: reading now would disturb it
                if self._last is None:
                    raise ConnectionLostError(f"{self._name} has not told its state yet")
                return self._last

            with self._errors("tracking ended"):
                if free:
                    self._raise_what_ended(panda)
                state = self._last = self._newest(panda)
                if free and self._controller is not None:
                    self._lead(state)  # the hand may have been pushed meanwhile

            return state
        finally:
            if free:
                self._handle.release()

    def track(
        self, position: Vector, quaternion: Vector, velocity: Vector, acceleration: Vector
    ) -> None:
        """Start the controller at the present pose, or give the running one its next target."""
        del velocity, acceleration  # panda_py's controller takes neither
        panda, s = self._ready(), self._settings
        with self._handle, self._errors("cannot track"):
            if self._controller is None:
                self._refuse_errors(panda)  # start_controller would clear them silently
                self._refuse_modes(panda)  # and fail later, and hide what ended the last motion
                stiffness = np.diag([s.stiffness] * 3 + [s.rotational_stiffness] * 3)
                self._controller = controllers.CartesianImpedance(impedance=stiffness)
                self._wanted = None
                panda.start_controller(self._controller)

            self._wanted = position, quaternion
            self._lead(self._last or convert(panda.get_state()))

    def stop(self) -> None:
        """End the controller, if one runs; raise the error that had ended it before."""
        with self._handle, self._errors("tracking ended"):
            if self._controller is not None:
                self._controller = None
                panda = self._connected()
                panda.stop_controller()
                panda.raise_error()

    def home(self, wanted: Callable[[], bool]) -> None:
        """Move in joint space."""
        self.stop()
        panda, s = self._ready(), self._settings
        ended = threading.Event()

        def stop_when_unwanted() -> None:
            while not ended.wait(0.01):
                if not wanted():
                    panda.stop_controller()
                    return

        with self._handle, self._errors("cannot go home"):
            self._refuse_errors(panda)
            watching = threading.Thread(target=stop_when_unwanted, daemon=True)
            watching.start()

            try:
                home = np.array(s.home_joints)
                arrived = panda.move_to_joint_position(home, speed_factor=s.home_speed)
                panda.raise_error()
            finally:
                ended.set()
                watching.join()
                # otherwise the motion counts as running, and its last state repeats for ever
                with suppress(RuntimeError):  # of a lost connection, already reported
                    panda.stop_controller()

            if not arrived:
                raise (MotionAbortedError if wanted() else StoppedError)("stopped on the way home")

    def recover(self) -> None:
        """Clear the arm's errors and set thresholds and load again."""
        panda = self._connected()
        with self._handle, self._errors("cannot recover"):
            self._controller = None
            panda.stop_controller()  # otherwise a controller that a reflex ended counts as running
            panda.recover()
            self._refuse_errors(panda)
            self._configure()

    def close(self) -> None:
        """Let the arm come to rest; the connection ends with the process."""
        if self._panda is not None:
            self.stop()

    def _newest(self, panda: Any) -> RobotState:
        """Read a state; it stays the same if libfranka's thread hangs."""
        state, now = convert(panda.get_state()), time.monotonic()
        if self._last is None or state.time != self._last.time:
            self._heard = now
        elif now - self._heard > _SILENCE:
            raise ConnectionLostError(f"{self._name}: no new state for {_SILENCE:g} s")

        return state

    def _raise_what_ended(self, panda: Any) -> None:
        """Raise the error that ended the controller, once; then the arm's state can be read.

        States from before are not returned any more.
        """
        if self._controller is None:
            return

        try:
            panda.raise_error()
        except RuntimeError as error:
            self._controller = None
            with suppress(RuntimeError):  # of a lost connection: the first error says more
                panda.stop_controller()
                if not _lost(error):
                    self._last, self._heard = convert(panda.get_state()), time.monotonic()

            raise

    def _lead(self, state: RobotState) -> None:
        """Give the controller, which has no limit of its spring, a target that is near enough."""
        if self._wanted is not None:
            position, quaternion = self._wanted
            near = within(position, state.T_O_EE[:3, 3], self._settings.error_clip)
            self._controller.set_control(near, quaternion, np.array(self._settings.home_joints))

    def _configure(self) -> None:
        s, robot = self._settings, self._panda.get_robot()
        torques, forces = [s.torque_threshold] * 7, [s.force_threshold] * 6
        robot.set_collision_behavior(torques, torques, forces, forces)
        robot.set_load(s.load_mass, list(s.load_centre), [0.0] * 9)
        self._configured = True

    def _ready(self) -> Any:
        """Return the Panda if it may move."""
        panda = self._connected()
        require_configured(self._configured)
        return panda

    def _refuse_errors(self, panda: Any) -> None:
        flags = raised(panda.get_state().current_errors)
        if flags:
            raise MotionAbortedError(f"the robot reports {', '.join(flags)}: recover it")

    def _refuse_modes(self, panda: Any) -> None:
        mode = int(panda.get_state().robot_mode)
        if mode != IDLE:
            raise MotionAbortedError(f"the robot is in mode {mode}, not idle: recover it")

    def _connected(self) -> Any:
        if self._panda is None:
            raise ConnectionLostError(f"{self._name} is not connected")
        return self._panda

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """Turn panda_py's exceptions, all of them RuntimeErrors, into ours."""
        try:
            yield
        except RuntimeError as error:
            text = f"{self._name}: {what}: {error}"
            raise (ConnectionLostError if _lost(error) else MotionAbortedError)(text) from error


def _lost(error: RuntimeError) -> bool:
    return any(word in str(error) for word in _LOST)


def convert(s: Any) -> RobotState:
    """Return a panda_py.libfranka.RobotState, whose matrices are lists by column, as ours."""

    def matrix(sixteen: list[float]) -> Vector:
        return np.array(sixteen).reshape(4, 4, order="F")

    return RobotState(
        time=s.time.to_sec(),
        robot_mode=int(s.robot_mode),
        errors=raised(s.current_errors),
        last_motion_errors=raised(s.last_motion_errors),
        success_rate=s.control_command_success_rate,
        q=np.array(s.q),
        dq=np.array(s.dq),
        tau_J=np.array(s.tau_J),
        q_d=np.array(s.q_d),
        dq_d=np.array(s.dq_d),
        tau_J_d=np.array(s.tau_J_d),
        ddq_d=np.array(s.ddq_d),
        dtau_J=np.array(s.dtau_J),
        theta=np.array(s.theta),
        dtheta=np.array(s.dtheta),
        tau_ext=np.array(s.tau_ext_hat_filtered),
        elbow=np.array([s.elbow, s.elbow_d, s.elbow_c, s.delbow_c, s.ddelbow_c]),
        K_F_ext=np.array(s.K_F_ext_hat_K),
        O_F_ext=np.array(s.O_F_ext_hat_K),
        inertia_ee=np.array([s.m_ee, *s.F_x_Cee, *s.I_ee]),
        inertia_load=np.array([s.m_load, *s.F_x_Cload, *s.I_load]),
        inertia_total=np.array([s.m_total, *s.F_x_Ctotal, *s.I_total]),
        T_O_EE=matrix(s.O_T_EE),
        T_O_EE_d=matrix(s.O_T_EE_d),
        T_O_EE_c=matrix(s.O_T_EE_c),
        T_F_EE=matrix(s.F_T_EE),
        T_EE_K=matrix(s.EE_T_K),
        twist_d=np.array(s.O_dP_EE_d),
        twist_c=np.array(s.O_dP_EE_c),
        acceleration_c=np.array(s.O_ddP_EE_c),
        cartesian_contact=np.array(s.cartesian_contact),
        cartesian_collision=np.array(s.cartesian_collision),
        joint_contact=np.array(s.joint_contact),
        joint_collision=np.array(s.joint_collision),
    )


def within(position: Vector, here: Vector, longest: float) -> Vector:
    """Return the point (3,) [m] towards a position, at most `longest` [m] away from `here`."""
    spring = position - here
    length = float(np.linalg.norm(spring))
    return np.asarray(here + spring * (longest / length)) if length > longest else position


def require_realtime() -> None:
    """Raise UnusableError if libfranka would refuse to control; it would report it only later."""
    flag = Path("/sys/kernel/realtime")
    if not flag.exists() or flag.read_text().strip() != "1":
        raise UnusableError(f"the running kernel has no real-time capabilities ({DOCUMENTED})")

    before, parameter = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    except PermissionError as error:
        text = f"real-time priority {_PRIORITY} is not allowed ({DOCUMENTED})"
        raise UnusableError(text) from error

    os.sched_setscheduler(0, before, parameter)


def main() -> None:
    """Serve the node that started this process."""
    serve(PandaPyArm)


if __name__ == "__main__":
    main()
