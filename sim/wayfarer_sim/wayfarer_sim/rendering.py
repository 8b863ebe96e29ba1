"""Frames from MuJoCo without a display, as fast as a CPU allows.

No reflections, no multisampling, no shadows.
"""

import atexit
import os
import weakref
from importlib import import_module
from typing import Any

os.environ.setdefault("MUJOCO_GL", "egl")  # before any import below chooses MuJoCo's GL

import mujoco
import numpy as np
from numpy.typing import NDArray
from wayfarer_core.errors import ConfigError, DeviceError

Image = NDArray[np.uint8]  # (height, width, 3)

BACKENDS = ("egl", "osmesa")
LARGEST = 4096  # [pixel] side of a frame
# geom group for the robot's visible geoms; robosuite uses 0 (collision) and 1 (visual)
ROBOT_GROUP = 3
VISUAL_GROUP = 1


class Renderer:
    """Renders a model's cameras. Its GL context is made at the first frame and belongs to that
    thread.

    Args:
        model: its off-screen size grows with the largest frame.
        hide_robot: leave out every geom in ROBOT_GROUP.

    Raises:
        DeviceError: no GL backend works (from `render`).
    """

    def __init__(self, model: mujoco.MjModel, hide_robot: bool = False) -> None:
        model.vis.quality.offsamples = 0
        self.model = model
        self.scene = mujoco.MjvScene(model, maxgeom=model.ngeom + 100)

        for flag in (mujoco.mjtRndFlag.mjRND_SHADOW, mujoco.mjtRndFlag.mjRND_REFLECTION):
            self.scene.flags[flag] = False

        self.options = mujoco.MjvOption()
        self.options.sitegroup[:] = 0
        self.options.geomgroup[:] = 0
        self.options.geomgroup[VISUAL_GROUP] = 1
        self.options.geomgroup[ROBOT_GROUP] = not hide_robot
        self.view = mujoco.MjvCamera()
        self.view.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._gl: Any = None
        self._context: Any = None

    def render(self, data: mujoco.MjData, camera: str, width: int, height: int) -> Image:
        """Return the picture that a camera of the model has of the present state, (height, width,
        3), RGB, first row on top.
        """
        if not (0 < width <= LARGEST and 0 < height <= LARGEST):
            raise ConfigError(
                f"frame of {width} x {height} pixels: each side must be within 1..{LARGEST}"
            )

        self._prepare(width, height)
        self.view.fixedcamid = self.model.camera(camera).id
        frame = np.empty((height, width, 3), dtype=np.uint8)
        area = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjv_updateScene(
            self.model, data, self.options, None, self.view, mujoco.mjtCatBit.mjCAT_ALL, self.scene
        )
        mujoco.mjr_render(area, self.scene, self._context)
        mujoco.mjr_readPixels(frame, None, area, self._context)

        return np.ascontiguousarray(frame[::-1])  # GL's first row is the lowest

    def close(self) -> None:
        """Free the GL context; a later `render` makes a new one."""
        if self._context is not None:
            self._context.free()
            self._context = None

        if self._gl is not None:
            self._gl.free()
            self._gl = None

    def _prepare(self, width: int, height: int) -> None:
        """Make the GL context current, with a large enough buffer."""
        if self._gl is None:
            self._gl = open_gl()
            # registered after the backend's own hook, so it runs before it
            atexit.register(close_if_alive, weakref.ref(self))

        self._gl.make_current()
        context = self._context
        if context is not None and width <= context.offWidth and height <= context.offHeight:
            return

        if context is not None:
            width, height = max(width, context.offWidth), max(height, context.offHeight)
            context.free()

        self.model.vis.global_.offwidth, self.model.vis.global_.offheight = width, height
        self._context = mujoco.MjrContext(self.model, mujoco.mjtFontScale.mjFONTSCALE_100)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)


def open_gl() -> Any:
    """Open a GL context of the backend in MUJOCO_GL.

    Raises:
        DeviceError: an unknown backend, or one that is not installed or finds no device.

    """
    backend = os.environ.get("MUJOCO_GL", "egl").strip().lower()
    if backend not in BACKENDS:
        raise DeviceError(
            f"MUJOCO_GL={backend}: off-screen frames need one of {', '.join(BACKENDS)}"
        )

    # MuJoCo draws with PyOpenGL, and refuses if the two disagree
    os.environ["PYOPENGL_PLATFORM"] = backend
    try:
        return import_module(f"mujoco.{backend}").GLContext(LARGEST, LARGEST)
    except (ImportError, AttributeError, OSError, RuntimeError) as error:
        raise DeviceError(
            f"no off-screen rendering with MUJOCO_GL={backend} ({error}): install libegl1 and "
            "libgl1-mesa-dri, or libosmesa6 and set MUJOCO_GL=osmesa"
        ) from error


def close_if_alive(reference: "weakref.ref[Renderer]") -> None:
    """Close a renderer that the program left open.

    GL complains if it is freed after the interpreter's end.
    """
    renderer = reference()
    if renderer is not None:
        renderer.close()
