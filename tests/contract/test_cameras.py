"""What every camera must do, at the table or in the hand: the same, each on topics of its own."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fixtures.backends import BACKENDS, Robot, running
from fixtures.graph import Peer, node_process, peer, wait_for
from fixtures.noise import NOISE, write_noise
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import Image
from wayfarer_common import contract
from wayfarer_common.contract import FIXED, WRIST, CameraTopics, Topic
from wayfarer_common.conversions import array_to_image, image_to_array, to_nanoseconds, to_stamp
from wayfarer_core import names
from wayfarer_core.calibration import Calibration, save_calibration
from wayfarer_msgs.msg import Fault

CAMERAS = {"at the table": FIXED, "in the hand": WRIST}


@pytest.fixture(params=CAMERAS)
def where(request: pytest.FixtureRequest) -> CameraTopics:
    return CAMERAS[request.param]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_noise(tmp_path / "images")


@contextmanager
def camera_node(domain: int, where: CameraTopics, **given: Any) -> Iterator[Peer]:
    """The camera node of one of the two, and the test as whoever it talks to."""
    node = node_process("wayfarer_camera", "camera", eye_in_hand=where is WRIST, **given)
    with peer(domain) as me, node:
        yield me


def spoken(where: CameraTopics) -> tuple[Topic, ...]:
    return where.image, where.info, where.observation, where.fault


def stamps(me: Peer, topic: Topic) -> list[int]:
    return [to_nanoseconds(message.header.stamp) for message in me.heard[topic.name]]


def test_a_drivers_picture_becomes_an_observation_of_its_stamp_and_frame(
    domain: int, where: CameraTopics
) -> None:
    with camera_node(domain, where, control_period=0.05) as me:
        me.listen(where.observation, where.fault)
        driver = me.publisher(where.image)
        wait_for(lambda: driver.get_subscription_count() == 1, "the camera node to listen")
        sent = []

        def filmed() -> bool:
            sent.append(time.time_ns())
            picture = NOISE[len(sent) % len(NOISE)]
            driver.publish(array_to_image(picture, to_stamp(sent[-1]), where.frame))
            return len(me.heard[where.observation.name]) >= 3

        wait_for(filmed, "three observations")
        seen = me.last(where.observation)
        assert (seen.height, seen.width, seen.encoding) == (84, 84, "rgb8")
        assert seen.header.frame_id == where.frame
        assert set(stamps(me, where.observation)) <= set(sent)
        wait_for(
            lambda: Fault.NONE in [fault.kind for fault in me.heard[where.fault.name]],
            "the word that it is well",
        )


def test_a_source_of_its_own_is_published_as_a_driver_would_with_the_lens_of_each_picture(
    domain: int, where: CameraTopics, images: Path
) -> None:
    given = {"source": "folder", "source_path": images, "source_rate": 20.0}
    with camera_node(domain, where, **given) as me:
        me.listen(*spoken(where))
        wait_for(lambda: len(me.heard[where.image.name]) >= 10, "ten pictures")
        wait_for(lambda: len(me.heard[where.info.name]) >= 10, "ten times the lens")
        wait_for(lambda: me.last(where.observation), "an observation")
        assert any((image_to_array(me.last(where.image)) == pixels).all() for pixels in NOISE)
        for topic in (where.image, where.info, where.observation):
            assert me.last(topic).header.frame_id == where.frame, topic.name

        assert len({*stamps(me, where.image)} & {*stamps(me, where.info)}) >= 8


def test_it_says_nothing_on_the_topics_of_the_other_camera(
    domain: int, where: CameraTopics, images: Path
) -> None:
    given = {"source": "folder", "source_path": images, "source_rate": 20.0}
    other = FIXED if where is WRIST else WRIST
    with camera_node(domain, where, **given) as me:
        me.listen(*spoken(where))
        wait_for(lambda: all(me.last(topic) for topic in spoken(where)), "a word on each topic")
        assert [me.node.count_publishers(topic.name) for topic in spoken(other)] == [0] * 4
        assert [me.node.count_publishers(topic.name) for topic in spoken(where)] == [1] * 4


def test_a_camera_that_falls_silent_is_a_fault_that_says_which(
    domain: int, where: CameraTopics
) -> None:
    with camera_node(domain, where, silence=0.5) as me:
        me.listen(where.fault)
        wait_for(lambda: (last := me.last(where.fault)) and last.kind == Fault.CAMERA, "the fault")
        text = me.last(where.fault).text
        assert text.endswith("no picture for more than 0.5 s")
        assert text.startswith("wrist camera: ") == (where is WRIST)


def test_a_camera_in_the_hand_refuses_to_stand_at_the_table(domain: int, tmp_path: Path) -> None:
    K = np.array([[60.0, 0.0, 31.5], [0.0, 60.0, 23.5], [0.0, 0.0, 1.0]])
    file = tmp_path / "camera.yaml"
    standing = Calibration("2026-01-01", 64, 48, K, np.zeros(5), 0.2, 12, T_base_camera=np.eye(4))
    save_calibration(standing, file)
    with node_process("wayfarer_camera", "camera", eye_in_hand=True, calibration=file) as node:
        assert node.wait(60.0) == 1
        said = node.stdout.read() if node.stdout else ""
        assert "this one moves with the hand: give it a file of the lens alone" in said


# --- the simulated hand ---


@dataclass
class Hand:
    """A simulated arm with a camera in its hand, and the test's end of its topics."""

    robot: Robot

    def wrist(self) -> np.ndarray:
        """What the camera in the hand sees at the time of the newest image, (84, 84, 3)."""
        heard = self.robot.peer.heard[contract.WRIST_IMAGE.name]
        now = self.robot.stamp(contract.CAMERA_IMAGE)

        def at_that_time() -> list[Image]:
            return [image for image in heard if to_nanoseconds(image.header.stamp) == now]

        return image_to_array(wait_for(at_that_time, "the wrist's image")[0]).astype(float)


