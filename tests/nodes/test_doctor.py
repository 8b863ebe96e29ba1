"""`wayfarer doctor` beside a running camera node."""

import threading

import numpy as np
from fixtures.graph import peer, wayfarer
from wayfarer_cli.doctor.checks import Code
from wayfarer_common import contract
from wayfarer_common.conversions import array_to_image
from wayfarer_core import names


def test_doctor_hears_the_camera_judges_it_and_ends_with_the_code_of_the_first_failure(
    domain: int,
) -> None:
    grey, over = np.full((84, 84, 3), 120, np.uint8), threading.Event()
    with peer(domain, namespace="wayfarer") as me:
        camera = me.publisher(contract.OBSERVATION_IMAGE)

        def show() -> None:
            while not over.wait(0.2):
                camera.publish(
                    array_to_image(grey, me.node.get_clock().now().to_msg(), names.CAMERA_FRAME)
                )

        thread = threading.Thread(target=show)
        thread.start()
        try:
            words = [
                "--target",
                "hardware",
                "--robot-ip",
                "127.0.0.1",
                "--camera-rate",
                "2",
                "--listen",
                "5",
            ]
            done = wayfarer("doctor", *words, COLUMNS="200")
        finally:
            over.set()
            thread.join(10.0)

    lines = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines()]
    rows = {line[0]: line[2:] for line in lines if len(line) == 4}
    assert set(rows) == {str(int(code)) for code in Code}
    assert rows["20"][0] == rows["21"][0] == "ok", done.stdout
    assert "mean 120 of 255" in rows["21"][1]
    assert rows["18"] == ["failed", "127.0.0.1 Connection refused"]
    failed = [int(code) for code, (state, _) in rows.items() if state == "failed"]
    assert done.returncode == min(failed)
    assert "robot reachable: check cable and address" in done.stdout


def test_doctor_of_a_target_there_is_not_names_those_there_are(domain: int) -> None:
    done = wayfarer("doctor", "--target", "moon")
    assert done.returncode == 1
    assert "'moon' is not one of 'sim', 'hardware'" in done.stderr
