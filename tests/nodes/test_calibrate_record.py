"""`wayfarer calibrate camera record` against a running camera node."""

import threading
from pathlib import Path

import cv2
import numpy as np
from fixtures.boards import VIEWS, photograph, texture
from fixtures.graph import node_process, peer, wayfarer
from geometry_msgs.msg import PoseStamped
from wayfarer_cli.calibrate import read_poses
from wayfarer_common import contract
from wayfarer_vision.charuco import Board


def test_pictures_are_taken_where_the_board_rests_and_with_the_hand_s_pose(
    domain: int, tmp_path: Path
) -> None:
    shown = tmp_path / "shown"
    shown.mkdir()
    drawn = texture(Board())

    for k, T in enumerate(VIEWS[:3]):
        pixels = photograph(T, drawn)
        for again in range(6):  # rests for 1.5 s
            cv2.imwrite(str(shown / f"{k}{again}.png"), pixels)

    out = tmp_path / "taken"
    ended = threading.Event()
    with (
        peer(domain) as me,
        node_process(
            "wayfarer_camera", "camera", source="folder", source_path=shown, source_rate=4.0
        ),
    ):
        hand = me.publisher(contract.CURRENT_POSE)

        def tell() -> None:
            while not ended.wait(0.02):
                message = PoseStamped()
                message.header.stamp = me.node.get_clock().now().to_msg()
                message.pose.position.x = 0.5
                hand.publish(message)

        teller = threading.Thread(target=tell)
        teller.start()
        try:
            words = [
                "calibrate",
                "camera",
                "record",
                str(out),
                "--views",
                "3",
                "--namespace",
                "",
                "--timeout",
                "150",
            ]
            done = wayfarer(*words)
        finally:
            ended.set()
            teller.join()

    assert done.returncode == 0, done.stdout + done.stderr
    assert sorted(p.name for p in out.glob("*.png")) == ["000.png", "001.png", "002.png"]
    poses = read_poses(out / "poses.csv")
    assert set(poses) <= {"000.png", "001.png", "002.png"}
    assert len(poses) >= 1
    assert all(np.allclose(T[:3, 3], (0.5, 0.0, 0.0)) for T in poses.values())


def test_a_camera_that_is_not_there_is_said(domain: int, tmp_path: Path) -> None:
    done = wayfarer("calibrate", "camera", "record", str(tmp_path / "taken"), "--timeout", "1")
    assert done.returncode == 1
    assert "0 of 15 pictures in 1 s: 0 images came, the board was seen in 0" in done.stderr