@pytest.fixture(scope="module", params=["sim_lockstep", "sim_wall_clock"])
def hand(
    request: pytest.FixtureRequest, module_domain: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hand]:
    folder = tmp_path_factory.mktemp(request.param)
    with running(BACKENDS[request.param], module_domain, folder, wrist=True) as robot:
        robot.peer.listen(contract.WRIST_IMAGE, contract.WRIST_INFO, contract.TF_STATIC)
        robot.reset()
        frames = robot.peer.heard[contract.TF_STATIC.name]
        wait_for(lambda: len(frames) >= 2, "both cameras' frames")
        yield Hand(robot)


def test_both_cameras_tell_of_the_same_times_in_frames_of_their_own(hand: Hand) -> None:
    me = hand.robot.peer
    hand.robot.go(hand.robot.position())
    wait_for(lambda: len(stamps(me, contract.WRIST_INFO)) >= 1, "the wrist's lens")
    first = stamps(me, contract.WRIST_IMAGE)[0]
    images = {stamp for stamp in stamps(me, contract.CAMERA_IMAGE) if stamp >= first}
    wait_for(lambda: images <= {*stamps(me, contract.WRIST_IMAGE)}, "the wrist's images")
    wait_for(
        lambda: hand.robot.stamp(contract.WRIST_INFO) >= max(images), "the wrist's newest lens"
    )
    image, info = me.last(contract.WRIST_IMAGE), me.last(contract.WRIST_INFO)
    assert image.header.frame_id == info.header.frame_id == names.WRIST_FRAME
    assert (image.width, image.height, image.encoding) == (info.width, info.height, "rgb8")
    assert 0.0 < info.k[2] < info.width


def test_the_camera_moves_with_the_hand(hand: Hand) -> None:
    robot = hand.robot
    robot.reset()
    home, before = robot.position(), hand.wrist()
    robot.go(home + [0.0, 0.1, 0.05])
    assert np.abs(hand.wrist() - before).mean() > 1.0


def test_the_cube_is_seen_where_frame_and_lens_put_it(hand: Hand) -> None:
    """The whole chain: base -> end_effector -> wrist_optical_frame -> pixel."""
    robot = hand.robot
    robot.reset()
    robot.go(robot.position() + [0.0, 0.05, 0.1])
    pixels, K = hand.wrist(), np.reshape(robot.peer.last(contract.WRIST_INFO).k, (3, 3))
    red, green, blue = np.moveaxis(pixels, 2, 0)
    rows, columns = np.nonzero((red > 150) & (green > 130) & (blue < 80))
    frames = [t for m in robot.peer.heard[contract.TF_STATIC.name] for t in m.transforms]
    (eye,) = (frame for frame in frames if frame.child_frame_id == names.WRIST_FRAME)
    assert eye.header.frame_id == names.END_EFFECTOR_FRAME

    pose = robot.peer.last(contract.CURRENT_POSE).pose
    T_base_wrist = matrix(pose.position, pose.orientation) @ matrix(
        eye.transform.translation, eye.transform.rotation
    )
    top = np.array([0.58, 0.0, -0.092 + 0.05, 1.0])  # the cube's upper face at the start [m]
    x, y, z = (np.linalg.inv(T_base_wrist) @ top)[:3]
    expected = (K @ [x / z, y / z, 1.0])[:2]
    assert z > 0.0
    np.testing.assert_allclose([columns.mean(), rows.mean()], expected, atol=1.5)


def matrix(p: object, q: object) -> np.ndarray:
    T = np.eye(4)
    T[:3, :3] = Rotation.from_quat([getattr(q, axis) for axis in "xyzw"]).as_matrix()
    T[:3, 3] = [getattr(p, axis) for axis in "xyz"]
    return T
