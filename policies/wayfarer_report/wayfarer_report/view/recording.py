"""A rerun recording of observations and motions, of a run on disk or a running collection.

Positions are in the base frame [m].

rerun is optional; it is imported when a recording is opened.
"""

import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from wayfarer_core.cube import EDGE
from wayfarer_core.errors import ConfigError, DeviceError
from wayfarer_core.reason import Reason, words_of

if TYPE_CHECKING:
    import rerun as rr

Vector = NDArray[np.float64]

# in the folder of Makefile and pyproject.toml
INSTALL = "make .venv/.view (with an installed ROS: pip install --group view)"
STEP, TIME = "step", "time"  # timelines: steps counted over all episodes, and the robot's clock

_GREEN, _BLUE, _ORANGE, _RED, _GREY = (
    (30, 200, 60), (30, 100, 255), (255, 150, 0), (230, 30, 30), (150, 150, 150)
)  # fmt: skip
_YELLOW = (240, 220, 40)
_ACTION = ("x", "y", "z", "gripper")  # its numbers; the last one where the run has a gripper
_RADIUS = 0.012  # m
_HOST = "127.0.0.1"
_END = 10.0  # s, deadline for the viewer's end
_EYE, _LOOKS_AT = (1.5, 0.9, 0.8), (0.55, 0.0, 0.1)  # m


class Recording:
    """Logs values at the moment that `at` has set last."""

    def __init__(self, title: str, save: Path | None, timeline: str) -> None:
        """Open rerun's viewer, or write to the file `save`.

        ConfigError if this is not possible.

        Args:
            title: the viewer's title.
            save: a new file *.rrd; None: open the viewer.
            timeline: the first one shown, STEP or TIME.
        """
        self._rr: Any = _rerun()
        self._viewer: subprocess.Popen[bytes] | None = None
        self._stream: rr.RecordingStream = self._rr.RecordingStream("wayfarer")

        if save is None:
            self._open_viewer()
        else:
            _check_new(save)
            self._stream.save(save)

        self._timeline, self._has_wrist = timeline, False
        self._stream.send_blueprint(blueprint(timeline))
        self._stream.send_recording_name(title)
        self._stream.log("base", self._rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)

    def _open_viewer(self) -> None:
        """Start rerun's viewer.

        Only this machine can reach it; rerun's own `spawn` does not ensure that.
        """
        port = _free_port()
        where = ["--bind", _HOST, "--port", str(port)]
        self._viewer = subprocess.Popen([sys.executable, "-m", "rerun", *where])
        self._stream.connect_grpc(f"rerun+http://{_HOST}:{port}/proxy")

    @property
    def closed(self) -> bool:
        """Whether the viewer's window has been closed.

        Raises DeviceError if it could not be opened.
        """
        code = self._viewer.poll() if self._viewer else None
        if code:
            raise DeviceError(
                f"rerun's viewer ended with code {code}; without a display: --save FILE.rrd"
            )

        return code is not None

    def wait(self, seconds: float) -> None:
        """Wait until the viewer's window is closed, at most some seconds."""
        if self._viewer is not None:
            with suppress(subprocess.TimeoutExpired):
                self._viewer.wait(seconds)

    def close(self) -> None:
        """Send or write all that was logged, and end the viewer."""
        self._stream.disconnect()
        if self._viewer is not None:
            self._viewer.terminate()
            self._viewer.wait(_END)

    def at(self, stamp: int, step: int | None = None) -> None:
        """Set the moment of the next values.

        `stamp` is the robot's clock [ns]; `step` counts over all episodes.
        """
        self._stream.set_time(TIME, timestamp=np.datetime64(stamp, "ns"))
        if step is not None:
            self._stream.set_time(STEP, sequence=step)

    def observation(self, pixels: NDArray[np.uint8]) -> None:
        """Log an observation, RGB (H, W, 3)."""
        self._stream.log("observation", self._rr.Image(pixels))

    def wrist(self, pixels: NDArray[np.uint8]) -> None:
        """Log an image of the camera in the hand, RGB (H, W, 3); after the first it has a place in
        the layout.
        """
        if not self._has_wrist:
            self._has_wrist = True
            self._stream.send_blueprint(blueprint(self._timeline, "wrist"))

        self._stream.log("wrist", self._rr.Image(pixels))

    def goal_image(self, pixels: NDArray[np.uint8]) -> None:
        """Log the goal image, RGB (H, W, 3)."""
        self._stream.log("goal", self._rr.Image(pixels))

    def box(self, low: Vector, high: Vector) -> None:
        """Log control's workspace box by two corners (3,)."""
        box = self._rr.Boxes3D(
            mins=[low], sizes=[high - low], colors=[_GREY], fill_mode="MajorWireframe"
        )
        self._stream.log("base/box", box, static=True)

    def end_effector(self, position: Vector) -> None:
        """Log the end effector's position, (3,)."""
        self._ball("end_effector", position, _GREY, "")

    def target(self, position: Vector) -> None:
        """Log control's target, (3,)."""
        self._ball("target", position, _GREEN, "")

    def goal(self, position: Vector) -> None:
        """Log the end effector's position in the goal image, (3,)."""
        self._ball("goal", position, _BLUE, "")

    def wanted(self, position: Vector, refused: bool, why: str) -> None:
        """Log where an action would have led (3,) that the gate changed or refused, and the
        reason.
        """
        self._ball("wanted", position, _RED if refused else _ORANGE, why)

    def as_meant(self) -> None:
        """Log that the action was executed unchanged."""
        self._stream.log("base/wanted", self._rr.Clear(recursive=False))

    def cube(self, position: Vector) -> None:
        """Log the simulated cube's position, (3,); its orientation is visible in the image."""
        half = [EDGE / 2.0] * 3
        box = self._rr.Boxes3D(centers=[position], half_sizes=[half], colors=[_YELLOW])
        self._stream.log("base/cube", box)

    def action(self, requested: Vector, reasons: Reason) -> None:
        """Tell an action (3,), or with a gripper (4,), as the policy sent it, in [-1, 1], and why
        it was not done so.
        """
        for axis, value in zip(_ACTION, requested, strict=False):
            self._stream.log(f"action/{axis}", self._rr.Scalars(float(value)))
        if reasons:
            self._stream.log("reasons", self._rr.TextLog(words_of(reasons)))

    def novelty(self, value: float) -> None:
        """Log the novelty of an image or of the goal."""
        self._stream.log("novelty", self._rr.Scalars(value))

    def _ball(self, name: str, position: Vector, colour: tuple[int, int, int], label: str) -> None:
        labels = [label] if label else None
        ball = self._rr.Points3D([position], radii=[_RADIUS], colors=[colour], labels=labels)
        self._stream.log(f"base/{name}", ball)


