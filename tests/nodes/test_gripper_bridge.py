"""The bridge moves a simulated Panda's hand, which speaks Franka's gripper protocol.

By the libraries' own gripper classes.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fixtures.backends import BACKENDS, PUBLISHED, Robot, running
from fixtures.graph import peer, wait_for
from fixtures.rigs import franka_bridge, own_host, panda_sim
from wayfarer_bags.joints import gripper_width
from wayfarer_common import contract
from wayfarer_core import names
from wayfarer_core.errors import DeviceError
from wayfarer_core.targets import Grip, Gripping
from wayfarer_franka_bridge.drivers.driver import HandSettings
from wayfarer_franka_bridge.hand import HandLink
from wayfarer_msgs.msg import Acknowledgement, GripperTarget
from wayfarer_msgs.srv import Reset

pytestmark = pytest.mark.slow

WIDE, SPEED, FORCE = 0.08, 0.05, 20.0  # m, m/s, N
GRIPPER = {"gripper_width": WIDE, "gripper_speed": SPEED, "gripper_force": FORCE}


@pytest.fixture(scope="module")
def robot(module_domain: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    pytest.importorskip("panda_py", reason="NOT TESTED: `make test` installs panda_py")
    folder = tmp_path_factory.mktemp("panda")
    with running(BACKENDS["panda_sim"], module_domain, folder, **GRIPPER) as robot:
        robot.grips = robot.peer.publisher(contract.TARGET_GRIPPER)  # type: ignore[attr-defined]
        yield robot


def width_of(robot: Robot) -> float:
    said = robot.peer.last(contract.JOINT_STATES)
    return gripper_width(tuple(said.name), said.position)


def tell(robot: Robot, grip: Grip, width: float = 0.0) -> Acknowledgement:
    """Send where the arm is as its target, and what the gripper does; return the bridge's word."""
    stamp = robot.send(robot.position())
    message = GripperTarget(grip=int(grip), width=width)
    message.header.stamp = robot.peer.last(contract.CAMERA_IMAGE).header.stamp
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 1_000_000_000)
    robot.grips.publish(message)  # type: ignore[attr-defined]
    return robot.answer(stamp)


def test_the_hand_opens_stops_where_it_is_goes_on_and_closes(robot: Robot) -> None:
    robot.reset()
    wait_for(lambda: width_of(robot) < 0.002, "the closed hand's width")
    called = robot.peer.last(contract.JOINT_STATES).name
    assert called[7:] == ["panda_finger_joint1", "panda_finger_joint2"]

    assert tell(robot, Grip.OPEN, WIDE).taken
    wait_for(lambda: width_of(robot) > 0.02, "the hand to open")
    robot.grips.publish(GripperTarget(grip=int(Grip.STOP)))  # type: ignore[attr-defined]
    states = robot.peer.heard[contract.JOINT_STATES.name]
    seen = len(states)
    wait_for(lambda: len(states) > seen + 50, "the hand to have stopped")
    stopped = width_of(robot)
    assert 0.02 < stopped < WIDE - 0.01, "it stopped on its way"
    seen = len(states)
    wait_for(lambda: len(states) > seen + 30, "more states")
    assert width_of(robot) == pytest.approx(stopped, abs=0.001)

    assert tell(robot, Grip.KEEP).taken
    assert tell(robot, Grip.OPEN, WIDE).taken
    wait_for(lambda: width_of(robot) > WIDE - 0.002, "the hand to be open")
    assert tell(robot, Grip.CLOSE).taken
    wait_for(lambda: width_of(robot) < 0.002, "the hand to be closed")


def test_a_width_beyond_the_runs_stops_the_gripper_and_is_told(robot: Robot) -> None:
    before = width_of(robot)
    assert tell(robot, Grip.OPEN, WIDE + 0.01).taken, "the arm's target is well"
    states = robot.peer.heard[contract.JOINT_STATES.name]
    seen = len(states)
    wait_for(lambda: len(states) > seen + 50, "more states")
    assert width_of(robot) == pytest.approx(before, abs=0.002)


