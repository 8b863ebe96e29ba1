"""A Panda, a table and a six-coloured cube.

Robosuite's models, stepped by MuJoCo and our own compiled controller.

All inputs and outputs are in the robot's base frame (Panda link0: x forward, z up), in metres
and radians, with quaternions xyzw. The hand's frame has libfranka's O_T_EE orientation (gripper
straight down is a turn of pi about x) and the position of robosuite's grip site, between the
fingertips, 7 mm short of libfranka's.
"""

import math
from dataclasses import dataclass

import mujoco
import numpy as np
from wayfarer_core import cube
from wayfarer_core.calibration import Calibration
from wayfarer_core.errors import ConfigError, DeviceError
from wayfarer_core.targets import CLOSED, WIDEST, Grip
from wayfarer_core.targets import FINGERS as FINGER_NAMES

from wayfarer_sim.camera import FLIP, match_camera
from wayfarer_sim.control_loop import JOINTS, R_SITE_EE, ControlLoop
from wayfarer_sim.cube_env import CAMERA, HOME_JOINTS, TABLE_TOP, WRIST_CAMERA, CubeEnv
from wayfarer_sim.meshes import require_meshes
from wayfarer_sim.osc import Array
from wayfarer_sim.rendering import ROBOT_GROUP, VISUAL_GROUP, Image, Renderer

FINGERS = slice(JOINTS, JOINTS + 2)  # behind the arm's, among positions, velocities, actuators
_SIDES = np.array([1.0, -1.0])  # the second finger opens the other way
SITE, BASE, CUBE = "gripper0_right_grip_site", "robot0_base", "cube_main"
FINGERS_CLOSED = (0.0005, -0.0005)  # [m] positions of the closed fingers
_STANDS = 1e-3  # [m/s] below which a finger stands: at its goal, or at what it grips
CUBE_SINKS = 0.000108  # [m] depth of the cube in the soft contact with the table
STATE = mujoco.mjtState.mjSTATE_INTEGRATION  # everything that the next step depends on
DIVERGED = [getattr(mujoco.mjtWarning, f"mjWARN_BADQ{kind}") for kind in ("POS", "VEL", "ACC")]


