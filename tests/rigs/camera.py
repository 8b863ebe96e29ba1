"""The camera of a rig.

It draws the simulated arm's world from the files that the arm writes, and publishes the images.

It runs in `.venv` as a separate process, so that drawing never delays the server's 1 kHz. Usage:

    .venv/bin/python tests/rigs/camera.py --folder DIRECTORY --ros-args -r __ns:=/wayfarer
"""

import argparse
import math
import sys
from pathlib import Path

import mujoco
import numpy as np
import rclpy.utilities
from panda_sim.world.picture import STATE, WORLD, StateReader
from sensor_msgs.msg import CameraInfo
from wayfarer_common import contract
from wayfarer_common.conversions import array_to_image, to_stamp
from wayfarer_common.run import ContractNode, run
from wayfarer_core import names
from wayfarer_sim.cube_env import CAMERA, CAMERA_FOV
from wayfarer_sim.rendering import ROBOT_GROUP, VISUAL_GROUP, Image, Renderer

SIZE = 168  # pixels
RATE = 10.0  # Hz
NOISE = 2  # of 255, like a real sensor's; without it images of an arm at rest would count as frozen
# geom group of the simulated arms' visible meshes, and one that is never drawn
_SERVERS_VISUAL, _HIDDEN = 2, 5


class World:
    """The world in the server's files."""

    def __init__(self, folder: Path) -> None:
        model = mujoco.MjModel.from_binary_path(str(folder / WORLD))
        groups = model.geom_group
        visible, robot = groups == VISUAL_GROUP, groups == _SERVERS_VISUAL
        groups[:] = _HIDDEN
        groups[visible], groups[robot] = VISUAL_GROUP, ROBOT_GROUP
        self._model, self._data = model, mujoco.MjData(model)
        self._state = StateReader(folder / STATE, model.nq)
        self._renderer = Renderer(model)

        # panda_sim's meshes are large
        self._renderer.options.flags[mujoco.mjtVisFlag.mjVIS_CONVEXHULL] = True
        self._rng = np.random.default_rng(0)

    def picture(self) -> tuple[int, Image] | None:
        """Return the time [ns] and the image of a state not drawn yet.

        None if there is none.
        """
        read = self._state.read()
        if read is None:
            return None

        stamp, self._data.qpos[:] = read
        mujoco.mj_kinematics(self._model, self._data)
        mujoco.mj_camlight(self._model, self._data)
        pixels = self._renderer.render(self._data, CAMERA, SIZE, SIZE).astype(np.int16)
        pixels += self._rng.integers(-NOISE, NOISE + 1, pixels.shape, dtype=np.int16)

        return stamp, np.clip(pixels, 0, 255).astype(np.uint8)

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()


class RigCamera(ContractNode):
    """Publishes camera/image_raw and camera/camera_info, as a camera driver would."""

    def __init__(self, folder: Path) -> None:
        super().__init__("rig_camera")
        self._world = World(folder)
        self._image = self.publish_to(contract.CAMERA_IMAGE)
        self._info = self.publish_to(contract.CAMERA_INFO)
        self._about = camera_info()
        self.create_timer(1.0 / RATE, self._on_tick, clock=self.steady)

    def close(self) -> None:
        """Free the renderer."""
        self._world.close()

    def _on_tick(self) -> None:
        taken = self._world.picture()
        if taken is not None:
            stamp, pixels = taken
            self._image.publish(array_to_image(pixels, to_stamp(stamp), names.CAMERA_FRAME))
            self._about.header.stamp = to_stamp(stamp)
            self._info.publish(self._about)
            self.counts["images"] += 1


def camera_info() -> CameraInfo:
    """Return the pinhole of the drawn camera."""
    info = CameraInfo(width=SIZE, height=SIZE, distortion_model="plumb_bob", d=[0.0] * 5)
    info.header.frame_id = names.CAMERA_FRAME
    focal, centre = SIZE / 2 / math.tan(math.radians(CAMERA_FOV) / 2), (SIZE - 1) / 2
    info.k = [focal, 0.0, centre, 0.0, focal, centre, 0.0, 0.0, 1.0]
    info.r = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]
    info.p = [focal, 0.0, centre, 0.0, 0.0, focal, centre, 0.0, 0.0, 0.0, 1.0, 0.0]

    return info


def main() -> None:
    """Run the camera until it is told to end."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args(rclpy.utilities.remove_ros_args(sys.argv)[1:])
    run(lambda: RigCamera(given.folder))


if __name__ == "__main__":
    main()
