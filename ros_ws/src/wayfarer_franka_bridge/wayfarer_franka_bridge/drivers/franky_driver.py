"""An FR3, or another arm that the installed franky wheel supports, by franky's Cartesian impedance
tracker.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
from wayfarer_core.errors import DeviceError

from wayfarer_franka_bridge.drivers.driver import (
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

INSTALL = (
    "pip install franky-control==2.0.0   # FR3 with robot system 5.9 or newer (robot server 10)\n"
    "for an FR3 with older firmware or a Panda, the wheel built for its robot server version, "
    "from\n  https://github.com/TimSchneider42/franky/releases; for a Panda also: driver:=panda_py"
)
_POLL = 0.01  # s between two checks whether the arm is home
_NO_TURN = np.zeros(3)
_POSTURE = 5.0  # N m/rad, pull towards the home posture that does not move the hand


class FrankyDriver:
    """See driver.Driver. Raises DeviceError if franky is not installed."""

    def __init__(self, settings: Settings) -> None:
        try:
            self._franky: Any = import_module("franky")
        except ImportError as error:
            raise DeviceError(
                f"driver franky is not installed ({error}). Install it:\n{INSTALL}"
            ) from error

        self._settings = settings
        self._robot: Any = None
        self._tracker: Any = None
        self._configured = False

        # held while the tracker is used or replaced, never during a blocking call
        self._handle = threading.Lock()

    def connect(self) -> None:
        """Make a new Robot: an object with a broken connection stays unusable."""
        f, s = self._franky, self._settings
        with self._handle:
            # the arm accepts one client only
            self._tracker, self._robot, self._configured = None, None, False

        config = f.RealtimeConfig.Enforce if s.realtime else f.RealtimeConfig.Ignore
        try:
            robot = f.Robot(s.robot_ip, realtime_config=config)
        except f.IncompatibleVersionException as error:
            raise UnusableError(
                f"robot {s.robot_ip}: {error}. Install the wheel that fits it:\n{INSTALL}"
            ) from error
        except f.RealtimeException as error:
            raise UnusableError(
                f"{error} (docs/hardware.md; realtime:=ignore is for simulators only)"
            ) from error
        except (f.Exception, RuntimeError) as error:
            raise ConnectionLostError(f"robot {s.robot_ip}: {error}") from error

        self._robot = robot
        with self._errors("cannot read its mode"):
            idle = robot.state.robot_mode == f.RobotMode.Idle

        if idle:  # in any other mode the arm refuses, and `recover` does it later
            self._configure()

    def state(self) -> RobotState:
        """Return the newest state; raise the error of a motion that ended by itself."""
        robot = self._connected()
        with self._handle:
            ended = self._tracker is not None and not robot.is_in_control
            if ended:
                self._tracker = None

        with self._errors("lost"):
            if ended:
                robot.poll_motion()  # raises the error that ended it
                raise MotionAbortedError("tracking ended by itself")

            return convert(robot.state)

    def track(
        self, position: Vector, quaternion: Vector, velocity: Vector, acceleration: Vector
    ) -> None:
        """Start tracking, or give the running tracker its next target."""
        robot, f, s = self._ready(), self._franky, self._settings
        with self._errors("cannot track"):
            tracker = self._tracker
            if tracker is None:
                tracker = f.CartesianImpedanceTracker(
                    robot,
                    translational_stiffness=s.stiffness,
                    rotational_stiffness=s.rotational_stiffness,
                    # of each axis
                    translational_error_clip=np.full(3, s.error_clip / np.sqrt(3.0)),
                    posture_task=f.PostureTask(target=np.array(s.home_joints), stiffness=_POSTURE),
                )
                with self._handle:
                    self._tracker = tracker

            tracker.set_target(
                f.Affine(position, quaternion),
                twist=f.Twist(velocity, _NO_TURN),
                acceleration=f.TwistAcceleration(acceleration, _NO_TURN),
            )

    def stop(self) -> None:
        """Let the tracker ramp its torques down, if one runs."""
        with self._handle:
            tracker, self._tracker = self._tracker, None
        if tracker is not None:
            with self._errors("cannot stop"):
                tracker.stop()

    def home(self, wanted: Callable[[], bool]) -> None:
        """Move in joint space."""
        self.stop()
        robot, f, s = self._ready(), self._franky, self._settings
        pause = threading.Event()  # never set: only its timed wait is used

        with self._errors("cannot go home"):
            robot.move(
                f.JointMotion(np.array(s.home_joints), relative_dynamics_factor=s.home_speed),
                asynchronous=True,
            )
            while not robot.poll_motion():
                if not wanted():
                    robot.move(f.JointStopMotion(), asynchronous=True)
                    robot.join_motion()
                    raise StoppedError("stopped on the way home")

                pause.wait(_POLL)

    def recover(self) -> None:
        """Clear the arm's errors and set thresholds and load again."""
        robot = self._connected()
        with self._handle:
            self._tracker = None

        with self._errors("cannot recover"):
            if not robot.recover_from_errors():
                raise MotionAbortedError(
                    "the arm could not be recovered: is the user stop pressed, or Desk locked?"
                )

            self._configure()

    def close(self) -> None:
        """Stop and disconnect."""
        try:
            if self._robot is not None:
                self.stop()
        finally:
            with self._handle:
                self._tracker, self._robot = None, None

    def _configure(self) -> None:
        s = self._settings
        with self._errors("cannot set thresholds and load"):
            self._robot.set_collision_behavior(s.torque_threshold, s.force_threshold)
            self._robot.set_load(s.load_mass, list(s.load_centre), [0.0] * 9)

        self._configured = True

    def _ready(self) -> Any:
        """Return the robot if it may move."""
        robot = self._connected()
        require_configured(self._configured)
        return robot

    def _connected(self) -> Any:
        robot = self._robot
        if robot is None:
            raise ConnectionLostError(f"robot {self._settings.robot_ip} is not connected")
        return robot

    @contextmanager
    def _errors(self, what: str) -> Iterator[None]:
        """Turn franky's exceptions into ours."""
        f, ip = self._franky, self._settings.robot_ip
        try:
            yield
        except (f.NetworkException, f.ProtocolException) as error:
            raise ConnectionLostError(f"robot {ip}: {what}: {error}") from error
        except (f.Exception, ValueError) as error:
            raise MotionAbortedError(f"robot {ip}: {what}: {error}") from error
        # from the socket library below libfranka, after the connection broke
        except RuntimeError as error:
            raise ConnectionLostError(f"robot {ip}: {what}: {error}") from error