@dataclass(frozen=True)
class CubeWorldConfig:
    """Options of a cube world.

    Raises:
        ConfigError: a value outside its range.

    """

    timestep: float = 0.005  # [s] of the physics, 0.002 to 0.005
    hide_robot: bool = False  # leave the robot out of the pictures
    # [m] half-width of the cube's uniform start about the table's centre, 0 to 0.1
    cube_xy_noise: float = 0.0
    # calibration of a real camera to imitate; None: robosuite's agentview
    camera: Calibration | None = None

    def __post_init__(self) -> None:
        check_range("timestep", self.timestep, 0.002, 0.005)
        check_range("cube_xy_noise", self.cube_xy_noise, 0.0, 0.1)


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise ConfigError unless low <= value <= high; NaN is refused."""
    if not low <= value <= high:
        raise ConfigError(f"{name} is {value}: must be within {low}..{high}")


class CubeWorld:
    """The authors' world, deterministic.

    The same seed and targets give bitwise the same states and pixels.

    Args:
        config: see CubeWorldConfig.

    Raises:
        DeviceError: the thinned meshes are missing.
        ConfigError: the camera's calibration has no pose.
    """

    joint_names = tuple(f"panda_joint{i}" for i in range(1, JOINTS + 1))
    finger_names = tuple(f"panda_{finger}" for finger in FINGER_NAMES)

    def __init__(self, config: CubeWorldConfig = CubeWorldConfig()) -> None:
        self.config = config
        self.model, self.data = build(config.timestep)
        self._site = self.model.site(SITE).id
        self._base = self.model.body(BASE).id
        self._cube = self.model.body(CUBE).id
        self._cube_qpos = self.model.joint("cube_joint0").qposadr[0]
        self._renderer = Renderer(self.model, config.hide_robot)
        self._loop = ControlLoop(self.model, self.data, self._site)
        self.reset(seed=0)

        if config.camera is not None:
            match_camera(self.model, CAMERA, config.camera, self._p_world_base)

        # compiles now, not in the first episode
        self._loop.run(np.array(self.data.site_xpos[self._site]), steps=1)
        self.reset(seed=0)
        self.home_ee_position = self.ee_pose[0]  # (3,)
        # (4, 4) [m] pose of the camera in the hand, OpenCV's axes; the same wherever the hand is
        self.T_ee_wrist = self._pose_in_hand(WRIST_CAMERA)
        self.table_centre = np.array([0.0, 0.0, TABLE_TOP]) - self._p_world_base  # (3,)

    def reset(self, seed: int) -> None:
        """Put the arm home, gripper closed, and the cube on the table, yellow up.

        Everything is at rest.

        Args:
            seed: of the cube's position, which only matters if `cube_xy_noise` is above 0.
        """
        if seed < 0:
            raise ConfigError(f"seed is {seed}: must be 0 or more")

        mujoco.mj_resetData(self.model, self.data)
        self.data.qpos[:JOINTS] = HOME_JOINTS
        self.data.qpos[FINGERS] = FINGERS_CLOSED
        noise = self.config.cube_xy_noise
        xy = np.random.default_rng(seed).uniform(-noise, noise, size=2)

        # world frame, quaternion wxyz
        start = [*xy, TABLE_TOP + cube.EDGE / 2 - CUBE_SINKS, 1.0, 0.0, 0.0, 0.0]
        self.data.qpos[self._cube_qpos : self._cube_qpos + 7] = start
        mujoco.mj_forward(self.model, self.data)

    def advance(self, p_base_target: Array, seconds: float) -> None:
        """Let the hand be drawn towards a position for a while, gripper down.

        The pull is a spring: with an obstacle, or a target out of reach, the hand stays short.

        Args:
            p_base_target: target of the hand, (3,) [m], base frame.
            seconds: duration, a whole number of timesteps.

        Raises:
            ConfigError: the target is not three finite numbers, or `seconds` not a whole number of
                timesteps.
            DeviceError: the physics diverged.
        """
        target = np.asarray(p_base_target, dtype=np.float64)
        if target.shape != (3,) or not np.isfinite(target).all():
            raise ConfigError(f"p_base_target is {p_base_target}: must be 3 finite numbers [m]")

        steps = round(seconds / self.config.timestep) if math.isfinite(seconds) else 0
        if steps < 1 or abs(steps * self.config.timestep - seconds) > 1e-9:
            raise ConfigError(
                f"seconds is {seconds}: must be a whole number of timesteps of "
                f"{self.config.timestep} s"
            )

        for kind in DIVERGED:
            self.data.warning[kind].number = 0

        self._loop.run(target + self._p_world_base, steps)

        # poses for the new positions, for images and properties
        mujoco.mj_kinematics(self.model, self.data)
        if any(self.data.warning[kind].number for kind in DIVERGED):
            raise DeviceError(f"the physics diverged on the way to {target} [m]: reset the world")

    def grip(self, what: Grip, width: float = CLOSED) -> None:
        """Let the gripper's fingers be drawn somewhere from now on; a reset closes them.

        They press with 20 N, and need 0.2 s from end to end.

        Args:
            what: see Grip. A STOP leaves fingers that stand pressing as they do.
            width: that it opens to [m].

        Raises:
            ConfigError: the gripper does not open so wide.

        """
        check_range("width", width, CLOSED, WIDEST)
        goals = self.data.ctrl[FINGERS]  # (2,) a view
        if what is Grip.STOP:
            moves = np.abs(self.data.qvel[FINGERS]) > _STANDS
            goals[moves] = self.data.qpos[FINGERS][moves]
        elif what is not Grip.KEEP:
            goals[:] = _SIDES * (width / 2 if what is Grip.OPEN else CLOSED)

    def render(self, width: int, height: int) -> Image:
        """Return the camera's picture, (height, width, 3) uint8, RGB, upright.

        Call it always from the same thread.

        Raises:
            DeviceError: no GL backend works.
            ConfigError: the aspect ratio is not the calibrated camera's.
        """
        if self.config.camera is not None:
            self.config.camera.matrix_for(width, height)
        return self._renderer.render(self.data, CAMERA, width, height)

    def render_wrist(self, width: int, height: int) -> Image:
        """Return the image of the camera in the hand, like `render`."""
        mujoco.mj_camlight(self.model, self.data)  # it moves with the hand
        return self._renderer.render(self.data, WRIST_CAMERA, width, height)

    @property
    def time(self) -> float:
        """Seconds simulated since the reset."""
        return float(round(self.data.time / self.config.timestep) * self.config.timestep)

    @property
    def ee_pose(self) -> tuple[Array, Array]:
        """The hand's position (3,) [m] and quaternion xyzw (4,), base frame."""
        R_base_ee = self.data.site_xmat[self._site].reshape(3, 3) @ R_SITE_EE
        return self.data.site_xpos[self._site] - self._p_world_base, quaternion(R_base_ee)

    @property
    def cube_pose(self) -> tuple[Array, Array]:
        """The cube's centre (3,) [m] and quaternion xyzw (4,), base frame."""
        return self.data.xpos[self._cube] - self._p_world_base, np.roll(
            self.data.xquat[self._cube], -1
        )

    @property
    def top_face(self) -> str:
        """Colour of the cube's face that looks up most, one of wayfarer_core.cube.FACES."""
        return cube.top_face(self.cube_pose[1])

    @property
    def joint_positions(self) -> Array:
        """The arm's joint angles, (7,) [rad]."""
        return np.array(self.data.qpos[:JOINTS])

    @property
    def joint_velocities(self) -> Array:
        """The arm's joint velocities, (7,) [rad/s]."""
        return np.array(self.data.qvel[:JOINTS])

    def felt_by_joints(self, with_fingers: bool) -> tuple[Array, Array, Array]:
        """Return positions, velocities and efforts of the joints, (7,) each, or (9,).

        The arm's in [rad], [rad/s], [N m]; a finger's in [m] from the middle, [m/s], and [N] that
        draw it apart.
        """
        arm = self.joint_positions, self.joint_velocities, self.joint_torques
        if not with_fingers:
            return arm

        data = self.data
        fingers = data.qpos[FINGERS], data.qvel[FINGERS], data.actuator_force[FINGERS]
        positions, velocities, efforts = (
            np.concatenate([ours, _SIDES * theirs])
            for ours, theirs in zip(arm, fingers, strict=True)
        )

        return positions, velocities, efforts

    @property
    def gripper_width(self) -> float:
        """Between the fingers [m]."""
        return float((_SIDES * self.data.qpos[FINGERS]).sum())

    @property
    def joint_torques(self) -> Array:
        """The torques last applied, gravity's included, (7,) [N m]."""
        return np.array(self.data.ctrl[:JOINTS])

    @property
    def T_base_camera(self) -> Array:  # noqa: N802
        """The camera's pose, (4, 4) [m], base frame, OpenCV's convention.

        X right, y down, z into the picture.
        """
        return self._camera_pose(CAMERA)

    def camera_intrinsics(self, width: int, height: int) -> Array:
        """Return K of a frame of this size, (3, 3) [pixel], with whole numbers at the pixels'
        centres as in OpenCV.
        """
        if self.config.camera is not None:
            return self.config.camera.matrix_for(width, height)

        return self._pinhole(CAMERA, width, height)

    def wrist_intrinsics(self, width: int, height: int) -> Array:
        """Return K of the camera in the hand, like `camera_intrinsics`."""
        return self._pinhole(WRIST_CAMERA, width, height)

    def place_cube(self, p_base: Array, q_xyzw: Array) -> None:
        """Put the cube somewhere, at rest; for tests and evaluation.

        Args:
            p_base: its centre, (3,) [m], base frame.
            q_xyzw: its orientation, unit quaternion (4,).

        """
        pose = [*(np.asarray(p_base) + self._p_world_base), *np.roll(q_xyzw, 1)]
        self.data.qpos[self._cube_qpos : self._cube_qpos + 7] = pose
        velocity = self.model.joint("cube_joint0").dofadr[0]
        self.data.qvel[velocity : velocity + 6] = 0.0
        mujoco.mj_kinematics(self.model, self.data)

    def state(self) -> Array:
        """Return everything that the future depends on, (n,).

        Time, positions, velocities, solver warm start, torques.
        """
        state = np.empty(mujoco.mj_stateSize(self.model, STATE))
        mujoco.mj_getState(self.model, self.data, state, STATE)
        return state

    def set_state(self, state: Array) -> None:
        """Return exactly to a `state()` of a world of the same kind."""
        size = mujoco.mj_stateSize(self.model, STATE)
        if np.shape(state) != (size,):
            raise ConfigError(f"state has shape {np.shape(state)}: must be ({size},)")
        mujoco.mj_setState(self.model, self.data, state, STATE)
        mujoco.mj_kinematics(self.model, self.data)

    def close(self) -> None:
        """Free the GL context."""
        self._renderer.close()

    def _camera_pose(self, camera: str) -> Array:
        """Return the pose of one of the model's cameras, (4, 4) [m], base frame, OpenCV's axes."""
        seen = self.data.camera(camera)
        T = np.eye(4)
        T[:3, :3] = seen.xmat.reshape(3, 3) @ FLIP
        T[:3, 3] = seen.xpos - self._p_world_base

        return T

    def _pose_in_hand(self, camera: str) -> Array:
        """Return the pose of a camera that moves with the hand, (4, 4) [m], in the hand's frame."""
        mujoco.mj_camlight(self.model, self.data)
        T_base_ee = np.eye(4)
        T_base_ee[:3, :3] = self.data.site_xmat[self._site].reshape(3, 3) @ R_SITE_EE
        T_base_ee[:3, 3] = self.ee_pose[0]

        return np.asarray(np.linalg.inv(T_base_ee) @ self._camera_pose(camera))

    def _pinhole(self, camera: str, width: int, height: int) -> Array:
        """Return K (3, 3) [pixel] of one of the model's cameras, by its field of view."""
        focal = height / 2 / math.tan(math.radians(float(self.model.camera(camera).fovy[0])) / 2)

        return np.array(
            [[focal, 0.0, (width - 1) / 2], [0.0, focal, (height - 1) / 2], [0.0, 0.0, 1.0]]
        )

    @property
    def _p_world_base(self) -> Array:
        """The base frame's origin in MuJoCo's world frame, (3,) [m]; the two are parallel."""
        return np.array(self.data.xpos[self._base])


def build(timestep: float) -> tuple[mujoco.MjModel, mujoco.MjData]:
    """Compose and compile the world with thinned meshes, its robot's visible geoms in
    ROBOT_GROUP.
    """
    env = CubeEnv(mesh_folder=require_meshes(), has_offscreen_renderer=False, use_camera_obs=False)
    model = env.sim.model._model
    model.opt.timestep = timestep

    # robosuite's force sensors are slow and unused
    model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_SENSOR
    robot = model.body_rootid[model.geom_bodyid] == model.body(BASE).id
    model.geom_group[robot & (model.geom_group == VISUAL_GROUP)] = ROBOT_GROUP

    return model, mujoco.MjData(model)


def quaternion(R: Array) -> Array:
    """Return a rotation as a quaternion xyzw, (4,), its largest part positive.

    For a hand that points down the sign stays the same.
    """
    q_wxyz = np.empty(4)
    mujoco.mju_mat2Quat(q_wxyz, np.ascontiguousarray(R).ravel())
    q = np.roll(q_wxyz, -1)
    return np.asarray(q if q[np.argmax(np.abs(q))] > 0 else -q)
