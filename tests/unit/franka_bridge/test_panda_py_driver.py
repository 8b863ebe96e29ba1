import sys

import numpy as np
import pytest
from fixtures.arm import SETTINGS
from fixtures.panda_double import PandaPy
from fixtures.rigs import VENV
from wayfarer_common.errors import DeviceError
from wayfarer_franka_bridge.driver import ConnectionLostError, MotionAbortedError, StoppedError, UnusableError
from wayfarer_franka_bridge.panda_py_driver import PandaPyDriver

HERE, DOWN, STILL = np.array([0.48, 0.0, 0.083]), np.array([1.0, 0.0, 0.0, 0.0]), np.zeros(3)


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch) -> PandaPy:
    stubs = sorted((VENV / "rig").glob("lib/python3*/site-packages/panda_py/_core.pyi"))
    if not stubs:
        pytest.skip("NOT TESTED: the panda-python wheel is missing; `make test` installs it")
    double = PandaPy(stubs[0].parent)
    for name, module in double.modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    return double


@pytest.fixture
def driver(arm: PandaPy) -> PandaPyDriver:
    driver = PandaPyDriver(SETTINGS)
    driver.connect()
    return driver


def test_the_double_refuses_what_the_wheel_would(arm: PandaPy) -> None:
    with pytest.raises(TypeError):
        arm.modules["panda_py"].Panda("172.16.0.2", speed=3)
    with pytest.raises(KeyError):
        arm.modules["panda_py"].Panda("172.16.0.2").no_such_method()


def test_connecting_sets_thresholds_and_load(arm: PandaPy, driver: PandaPyDriver) -> None:
    (thresholds,) = arm.called("set_collision_behavior")
    assert {len(v) for v in thresholds.values()} == {6, 7}
    (load,) = arm.called("set_load")
    assert (load["load_mass"], list(load["F_x_Cload"]), len(load["load_inertia"])) == (0.1, [0.0, 0.0, 0.02], 9)


def test_the_state_is_read_whole_and_matrices_by_column(arm: PandaPy, driver: PandaPyDriver) -> None:
    arm.state.O_T_EE = [1.0, 0, 0, 0, 0, -1.0, 0, 0, 0, 0, -1.0, 0, 0.48, 0.1, 0.083, 1.0]
    arm.state.I_ee, arm.state.m_ee = list(range(9)), 0.73
    arm.errors.up["joint_reflex"] = True
    state = driver.state()
    np.testing.assert_allclose(state.T_O_EE[:3, 3], [0.48, 0.1, 0.083])
    assert state.errors == ("joint_reflex",)
    assert (state.inertia_ee[0], state.inertia_ee[12], state.elbow.shape, state.time) == (0.73, 8.0, (5, 2), 3.0)


def test_the_first_target_starts_the_controller_and_the_next_ones_only_move_it(
    arm: PandaPy, driver: PandaPyDriver
) -> None:
    for _ in range(3):
        driver.track(HERE, DOWN, STILL, STILL)
    assert len(arm.called("start_controller")) == 1
    assert [c["orientation"].tolist() for c in arm.called("set_control")] == [DOWN.tolist()] * 3
    np.testing.assert_allclose(arm.called("__init__")[-1]["impedance"].diagonal(), [1500.0] * 3 + [100.0] * 3)
    driver.stop()
    driver.stop()
    assert len(arm.called("stop_controller")) == 1


def test_errors_are_not_cleared_by_starting_a_controller(arm: PandaPy, driver: PandaPyDriver) -> None:
    """panda_py itself would recover the arm without a word."""
    arm.errors.up["cartesian_reflex"] = True
    with pytest.raises(MotionAbortedError, match="cartesian_reflex"):
        driver.track(HERE, DOWN, STILL, STILL)
    with pytest.raises(MotionAbortedError, match="cartesian_reflex"):
        driver.home(lambda: True)
    assert not arm.called("start_controller")
    assert not arm.called("move_to_joint_position")
    assert not arm.called("recover")
    with pytest.raises(MotionAbortedError):
        driver.recover()
    assert arm.called("recover")


