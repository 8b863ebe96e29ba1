"""A Panda (FER) by panda_py's Cartesian impedance controller, which no simulator speaks to: see docs/hardware.md."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
from wayfarer_common.errors import DeviceError

from wayfarer_franka_bridge.driver import (
    ConnectionLostError,
    MotionAbortedError,
    RobotState,
    Settings,
    StoppedError,
    UnusableError,
    Vector,
    raised,
)

INSTALL = (
    "pip install panda-python==1.1.1   # Panda with robot system 4.2.1 or newer (robot server 5)\n"
    "for a Panda with other firmware, the wheel built for its libfranka, from\n"
    "  https://github.com/JeanElsner/panda-py/releases; for an FR3: driver:=franky"
)
_GUARD = 0.02  # s; a state is served from memory when a command holds the handle for longer than this


class PandaPyDriver:
    """See driver.Driver. Raises DeviceError where panda_py is not installed."""

    def __init__(self, settings: Settings) -> None:
        try:
            self._panda_py: Any = import_module("panda_py")
            self._controllers: Any = import_module("panda_py.controllers")
            self._libfranka: Any = import_module("panda_py.libfranka")
        except ImportError as error:
            raise DeviceError(f"driver panda_py is not installed ({error}). Install it:\n{INSTALL}") from error
        self._settings = settings
        self._panda: Any = None
        self._controller: Any = None
        self._handle = threading.Lock()  # libfranka reads from one thread only while no controller runs
        self._last: RobotState | None = None
        self._wanted: tuple[Vector, Vector] | None = None  # where the hand shall be, (3,) and (4,), while it is tracked

    def connect(self) -> None:
        """Make a new Panda: a handle whose connection broke stays broken."""
        s, config = self._settings, self._libfranka.RealtimeConfig
        with self._handle:
            self._panda, self._controller = None, None
        try:
            panda = self._panda_py.Panda(s.robot_ip, realtime_config=config.kEnforce if s.realtime else config.kIgnore)
        except RuntimeError as error:  # panda_py passes libfranka's exceptions on as RuntimeError
            text = str(error)
            if "version" in text:
                raise UnusableError(
                    f"robot {s.robot_ip}: {text}. Install the wheel that fits it:\n{INSTALL}"
                ) from error
            if "realtime" in text:
                raise UnusableError(f"{text} (docs/hardware.md; realtime:=ignore is for simulators only)") from error
            raise ConnectionLostError(f"robot {s.robot_ip}: {text}") from error
        with self._handle, self._errors("cannot set thresholds and load"):
            self._panda = panda
            self._configure()

    def state(self) -> RobotState:
        """Return the newest state; tell of a controller that ended by itself."""
        panda = self._connected()
        free = self._handle.acquire(timeout=_GUARD)
        try:
            if not free and not panda.is_moving():  # a motion is just beginning: reading now would disturb it
                if self._last is None:
                    raise ConnectionLostError(f"robot {self._settings.robot_ip} has not told its state yet")
                return self._last
            with self._errors("tracking ended"):
                if free and self._controller is not None and not panda.is_moving():
                    self._controller = None
                    panda.raise_error()
                    raise MotionAbortedError("tracking ended by itself")
                self._last = convert(panda.get_state())
                if free and self._controller is not None:
                    self._lead(self._last)  # the hand may have been pushed since
            return self._last
        finally:
            if free:
                self._handle.release()

    def track(self, position: Vector, quaternion: Vector, velocity: Vector, acceleration: Vector) -> None:
        """Start the controller at the present pose, or give the running one its next target."""
        del velocity, acceleration  # its controller knows neither
        panda, s = self._connected(), self._settings
        with self._handle, self._errors("cannot track"):
            if self._controller is None:
                self._refuse_errors(panda)  # start_controller would clear them without a word
                stiffness = np.diag([s.stiffness] * 3 + [s.rotational_stiffness] * 3)
                self._controller, self._wanted = self._controllers.CartesianImpedance(impedance=stiffness), None
                panda.start_controller(self._controller)
            self._wanted = position, quaternion
            self._lead(self._last or convert(panda.get_state()))

    def stop(self) -> None:
        """End the controller, where one runs."""
        with self._handle, self._errors("cannot stop"):
            if self._controller is not None:
                self._controller = None
                self._connected().stop_controller()

    def home(self, wanted: Callable[[], bool]) -> None:
        """Move in joint space."""
        self.stop()
        panda, s = self._connected(), self._settings
        ended = threading.Event()

        def stop_when_unwanted() -> None:
            while not ended.wait(0.01):
                if not wanted():
                    panda.stop_controller()
                    return

        with self._handle, self._errors("cannot go home"):
            self._refuse_errors(panda)
            threading.Thread(target=stop_when_unwanted, daemon=True).start()
            try:
                arrived = panda.move_to_joint_position(np.array(s.home_joints), speed_factor=s.home_speed)
            finally:
                ended.set()
            stopped = not wanted()
            if stopped or not arrived:
                panda.raise_error()
                raise (StoppedError if stopped else MotionAbortedError)("stopped on the way home")

    def recover(self) -> None:
        """Clear the arm's errors and set thresholds and load again."""
        panda = self._connected()
        with self._handle, self._errors("cannot recover"):
            self._controller = None
            panda.recover()
            self._refuse_errors(panda)
            self._configure()

    def close(self) -> None:
        """Stop and disconnect."""
        try:
            if self._panda is not None:
                self.stop()
        finally:
            with self._handle:
                self._panda, self._controller = None, None

    def _lead(self, state: RobotState) -> None:
        """Tell the controller, whose spring may be of any length, a target within the longest spring of the hand."""
        if self._wanted is None:
            return
        (position, quaternion), here = self._wanted, state.T_O_EE[:3, 3]
        spring = position - here
        length = float(np.linalg.norm(spring))
        if length > self._settings.error_clip:
            position = here + spring * (self._settings.error_clip / length)
        self._controller.set_control(position, quaternion, np.array(self._settings.home_joints))

    def _configure(self) -> None:
        s, robot = self._settings, self._panda.get_robot()
        torques, forces = [s.torque_threshold] * 7, [s.force_threshold] * 6
        robot.set_collision_behavior(torques, torques, forces, forces)
        robot.set_load(s.load_mass, list(s.load_centre), [0.0] * 9)

    def _refuse_errors(self, panda: Any) -> None:
        flags = raised(panda.get_state().current_errors)
        if flags:
            raise MotionAbortedError(f"the robot reports {', '.join(flags)}: recover it")

    def _connected(self) -> Any:
        panda = self._panda
        if panda is None:
            raise ConnectionLostError(f"robot {self._settings.robot_ip} is not connected")
        return panda

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """Turn panda_py's exceptions, all of them RuntimeErrors, into ours."""
        try:
            yield
        except RuntimeError as error:
            text = f"robot {self._settings.robot_ip}: {what}: {error}"
            lost = any(word in str(error) for word in ("UDP", "TCP", "Connection", "connection", "Net Exception"))
            raise (ConnectionLostError if lost else MotionAbortedError)(text) from error


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
