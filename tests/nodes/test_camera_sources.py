"""The camera node with its own sources, its health and its calibration, over real DDS."""

import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from fixtures.graph import Peer, node_process, peer, wait_for
from fixtures.noise import NOISE, write_noise
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from wayfarer_common import contract
from wayfarer_common.conversions import array_to_image, image_to_array, to_nanoseconds, to_stamp
from wayfarer_core import names
from wayfarer_core.calibration import Calibration, save_calibration
from wayfarer_msgs.msg import Fault

QUICK = {"silence": 1.0, "frozen_after": 1.0, "black_after": 0.5, "stale_after": 0.5}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return write_noise(tmp_path / "images")


@contextmanager
def listening(domain: int) -> Iterator[Peer]:
    """The test in the place of actor and recorder."""
    with peer(domain) as me:
        me.listen(
            contract.OBSERVATION_IMAGE,
            contract.CAMERA_FAULT,
            contract.CAMERA_IMAGE,
            contract.CAMERA_INFO,
        )
        me.node.create_subscription(Image, names.OBSERVATION_IMAGE, lambda _: None, 10)
        yield me


def faults(me: Peer) -> list[Fault]:
    return me.heard[contract.CAMERA_FAULT.name]


def wait_for_fault(me: Peer, text: str) -> Fault:
    return wait_for(
        lambda: next((f for f in faults(me) if text in f.text), None), f"a fault that says {text!r}"
    )


class Driver:
    """The test in the place of a camera driver."""

    def __init__(self, me: Peer) -> None:
        self._publisher = me.publisher(contract.CAMERA_IMAGE)
        self._count = 0
        wait_for(
            lambda: self._publisher.get_subscription_count() == 2, "camera node and test to listen"
        )

    def film(
        self, until: Callable[[], object], pixels: NDArray[np.uint8] | None = None, age: float = 0.0
    ) -> None:
        def shown() -> object:
            picture = NOISE[self._count % 5] if pixels is None else pixels
            self._publisher.publish(
                array_to_image(picture, to_stamp(time.time_ns() - int(age * 1e9)), "camera")
            )
            self._count += 1

            return until()

        wait_for(shown, "the camera node to notice")


def test_a_folder_is_published_as_a_driver_would_and_becomes_observations(
    domain: int, images: Path
) -> None:
    start = time.time_ns()
    with (
        listening(domain) as me,
        node_process(
            "wayfarer_camera",
            "camera",
            source="folder",
            source_path=images,
            source_rate=20.0,
            control_period=0.25,
        ),
    ):
        me.wait_ready("camera")
        seen, raw = me.heard[contract.OBSERVATION_IMAGE.name], me.heard[contract.CAMERA_IMAGE.name]
        wait_for(lambda: len(seen) >= 5 and len(raw) >= 25, "five observations")
        assert any((image_to_array(raw[-1]) == pixels).all() for pixels in NOISE)
        assert raw[-1].header.frame_id == names.CAMERA_FRAME
        stamps = np.array([to_nanoseconds(m.header.stamp) for m in seen])
        assert (np.diff(stamps) >= 0.9 * 0.25e9).all()
        assert start < stamps[0]
        assert stamps[-1] < time.time_ns()
        assert {to_nanoseconds(m.header.stamp) for m in seen} & {
            to_nanoseconds(m.header.stamp) for m in raw
        }
        infos = {to_nanoseconds(m.header.stamp): m for m in me.heard[contract.CAMERA_INFO.name]}
        assert len(infos.keys() & {to_nanoseconds(m.header.stamp) for m in raw}) >= 20
        assert me.last(contract.CAMERA_INFO).k.tolist() == [0.0] * 9  # nothing is known of its lens

        # its first word is that it is well
        assert [fault.kind for fault in faults(me)] == [Fault.NONE]


