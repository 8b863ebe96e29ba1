"""Composes the world: the arm and hand of an installed model, and a scene file around them.

The arm comes from the wheel dm-robotics-panda (Apache-2.0), whose inertias and frictions were
identified on a real Panda (Gaz et al., RA-L 2019). Its files are read where they are installed.
"""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import mujoco
import numpy as np

from panda_sim.arm.limits import DT, Q_MAX, Q_MIN, Vector
from panda_sim.arm.model_library import Link, Payload
from panda_sim.errors import PandaSimError

MODEL = "dm-robotics-panda"
_ASSETS = "dm_robotics/panda/assets/panda"
TABLE = Path(__file__).with_name("scenes") / "table.xml"

LINKS = tuple(f"panda_link{i}" for i in range(1, 8))
ARM_JOINTS = tuple(f"panda_joint{i}" for i in range(1, 8))
HAND = "hand_panda_hand"
FINGERS = ("hand_panda_leftfinger", "hand_panda_rightfinger")
FINGER_JOINTS = ("hand_panda_finger_joint1", "hand_panda_finger_joint2")

# mass, centre and inertia that a Panda reports for its hand, with fingers, in flange axes
HAND_PAYLOAD = Payload(0.73, np.array([-0.01, 0.0, 0.03]), np.diag([0.001, 0.0025, 0.0017]))
HAND_YAW = -np.pi / 4  # rad, of the hand on the flange
F_T_NE = np.array(
    [
        [np.cos(HAND_YAW), -np.sin(HAND_YAW), 0.0, 0.0],
        [np.sin(HAND_YAW), np.cos(HAND_YAW), 0.0, 0.0],
        [0.0, 0.0, 1.0, 0.1034],
        [0.0, 0.0, 0.0, 1.0],
    ]
)  # the nominal end effector between the fingertips, in the flange frame

ROBOT_GROUP = 2  # geom group of the arm and hand; scenes use others
_STOP = 0.05  # rad from the limit that the box keeps to a joint's mechanical stop
_HULL = 64  # vertices of a link's collision hull
_ROBOT_BITS, _SCENE_BITS = (
    (1, 0),
    (2, 3),
)  # contype, conaffinity: the robot collides with the scene, not with itself


def assets() -> Path:
    """Return the folder of the arm's files.

    Raises PandaSimError if the wheel is not installed.
    """
    try:
        folder = Path(str(distribution(MODEL).locate_file(_ASSETS)))
    except PackageNotFoundError:
        folder = Path("/nowhere")

    if not (folder / "panda.xml").is_file():
        raise PandaSimError(
            f"the model of the arm is not installed: pip install --no-deps {MODEL}==0.4.8"
        )

    return folder


def compose(scene: Path, home: Sequence[float]) -> mujoco.MjSpec:
    """Return the description of the world, with a time step of a millisecond.

    `home` (7,) [rad] is the arm's initial posture.

    Raises:
        PandaSimError: the arm's model or the scene cannot be read.

    """
    folder = assets()
    try:
        spec = mujoco.MjSpec.from_file(str(folder / "panda.xml"))
        hand = mujoco.MjSpec.from_file(str(folder / "panda_hand.xml"))
        around = mujoco.MjSpec.from_file(str(scene))
    except (ValueError, mujoco.FatalError) as error:
        raise PandaSimError(
            f"cannot read the scene {scene} or the model in {folder}: {error}"
        ) from error

    _prepare_arm(spec, home)
    _attach_hand(spec, hand)
    _prepare_robot_geoms(spec)
    _attach_scene(spec, around)
    spec.option.timestep = DT
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.modelname = "panda"

    return spec


def _prepare_arm(spec: mujoco.MjSpec, home: Sequence[float]) -> None:
    for joint, start, low, high in zip(ARM_JOINTS, home, Q_MIN, Q_MAX, strict=True):
        found = spec.joint(joint)
        found.range = [min(low, start) - _STOP, max(high, start) + _STOP]
        found.damping = np.maximum(found.damping, 0.0)  # joint 6 was identified as negative

    for sensor in list(spec.sensors):
        spec.delete(sensor)

    for body in spec.bodies:
        body.gravcomp = 0.0  # the box compensates gravity, for the load that it believes in


def _attach_hand(spec: mujoco.MjSpec, hand: mujoco.MjSpec) -> None:
    for actuator in list(hand.actuators):
        hand.delete(actuator)  # the gripper itself pushes the fingers

    for body in hand.bodies:
        body.gravcomp = 0.0

    _share_mass(hand)
    frame = spec.body("panda_link8").add_frame()
    frame.quat = [np.cos(HAND_YAW / 2), 0.0, 0.0, np.sin(HAND_YAW / 2)]
    spec.attach(hand, prefix="hand_", frame=frame)


def _share_mass(hand: mujoco.MjSpec) -> None:
    """Set the hand's mass so that with closed fingers it equals what a Panda reports."""
    body = hand.body("panda_hand")
    R = F_T_NE[:3, :3]
    rest = Payload(
        HAND_PAYLOAD.mass, R.T @ HAND_PAYLOAD.centre, R.T @ HAND_PAYLOAD.inertia @ R
    )  # in the hand's axes

    for name in ("panda_leftfinger", "panda_rightfinger"):
        finger = hand.body(name)
        turned = np.diag(
            finger.inertia
        )  # about its own axes, turned by half a circle at most: the same in the hand's
        rest = rest.joined(Payload(-float(finger.mass), np.array(finger.pos), -turned))

    body.mass, body.ipos, body.inertia = rest.mass, rest.centre, np.zeros(3)
    body.fullinertia = rest.inertia[[0, 1, 2, 0, 0, 1], [0, 1, 2, 1, 2, 2]]


def _prepare_robot_geoms(spec: mujoco.MjSpec) -> None:
    for mesh in spec.meshes:
        mesh.maxhullvert = _HULL

    for geom in spec.geoms:
        drawn_only = geom.contype == 0 and geom.conaffinity == 0
        geom.group = (
            ROBOT_GROUP if drawn_only or geom.type == mujoco.mjtGeom.mjGEOM_MESH else 5
        )  # 5 is never drawn
        if not drawn_only:
            geom.contype, geom.conaffinity = _ROBOT_BITS

    spec.geom("link0").contype, spec.geom("link0").conaffinity = (
        0,
        0,
    )  # the world's base is where the scene puts it


def _attach_scene(spec: mujoco.MjSpec, around: mujoco.MjSpec) -> None:
    for geom in around.geoms:
        if geom.contype or geom.conaffinity:
            geom.contype, geom.conaffinity = _SCENE_BITS

    spec.visual.headlight = around.visual.headlight
    spec.attach(around, prefix="", frame=spec.worldbody.add_frame())


def links(model: mujoco.MjModel) -> list[Link]:
    """Return links 1 to 7 of a compiled world, without hand, in the frames of their joints."""
    found = []
    for name in LINKS:
        body = model.body(name)
        flat = np.zeros(9)
        mujoco.mju_quat2Mat(flat, body.iquat)
        R = flat.reshape(3, 3)
        found.append(Link(float(body.mass[0]), body.ipos.copy(), R @ np.diag(body.inertia) @ R.T))

    return found


def flange_jacobian(model: mujoco.MjModel, data: mujoco.MjData) -> Vector:
    """Return MuJoCo's Jacobian of the hand's centre of mass, (6, 7), linear rows first."""
    linear, angular = np.zeros((3, model.nv)), np.zeros((3, model.nv))
    mujoco.mj_jacBodyCom(model, data, linear, angular, model.body(HAND).id)
    return np.vstack([linear, angular])[:, :7]