def test_a_controller_that_ended_by_itself_is_told_once(arm: PandaPy, driver: PandaPyDriver) -> None:
    driver.track(HERE, DOWN, STILL, STILL)
    arm.moving = False
    arm.raises["raise_error"] = RuntimeError("libfranka: motion aborted by reflex! [cartesian_reflex]")
    with pytest.raises(MotionAbortedError, match="cartesian_reflex"):
        driver.state()
    driver.state()


def test_home_goes_there_and_stops_the_controller_first(arm: PandaPy, driver: PandaPyDriver) -> None:
    driver.track(HERE, DOWN, STILL, STILL)
    driver.home(lambda: True)
    names = [name for name, _ in arm.calls]
    assert names.index("stop_controller") < names.index("move_to_joint_position")
    assert arm.called("move_to_joint_position")[0]["speed_factor"] == 0.1
    with pytest.raises(StoppedError, match="on the way home"):
        driver.home(lambda: False)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("libfranka: Connection timeout", ConnectionLostError),
        ("libfranka: Incompatible library version (server version: 7)", UnusableError),
        ("libfranka: Running kernel does not have realtime capabilities.", UnusableError),
    ],
)
def test_why_it_cannot_connect_is_told_apart(arm: PandaPy, text: str, error: type[DeviceError]) -> None:
    arm.raises["connect"] = RuntimeError(text)
    with pytest.raises(error, match=text.split("(")[0].strip()):
        PandaPyDriver(SETTINGS).connect()


def test_a_lost_connection_is_told_apart_from_an_aborted_motion(arm: PandaPy, driver: PandaPyDriver) -> None:
    arm.raises["get_state"] = RuntimeError("libfranka: UDP receive: Timeout")
    with pytest.raises(ConnectionLostError):
        driver.state()
    arm.raises["get_state"] = RuntimeError("libfranka: something else")
    with pytest.raises(MotionAbortedError):
        driver.state()


def test_closing_stops_and_lets_go(arm: PandaPy, driver: PandaPyDriver) -> None:
    driver.track(HERE, DOWN, STILL, STILL)
    driver.close()
    assert arm.called("stop_controller")
    with pytest.raises(ConnectionLostError, match="not connected"):
        driver.state()
    driver.close()


def place(arm: PandaPy, position: list[float]) -> None:
    arm.state.O_T_EE = [1.0, 0, 0, 0, 0, -1.0, 0, 0, 0, 0, -1.0, 0, *position, 1.0]


def springs(arm: PandaPy, position: list[float]) -> list[float]:
    """How long the spring [m] was that each call gave the controller, with the hand at a position."""
    return [float(np.linalg.norm(call["position"] - position)) for call in arm.called("set_control")]


def test_the_spring_is_never_longer_than_configured_although_the_controller_knows_no_bound(
    arm: PandaPy, driver: PandaPyDriver
) -> None:
    here = [0.48, 0.0, 0.083]
    place(arm, here)
    driver.state()
    driver.track(HERE + [0.15, 0.15, 0.05], DOWN, STILL, STILL)
    driver.track(HERE + [0.0, 0.06, 0.0], DOWN, STILL, STILL)
    np.testing.assert_allclose(springs(arm, here), [SETTINGS.error_clip, 0.06])


def test_a_hand_that_is_pushed_away_from_its_target_pulls_no_harder_than_configured(
    arm: PandaPy, driver: PandaPyDriver
) -> None:
    place(arm, [0.48, 0.0, 0.083])
    driver.state()
    driver.track(HERE, DOWN, STILL, STILL)
    pushed = [0.48, 0.25, 0.083]
    place(arm, pushed)
    driver.state()  # the bridge reads a hundred times a second, whether there is a target or not
    assert springs(arm, pushed)[-1] == pytest.approx(SETTINGS.error_clip)
    place(arm, [0.48, 0.02, 0.083])
    driver.state()
    np.testing.assert_allclose(arm.called("set_control")[-1]["position"], HERE)
