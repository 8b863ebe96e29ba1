import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from wayfarer_cli.doctor import checks, machine
from wayfarer_cli.doctor.checks import Code, Finding

SHIPPED_PROFILE = Path(__file__).parents[3] / "launch" / "config" / "fastdds.xml"
TODAY = date(2026, 3, 1)
GREY = np.full((84, 84, 3), 120, np.uint8)

GOOD: dict[Code, Finding] = {
    Code.RENDER_BACKEND: checks.render_backend("egl", ""),
    Code.DISK_RATE: checks.disk_rate(400.0),
    Code.FREE_SPACE: checks.free_space(80_000.0),
    Code.DDS_PROFILE: checks.dds_profile("f.xml", SHIPPED_PROFILE.read_text(), needed=True),
    Code.SHARED_MEMORY: checks.shared_memory(1000.0),
    Code.CLOCK_OFFSET: checks.clock_offset("pc", -0.002),
    Code.REALTIME_KERNEL: checks.realtime_kernel(True, "6.8-rt"),
    Code.REALTIME_LIMITS: checks.realtime_limits(99, float("inf")),
    Code.ROBOT_REACHABLE: checks.robot_reachable("10.0.0.2", ""),
    Code.FIRMWARE: checks.firmware(5, {"panda-python": "1.1.1"}),
    Code.CAMERA_RATE: checks.camera_rate(np.arange(10) * 0.5, 2.0),
    Code.CAMERA_EXPOSURE: checks.camera_exposure(GREY),
    Code.CALIBRATION_AGE: checks.calibration_age("c.yaml", "2026-02-01T10:00:00", TODAY),
}
BAD: dict[Code, list[Finding]] = {
    Code.RENDER_BACKEND: [checks.render_backend("", "no libEGL")],
    Code.DISK_RATE: [checks.disk_rate(5.0)],
    Code.FREE_SPACE: [checks.free_space(100.0)],
    Code.DDS_PROFILE: [
        checks.dds_profile("", "", needed=True),
        checks.dds_profile("gone.xml", None, needed=False),
        checks.dds_profile("f.xml", "<dds", needed=False),
        checks.dds_profile("f.xml", "<dds/>", needed=False),
        checks.dds_profile("f.xml", "<dds><segment_size>1000</segment_size></dds>", needed=False),
        checks.dds_profile("f.xml", "<dds><segment_size>many</segment_size></dds>", needed=False),
    ],
    Code.SHARED_MEMORY: [checks.shared_memory(10.0), checks.shared_memory(None)],
    Code.CLOCK_OFFSET: [
        checks.clock_offset("pc", 0.5),
        checks.clock_offset("pc", -0.5),
        checks.clock_offset("pc", None),
    ],
    Code.REALTIME_KERNEL: [checks.realtime_kernel(False, "6.8")],
    Code.REALTIME_LIMITS: [
        checks.realtime_limits(0, float("inf")),
        checks.realtime_limits(99, 8.0),
    ],
    Code.ROBOT_REACHABLE: [checks.robot_reachable("10.0.0.2", "Connection refused")],
    Code.FIRMWARE: [
        checks.firmware(None, {"panda-python": "1.1.1"}),
        checks.firmware(10, {"panda-python": "1.1.1"}),
        checks.firmware(5, {}),
        checks.firmware(77, {"franky-control": "2.0.0"}),
    ],
    Code.CAMERA_RATE: [
        checks.camera_rate(np.array([]), 2.0),
        checks.camera_rate(np.arange(10) * 1.0, 2.0),
    ],
    Code.CAMERA_EXPOSURE: [
        checks.camera_exposure(None),
        checks.camera_exposure(GREY // 20),
        checks.camera_exposure(np.full_like(GREY, 255)),
        checks.camera_exposure(
            np.where(np.arange(84)[:, None, None] < 40, 255, GREY).astype(np.uint8)
        ),
    ],
    Code.CALIBRATION_AGE: [
        checks.calibration_age("c.yaml", "2025-01-01", TODAY),
        checks.calibration_age("c.yaml", "2027-01-01", TODAY),
        checks.calibration_age("c.yaml", "", TODAY),
    ],
}


@pytest.mark.parametrize("code", list(Code))
def test_what_is_good_passes(code: Code) -> None:
    assert (GOOD[code].code, GOOD[code].ok) == (code, True)
    assert checks.exit_code([GOOD[code]]) == 0


@pytest.mark.parametrize(
    "finding", [f for findings in BAD.values() for f in findings], ids=lambda f: f.code.name
)
def test_what_is_bad_fails_with_its_own_code_and_says_what_to_do(finding: Finding) -> None:
    assert finding.ok is False
    assert finding.found
    assert len(finding.advice) > 10
    assert checks.exit_code([GOOD[Code.DISK_RATE], finding, *GOOD.values()]) == finding.code


def test_every_check_is_tried_both_ways() -> None:
    assert set(GOOD) == set(BAD) == set(Code)
    for code, findings in BAD.items():
        assert {f.code for f in findings} == {code}


def test_of_several_failures_the_first_gives_the_code_and_what_was_not_looked_at_gives_none() -> (
    None
):
    skipped = [
        checks.clock_offset("", None),
        checks.calibration_age("", "", TODAY),
        checks.bridge_runs(Code.FIRMWARE),
    ]
    assert [f.ok for f in skipped] == [None, None, None]
    assert checks.exit_code(skipped) == 0
    assert (
        checks.exit_code([*skipped, BAD[Code.FIRMWARE][0], BAD[Code.CAMERA_RATE][0]])
        == Code.FIRMWARE
    )


def test_the_codes_in_the_guide_are_those_there_are() -> None:
    guide = (Path(__file__).parents[3] / "docs" / "hardware.md").read_text()
    for code in Code:
        assert f"| {int(code)} | {code.name.lower().replace('_', ' ')} |" in guide


# --- what is measured ---


@contextmanager
def ntp_server(ahead: float) -> Iterator[int]:
    """Answers one SNTP request with a clock that is ahead of ours [s]."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))

        def answer() -> None:
            _, sender = channel.recvfrom(512)
            now = time.time() + ahead + machine._NTP_EPOCH
            stamp = struct.pack("!II", int(now), int(now % 1 * 2**32))
            channel.sendto(32 * b"\0" + stamp + stamp, sender)

        thread = threading.Thread(target=answer)
        thread.start()
        yield channel.getsockname()[1]
        thread.join(10.0)


@pytest.mark.parametrize("ahead", [0.0, 3.0, -3.0])
def test_the_other_clock_s_offset_is_measured(ahead: float) -> None:
    with ntp_server(ahead) as port:
        measured = machine.ntp_offset("127.0.0.1", port, timeout=10.0)
    assert measured == pytest.approx(ahead, abs=1.0)


def test_a_clock_that_is_silent_gives_no_offset() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.bind(("127.0.0.1", 0))
        assert machine.ntp_offset("127.0.0.1", channel.getsockname()[1], timeout=0.1) is None


@pytest.mark.parametrize(
    ("answered", "told"),
    [
        (struct.pack("<IIIHH4x", 0, 1, 20, 1, 10), 10),  # an FR3's
        (struct.pack("<IIIBH", 0, 1, 15, 1, 5), 5),  # a Panda's
        (struct.pack("<IIIBH", 0, 1, 20, 1, 5), None),  # half of one
        (struct.pack("<III", 0, 1, 12), None),
    ],
)
def test_a_robot_tells_its_server_version(answered: bytes, told: int | None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        asked = []

        def answer() -> None:
            channel, _ = server.accept()
            with channel:
                asked.append(channel.recv(64))
                channel.sendall(answered)

        thread = threading.Thread(target=answer)
        thread.start()
        assert machine.reach_robot("127.0.0.1", server.getsockname()[1], timeout=10.0) == ("", told)
        thread.join(10.0)

    command, _, size, version, udp_port = struct.unpack("<IIIHH", asked[0])
    assert (command, size, version) == (0, 16, 0)
    assert udp_port != 0


def test_a_robot_that_is_off_cannot_be_reached() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert machine.reach_robot("127.0.0.1", port) == ("Connection refused", None)


def test_disk_memory_and_limits_are_measured(tmp_path: Path) -> None:
    assert machine.write_rate(tmp_path / "not" / "there" / "yet") > 0.0
    assert machine.free_megabytes(tmp_path) > 0.0
    assert machine.existing(tmp_path / "a" / "b") == tmp_path
    assert machine.shared_megabytes(tmp_path / "gone") is None
    assert machine.kernel()[1]
    priority, locked = machine.limits()
    assert priority >= 0
    assert locked >= 0.0


def test_the_dds_profile_in_force_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE", raising=False)
    assert machine.dds_profile() == ("", "")
    monkeypatch.setenv("FASTDDS_DEFAULT_PROFILES_FILE", str(tmp_path / "gone.xml"))
    assert machine.dds_profile() == (str(tmp_path / "gone.xml"), None)

    # what Jazzy reads goes first
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", str(SHIPPED_PROFILE))
    assert machine.dds_profile() == (str(SHIPPED_PROFILE), SHIPPED_PROFILE.read_text())


@pytest.mark.slow
def test_a_frame_is_drawn() -> None:
    worked, error = machine.draw_a_frame(timeout=120.0)
    assert worked in ("egl", "osmesa"), error