def test_a_target_without_its_grip_is_not_followed(robot: Robot) -> None:
    heard = robot.peer.heard[names.ACKNOWLEDGEMENT]
    stamp = robot.send(robot.position())
    states, seen = robot.peer.heard[contract.JOINT_STATES.name], len(heard)
    count = len(states)
    wait_for(lambda: len(states) > count + 50, "more states")
    assert len(heard) == seen
    message = GripperTarget(grip=int(Grip.KEEP))
    message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp, 1_000_000_000)
    robot.grips.publish(message)  # type: ignore[attr-defined]
    assert robot.answer(stamp).taken


def test_a_box_whose_hand_does_not_answer_is_told_in_words_and_nothing_is_followed(
    domain: int, tmp_path: Path
) -> None:
    libfranka = pytest.importorskip("panda_py.libfranka", reason="NOT TESTED: no panda_py")
    host = own_host(5)
    with panda_sim(host, tmp_path), peer(domain) as me:
        occupied = libfranka.Gripper(host)  # it takes one client; the next finds nobody there
        with franka_bridge(host, driver="panda_py", **GRIPPER):
            me.listen(*PUBLISHED)
            poses, grips = (
                me.publisher(topic) for topic in (contract.TARGET_POSE, contract.TARGET_GRIPPER)
            )

            wait_for(lambda: me.last(contract.CURRENT_POSE), "a pose")
            wait_for(lambda: grips.get_subscription_count() == 1, "the bridge to listen")

            def refused() -> bool:
                message = me.last(contract.CURRENT_POSE)
                grips.publish(GripperTarget(header=message.header, grip=int(Grip.KEEP)))
                poses.publish(message)
                answer = me.last(contract.ACKNOWLEDGEMENT)
                return answer is not None and "gripper_width must be 0" in answer.text

            wait_for(refused, "its word", 60.0)
            assert not any(answer.taken for answer in me.heard[names.ACKNOWLEDGEMENT])
            response = me.call(Reset, names.RESET, Reset.Request(seed=0))
            assert not response.success
            assert "Is there a hand" in response.message

        del occupied


def hand(host: str, driver: str, width: float) -> tuple[HandLink, list[BaseException]]:
    errors: list[BaseException] = []
    return HandLink(HandSettings(host, driver, width, SPEED, FORCE), errors.append), errors


@pytest.mark.parametrize("driver", ["panda_py", "franky"])
def test_each_library_s_gripper_opens_closes_and_tells_that_it_was_lost(
    driver: str, tmp_path: Path
) -> None:
    pytest.importorskip(driver, reason=f"NOT TESTED: `make test` installs {driver}")
    tested, errors = hand(own_host(3), driver, WIDE)

    def width() -> float:
        return float("nan") if tested.state is None else tested.state.width

    tested.open()
    wait_for(lambda: "Is there a hand" in tested.refusal, "the word that nobody answers")
    with panda_sim(own_host(3), tmp_path, options=()):
        wait_for(lambda: not tested.refusal, "the hand to be there")
        tested.follow(Gripping(Grip.OPEN, WIDE))
        wait_for(lambda: width() > WIDE - 0.002, "it to open")
        tested.follow(Gripping(Grip.CLOSE))
        wait_for(lambda: width() < 0.002, "it to close")

    wait_for(lambda: tested.refusal, "the word that it is lost", 60.0)
    tested.close()
    assert errors == []


def test_a_hand_that_does_not_open_so_wide_ends_the_bridge_with_what_would_help(
    tmp_path: Path,
) -> None:
    pytest.importorskip("panda_py", reason="NOT TESTED: `make test` installs panda_py")
    tested, errors = hand(own_host(4), "panda_py", 0.2)
    with panda_sim(own_host(4), tmp_path, options=()):
        tested.open()
        wait_for(lambda: errors, "its error")

    tested.close()
    (error,) = errors
    assert isinstance(error, DeviceError)
    assert "home the hand in Desk" in str(error)