def test_a_folder_that_ends_is_a_fault(domain: int, images: Path) -> None:
    with (
        listening(domain) as me,
        node_process(
            "wayfarer_camera",
            "camera",
            source="folder",
            source_path=images,
            source_repeat=False,
            **QUICK,
        ),
    ):
        fault = wait_for_fault(me, "is at its end")
        assert fault.kind == Fault.CAMERA
        assert str(images) in fault.text
        wait_for_fault(me, "is at its end; no picture for more than 1 s")


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        (
            {"source": "v4l2", "source_path": "/dev/video99"},
            "DeviceError: no camera '/dev/video99': there",
        ),
        (
            {"source": "video", "source_path": "/nowhere/film.mp4"},
            "ConfigError: no video '/nowhere/film.mp4'",
        ),
        ({"source": "usb"}, "source = 'usb' is not one of topic, v4l2, video, folder"),
        (
            {"calibration": "/nowhere/camera.yaml"},
            "ConfigError: no calibration at /nowhere/camera.yaml",
        ),
    ],
)
def test_what_is_missing_ends_the_node_with_its_name(
    domain: int, capfd: pytest.CaptureFixture[str], parameters: dict[str, str], words: str
) -> None:
    with node_process("wayfarer_camera", "camera", **parameters) as process:
        wait_for(lambda: process.poll() is not None, "the node to end")
        assert process.returncode == 1

    assert words in capfd.readouterr().out


def test_frozen_black_and_stale_pictures_and_silence_are_faults_that_begin_change_and_end(
    domain: int,
) -> None:
    with node_process("wayfarer_camera", "camera", **QUICK), listening(domain) as me:
        driver = Driver(me)

        def last() -> str | None:
            return faults(me)[-1].text if faults(me) else None

        driver.film(lambda: me.heard[contract.OBSERVATION_IMAGE.name] and not last())
        driver.film(lambda: (last() or "").startswith("frozen"), NOISE[0])
        assert (faults(me)[-1].kind, faults(me)[-1].needs_operator) == (Fault.CAMERA, False)
        driver.film(lambda: last() == "")
        assert faults(me)[-1].kind == Fault.NONE
        driver.film(
            lambda: (last() or "").startswith("frozen") and "; black" in (last() or ""),
            NOISE[0] // 50,
        )
        driver.film(lambda: last() == "")
        driver.film(lambda: (last() or "").startswith("stale"), age=3.0)
        driver.film(lambda: last() == "")
        wait_for(lambda: last() == "no picture for more than 1 s", "silence to be noticed")
        wait_for(
            lambda: me.health["camera"].message == "no picture for more than 1 s",
            "diagnostics to say it",
        )
        driver.film(lambda: last() == "")


def test_a_fault_is_kept_for_who_comes_later(domain: int) -> None:
    with node_process("wayfarer_camera", "camera", **QUICK):
        with listening(domain) as me:
            wait_for_fault(me, "no picture")
        with listening(domain) as late:
            wait_for_fault(late, "no picture")


def test_a_calibration_takes_the_distortion_out_and_is_published(
    domain: int, images: Path, tmp_path: Path
) -> None:
    K = np.array([[40.0, 0.0, 31.5], [0.0, 40.0, 23.5], [0.0, 0.0, 1.0]])
    bulge = np.array([-0.3, 0.1, 0.0, 0.0, 0.0])
    save_calibration(Calibration("2026-01-01", 64, 48, K, bulge, 0.2, 12), tmp_path / "camera.yaml")
    shutil.rmtree(images)
    images.mkdir()
    cv2.imwrite(str(images / "0.png"), bent(K, bulge))

    with (
        listening(domain) as me,
        node_process(
            "wayfarer_camera",
            "camera",
            source="folder",
            source_path=images,
            calibration=tmp_path / "camera.yaml",
            crop_left=8,
            crop_size=48,
            frozen_after=0.0,
        ),
    ):
        wait_for(lambda: me.heard[contract.OBSERVATION_IMAGE.name], "an observation")
        wait_for(lambda: me.last(contract.CAMERA_INFO), "camera_info")
        info = me.last(contract.CAMERA_INFO)
        assert (info.k.tolist(), list(info.d)) == (K.flatten().tolist(), bulge.tolist())

        # an edge at column 16 of 64: at 14 of 84
        pixels = image_to_array(me.last(contract.OBSERVATION_IMAGE))
        edges = np.argmax(pixels[10:74, :, 0] > 127, axis=1)
        assert np.ptp(edges) <= 1
        assert abs(float(edges.mean()) - 14.0) <= 1.0


def bent(K: NDArray[np.float64], distortion: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A straight upright edge at column 16, left black and right white, as a lens with distortion
    shows it.
    """
    v, u = np.mgrid[0:48, 0:64].astype(np.float32)
    ideal = cv2.undistortPoints(np.stack([u, v], -1).reshape(-1, 1, 2), K, distortion, P=K).reshape(
        48, 64, 2
    )

    return (
        np.clip(127.5 + 255.0 * (ideal[..., :1] - 15.5), 0, 255).repeat(3, axis=2).astype(np.uint8)
    )
