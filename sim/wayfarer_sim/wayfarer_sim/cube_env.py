"""The robosuite environment behind the cube world: it composes the MJCF, and tests compare with it.

`CubeWorld` takes its compiled model and never steps this class; 86 % of robosuite's own `step`
is Python.
"""

import logging
import math
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

# robosuite warns of missing optional packages at every import; errors still pass
logging.getLogger("robosuite_logs").addFilter(lambda record: record.levelno > logging.WARNING)

from robosuite.controllers import load_composite_controller_config  # noqa: E402
from robosuite.environments.manipulation.manipulation_env import ManipulationEnv  # noqa: E402
from robosuite.models.arenas import TableArena  # noqa: E402
from robosuite.models.objects import BoxObject  # noqa: E402
from robosuite.models.tasks import ManipulationTask  # noqa: E402
from robosuite.utils.mjcf_utils import CustomMaterial  # noqa: E402
from wayfarer_core.cube import EDGE, FACES  # noqa: E402

# World of the paper's authors (Intel coach, preset RoboSuite_CubeExp_TD3_Goal_Based); z is up, x
# away from the robot.
TABLE_SIZE = (0.84, 1.25, 0.05)  # [m]
TABLE_TOP = 0.82  # [m] above the floor; the table's centre is the origin of x and y

# RGB colours of the faces of wayfarer_core.cube
FACE_COLOURS = {
    "white": (255, 255, 255),
    "red": (230, 20, 20),
    "green": (20, 180, 40),
    "blue": (20, 60, 230),
    "yellow": (250, 220, 0),
    "cyan": (0, 210, 220),
}

# Gripper straight down, fingertips at (0.48, 0, 0.09) m in the base frame: found by Newton's method
# from robosuite's default pose and kept by a test.
HOME_JOINTS = (
    0.00008244078232937,
    0.27652513678279866,
    -0.00007480965174139,
    -2.4624608341966336,
    0.00005212654737637,
    2.7389859697547383,
    0.7858533022745215,
)  # [rad]

# robosuite's own agentview, which the paper's authors used: in front of the table, looking back and
# down at it. The cube is 7 pixels wide at 84x84; the arm leaves the picture in the upper corners of
# the workspace.
CAMERA = "agentview"
CAMERA_POSITION = (0.5, 0.0, 1.35)  # [m] world frame
CAMERA_PITCH = 45.0  # [degree] below the horizon, looking towards -x
CAMERA_FOV = 45.0  # [degree] vertical

# robosuite's own camera in the Panda's hand: 5 cm in front of the flange, looking along the fingers
WRIST_CAMERA = "robot0_eye_in_hand"


class CubeEnv(ManipulationEnv):  # type: ignore[misc]
    """A Panda with a closed gripper at a table with a cube.

    Actions are absolute world poses and a gripper command.

    Args:
        mesh_folder: folder of the thinned visual meshes (see `meshes.py`); None keeps robosuite's
            own.
        **options: of robosuite's ManipulationEnv.
    """

    def __init__(self, mesh_folder: Path | None = None, **options: Any) -> None:
        self.mesh_folder = mesh_folder
        controller = load_composite_controller_config(controller="BASIC", robot="Panda")
        controller["body_parts"]["right"] |= {"input_type": "absolute", "input_ref_frame": "world"}
        super().__init__(
            robots="Panda", controller_configs=controller, camera_names=CAMERA, **options
        )

    def reward(self, action: object = None) -> float:
        """Return 0: Wayfarer sets its own goals."""
        del action
        return 0.0

    def edit_model_xml(self, xml: str) -> str:
        """Replace robosuite's meshes by the thinned ones, and remove the floor's
        reflection.
        """
        root = ET.fromstring(super().edit_model_xml(xml))
        if self.mesh_folder is not None:
            for mesh in root.iterfind("asset/mesh"):
                thinned = self.mesh_folder / Path(mesh.attrib["file"]).with_suffix(".stl").name
                if thinned.exists():
                    mesh.set("file", str(thinned))

            for material in root.iterfind("asset/material"):
                material.attrib.pop("reflectance", None)

        return ET.tostring(root, encoding="unicode")

    def _load_model(self) -> None:
        super()._load_model()
        robot = self.robots[0]
        robot.robot_model.set_base_xpos(robot.robot_model.base_xpos_offset["table"](TABLE_SIZE[0]))
        robot.init_qpos = np.array(HOME_JOINTS)
        arena = TableArena(table_full_size=TABLE_SIZE, table_offset=(0.0, 0.0, TABLE_TOP))
        arena.set_origin([0, 0, 0])
        arena.set_camera(CAMERA, CAMERA_POSITION, camera_quaternion(), {"fovy": str(CAMERA_FOV)})
        self.cube = BoxObject(name="cube", size=[EDGE / 2] * 3, material=cube_material())
        self.model = ManipulationTask(
            mujoco_arena=arena, mujoco_robots=[robot.robot_model], mujoco_objects=[self.cube]
        )

    def _initialize_sim(self, xml_string: str | None = None) -> None:
        super()._initialize_sim(xml_string)
        paint_cube(self.sim.model._model)

    def _reset_internal(self) -> None:
        super()._reset_internal()
        gripper = self.robots[0].gripper["right"]

        # closed from the start: closing would take five steps
        gripper.current_action = np.array([-1.0, 1.0])
        for joint in gripper.joints:
            self.sim.data.set_joint_qpos(joint, 0.0)

        # position, quaternion wxyz
        start = np.array([0.0, 0.0, TABLE_TOP + EDGE / 2, 1.0, 0.0, 0.0, 0.0])
        self.sim.data.set_joint_qpos(self.cube.joints[0], start)


def camera_quaternion() -> tuple[float, float, float, float]:
    """Return the camera's orientation, wxyz, in the world frame.

    Towards -x, tilted down, +y to the right.
    """
    half = math.radians(90.0 - CAMERA_PITCH) / 2
    c, s = math.sqrt(0.5) * math.cos(half), math.sqrt(0.5) * math.sin(half)
    return (c, s, s, c)


def cube_material() -> CustomMaterial:
    """Return a material with six separate faces, without colours.

    `paint_cube` colours them after the model is compiled.
    """
    blank = {"type": "cube", "builtin": "flat", "width": "8", "height": "8", "rgb1": "1 1 1"}
    matt = {"emission": "0.2", "specular": "0", "shininess": "0", "reflectance": "0"}

    return CustomMaterial(
        texture=None, tex_name="faces", mat_name="faces", tex_attrib=blank, mat_attrib=matt
    )


def paint_cube(model: mujoco.MjModel) -> None:
    """Write the six face colours into the compiled texture of the cube, so that no picture file is
    needed.
    """
    texture = model.texture("cube_faces")
    start, length = int(texture.adr[0]), int(texture.height[0] * texture.width[0])
    faces = model.tex_data[start : start + 3 * length].reshape(6, -1, 3)
    # MuJoCo's order too
    faces[:] = np.array([FACE_COLOURS[face] for face in FACES], dtype=np.uint8)[:, None, :]
