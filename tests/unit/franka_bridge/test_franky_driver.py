"""What the driver makes of franky's exceptions, by a stand-in for its module.

The rigs drive the real one.
"""

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from fixtures.arm import SETTINGS
from wayfarer_franka_bridge.drivers.driver import (
    ConnectionLostError,
    MotionAbortedError,
    StoppedError,
)
from wayfarer_franka_bridge.drivers.franky_driver import FrankyDriver


class FrankyError(Exception):
    pass


class NetworkError(FrankyError):
    pass


class Robot:
    """Idle, and on its way for ever.

    Raises instead of telling its state what a test puts into `fails`.
    """

    def __init__(self) -> None:
        self.fails: Exception | None = None
        self.moves: list[str] = []
        self.is_in_control = False
        self.tracker = Tracker()

    @property
    def state(self) -> Any:
        if self.fails:
            raise self.fails
        return SimpleNamespace(robot_mode="idle")

    def set_collision_behavior(self, *_: Any) -> None: ...

    def set_load(self, *_: Any) -> None: ...

    def move(self, motion: str, asynchronous: bool) -> None:
        assert asynchronous, "it would block"
        self.moves.append(motion)

    def poll_motion(self) -> bool:
        return False

    def join_motion(self) -> None: ...


class Tracker:
    """Notes its targets."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.targets: list[dict[str, Any]] = []

    def made(self, given: dict[str, Any]) -> "Tracker":
        self.given = given
        return self

    def set_target(self, pose: Any, **told: Any) -> None:
        self.targets.append({"pose": pose} | told)


@pytest.fixture
def robot(monkeypatch: pytest.MonkeyPatch) -> Robot:
    robot = Robot()
    module = SimpleNamespace(
        Exception=FrankyError,
        NetworkException=NetworkError,
        ProtocolException=type("ProtocolError", (FrankyError,), {}),
        IncompatibleVersionException=type("VersionError", (FrankyError,), {}),
        RealtimeException=type("RealtimeError", (FrankyError,), {}),
        RealtimeConfig=SimpleNamespace(Enforce=1, Ignore=2),
        RobotMode=SimpleNamespace(Idle="idle"),
        Robot=lambda *_, **__: robot,
        JointMotion=lambda *_, **__: "home",
        JointStopMotion=lambda: "stop",
        CartesianImpedanceTracker=lambda *_, **given: robot.tracker.made(given),
        PostureTask=lambda **_: None,
        Affine=lambda position, _: position.tolist(),
        Twist=lambda linear, _: linear.tolist(),
        TwistAcceleration=lambda linear, _: linear.tolist(),
    )
    monkeypatch.setitem(sys.modules, "franky", module)  # type: ignore[arg-type]

    return robot


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (NetworkError("UDP receive: Timeout"), ConnectionLostError),
        (RuntimeError("socket"), ConnectionLostError),
        (FrankyError("invalid operation"), MotionAbortedError),
    ],
)
def test_a_connection_that_breaks_before_the_first_state_is_told_as_such(
    robot: Robot, raised: Exception, told: type[Exception]
) -> None:
    robot.fails = raised
    with pytest.raises(told, match=str(raised)):
        FrankyDriver(SETTINGS).connect()


def test_a_motion_home_that_is_not_wanted_any_more_is_stopped_and_that_is_no_fault(
    robot: Robot,
) -> None:
    driver = FrankyDriver(SETTINGS)
    driver.connect()
    with pytest.raises(StoppedError):
        driver.home(lambda: False)
    assert robot.moves == ["home", "stop"]


def test_the_tracker_is_told_how_its_target_moves(robot: Robot) -> None:
    driver = FrankyDriver(SETTINGS)
    driver.connect()
    driver.track(np.full(3, 0.5), np.array([1.0, 0.0, 0.0, 0.0]), np.full(3, 0.1), np.full(3, 2.0))
    assert robot.tracker.targets == [
        {"pose": [0.5] * 3, "twist": [0.1] * 3, "acceleration": [2.0] * 3}
    ]


def test_the_spring_is_bounded_along_every_diagonal_to_what_is_configured(robot: Robot) -> None:
    driver = FrankyDriver(SETTINGS)
    driver.connect()
    driver.track(np.full(3, 0.5), np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3), np.zeros(3))
    clip = robot.tracker.given["translational_error_clip"]  # franky clips each axis for itself
    assert np.linalg.norm(clip) == pytest.approx(SETTINGS.error_clip)