def convert(s: Any) -> RobotState:
    """Return a franky.RobotState as ours."""
    return RobotState(
        time=s.time.to_sec(),
        robot_mode=int(s.robot_mode),
        errors=raised(s.current_errors),
        last_motion_errors=raised(s.last_motion_errors),
        success_rate=s.control_command_success_rate,
        q=s.q,
        dq=s.dq,
        tau_J=s.tau_J,
        q_d=s.q_d,
        dq_d=s.dq_d,
        tau_J_d=s.tau_J_d,
        ddq_d=s.ddq_d,
        dtau_J=s.dtau_J,
        theta=s.theta,
        dtheta=s.dtheta,
        tau_ext=s.tau_ext_hat_filtered,
        elbow=np.array(
            [
                *(_elbow(e) for e in (s.elbow, s.elbow_d, s.elbow_c)),
                (s.delbow_c, 0.0),
                (s.ddelbow_c, 0.0),
            ],
            dtype=float,
        ),
        K_F_ext=s.K_F_ext_hat_K,
        O_F_ext=s.O_F_ext_hat_K,
        inertia_ee=np.concatenate(([s.m_ee], s.F_x_Cee, s.I_ee.ravel())),
        inertia_load=np.concatenate(([s.m_load], s.F_x_Cload, s.I_load.ravel())),
        inertia_total=np.concatenate(([s.m_total], s.F_x_Ctotal, s.I_total.ravel())),
        T_O_EE=s.O_T_EE.matrix,
        T_O_EE_d=s.O_T_EE_d.matrix,
        T_O_EE_c=s.O_T_EE_c.matrix,
        T_F_EE=s.F_T_EE.matrix,
        T_EE_K=s.EE_T_K.matrix,
        twist_d=np.concatenate((s.O_dP_EE_d.linear, s.O_dP_EE_d.angular)),
        twist_c=np.concatenate((s.O_dP_EE_c.linear, s.O_dP_EE_c.angular)),
        acceleration_c=np.concatenate((s.O_ddP_EE_c.linear, s.O_ddP_EE_c.angular)),
        cartesian_contact=s.cartesian_contact,
        cartesian_collision=s.cartesian_collision,
        joint_contact=s.joint_contact,
        joint_collision=s.joint_collision,
    )


def _elbow(state: Any) -> tuple[float, float]:
    """Return joint 3's angle and the sign of joint 4, as libfranka has them."""
    flip = state.joint_4_flip
    return state.joint_3_pos, 0.0 if flip is None else float(int(flip))