def blueprint(timeline: str, *more: str) -> Any:
    """Return rerun's layout: the scene, both images and `more`, and the curves below."""
    _rerun()
    import rerun.blueprint as rrb

    shown = "observation", *more, "goal"
    pictures = rrb.Horizontal(*(rrb.Spatial2DView(origin=name, name=name) for name in shown))
    curves = rrb.Vertical(
        rrb.TimeSeriesView(origin="novelty", name="novelty"),
        rrb.TimeSeriesView(origin="action", name="action"),
        rrb.TextLogView(origin="reasons", name="reasons"),
    )
    scene = rrb.Spatial3DView(
        origin="base",
        name="base frame",
        eye_controls=rrb.EyeControls3D(
            position=_EYE, look_target=_LOOKS_AT, eye_up=(0.0, 0.0, 1.0)
        ),
    )

    return rrb.Blueprint(
        rrb.Horizontal(scene, rrb.Vertical(pictures, curves)),
        rrb.TimePanel(timeline=timeline),
        collapse_panels=True,
    )


def _rerun() -> Any:
    """Import rerun. Without it raise ConfigError with the command that installs it."""
    try:
        import rerun
    except ImportError as error:
        raise ConfigError(f"`wayfarer view` needs rerun: {INSTALL}") from error

    return rerun


def _free_port() -> int:
    with socket.socket() as asking:
        asking.bind((_HOST, 0))
        return int(asking.getsockname()[1])


def _check_new(file: Path) -> None:
    if file.suffix != ".rrd":
        raise ConfigError(f"{file} must end in .rrd, as rerun names its recordings")
    if file.exists():
        raise ConfigError(f"{file} exists: choose another name")
    if not file.parent.is_dir():
        raise ConfigError(f"there is no folder {file.parent} to write {file.name} into")
