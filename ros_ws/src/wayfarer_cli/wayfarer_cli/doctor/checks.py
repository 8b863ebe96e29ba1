"""The checks of `wayfarer doctor`.

They turn measurements into findings, each with its own exit code. Pure.
"""

import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import date
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

MEGABYTE = 1e6  # bytes
DISK_RATE = 30.0  # MB/s: raw 640x480 pictures at 30 Hz, if they are recorded as well
FREE_SPACE = 5_000.0  # MB: 300,000 steps take about 7,000, a day at 2 Hz 4,000
SHARED_MEMORY = 64.0  # MB: a dozen participants with a segment each
SEGMENT = 16 * 1024 * 1024  # bytes of a Fast DDS segment that passes 640x480 images without loss
CLOCK_OFFSET = 0.010  # s; stamps are compared with limits of 0.1 s and more
RT_PRIORITY = 99  # that libfranka needs
LOCKED_MEMORY = 100.0  # MB, from libfranka's guide
DARK, BRIGHT = 25.0, 230.0  # mean of an image's pixels
BURNT = 0.25  # share of white pixels
BLACK, WHITE = 8, 250  # of 255
CALIBRATION_AGE = 90  # days

# wheel with the libfranka for each robot server version (docs/hardware.md)
SPEAKS = {"franky-control": 10, "pylibfranka": 10, "panda-python": 5}
FOR_SERVER = {
    10: "pip install franky-control==2.0.0 (FR3, robot system 5.9 and newer)",
    5: "pip install panda-python==1.1.1 (Panda, robot system 4.2.1 and newer)",
}


class Code(IntEnum):
    """Exit codes of failed checks. Never renumber: scripts depend on them."""

    RENDER_BACKEND = 10
    DISK_RATE = 11
    FREE_SPACE = 12
    DDS_PROFILE = 13
    SHARED_MEMORY = 14
    CLOCK_OFFSET = 15
    REALTIME_KERNEL = 16
    REALTIME_LIMITS = 17
    ROBOT_REACHABLE = 18
    FIRMWARE = 19
    CAMERA_RATE = 20
    CAMERA_EXPOSURE = 21
    CALIBRATION_AGE = 22


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    `ok` is None if the check was not asked for.
    """

    code: Code
    ok: bool | None
    found: str
    advice: str = ""  # what to do; for findings that are not ok


def render_backend(worked: str, error: str) -> Finding:
    """Judge the GL backend that drew a frame, or the error."""
    advice = "install libegl1 and libgl1-mesa-dri, or libosmesa6 and set MUJOCO_GL=osmesa"
    return Finding(Code.RENDER_BACKEND, bool(worked), worked or error, advice)


def disk_rate(megabytes_per_second: float) -> Finding:
    """Judge the synced write rate of a run's folder."""
    found = f"{megabytes_per_second:.0f} MB/s"
    advice = f"{DISK_RATE:.0f} MB/s are needed: put --out on a local SSD, no network or SD card"
    return Finding(Code.DISK_RATE, megabytes_per_second >= DISK_RATE, found, advice)


def free_space(megabytes: float) -> Finding:
    """Judge the free space of the runs' disk."""
    advice = (
        f"{FREE_SPACE / 1e3:.0f} GB are needed: delete old runs, or choose another disk with --out"
    )

    return Finding(
        Code.FREE_SPACE, megabytes >= FREE_SPACE, f"{megabytes / 1e3:.1f} GB free", advice
    )


def dds_profile(path: str, text: str | None, needed: bool) -> Finding:
    """Judge the Fast DDS profile file at `path` ("" for none, text None if it cannot be read).

    `needed`: images of a camera driver pass through DDS, which loses most of them without it.
    """
    name = "FASTRTPS_DEFAULT_PROFILES_FILE"
    advice = (
        f"let {name} name launch/config/fastdds.xml (after Jazzy: FASTDDS_DEFAULT_PROFILES_FILE)"
    )
    if not path:
        found = (
            "none: camera pictures of another driver would be lost"
            if needed
            else "none, and none needed"
        )

        return Finding(Code.DDS_PROFILE, not needed, found, advice)

    if text is None:
        return Finding(Code.DDS_PROFILE, False, f"{path} cannot be read", advice)

    try:
        sizes = [
            int(e.text or 0)
            for e in ET.fromstring(text).iter()
            if e.tag.rsplit("}", 1)[-1] == "segment_size"
        ]
    except (ET.ParseError, ValueError) as error:
        return Finding(Code.DDS_PROFILE, False, f"{path}: {error}", advice)

    if max(sizes, default=0) < SEGMENT:
        found = (
            f"{path}: shared-memory segment of {max(sizes, default=0)} bytes, {SEGMENT} are needed"
        )
        return Finding(Code.DDS_PROFILE, False, found, advice)

    return Finding(Code.DDS_PROFILE, True, f"{path}: segment of {max(sizes)} bytes")


def shared_memory(megabytes: float | None) -> Finding:
    """Judge the free space in /dev/shm; None if it cannot be written."""
    if megabytes is None:
        return Finding(
            Code.SHARED_MEMORY, False, "/dev/shm cannot be written", "mount a tmpfs at /dev/shm"
        )

    advice = (
        f"{SHARED_MEMORY:.0f} MB are needed: remove what dead nodes left (fastdds shm clean), or "
        "mount it larger"
    )

    return Finding(
        Code.SHARED_MEMORY, megabytes >= SHARED_MEMORY, f"{megabytes:.0f} MB free", advice
    )


def clock_offset(peer: str, seconds: float | None) -> Finding:
    """Judge how far the other machine's clock is ahead; None without an answer."""
    if not peer:
        return Finding(Code.CLOCK_OFFSET, None, "one machine only", "name the other with --peer")

    if seconds is None:
        advice = "run chrony on both machines, and `allow` this one in the other's chrony.conf"
        return Finding(Code.CLOCK_OFFSET, False, f"{peer} answers no NTP request", advice)

    found = f"{peer} is {abs(seconds) * 1e3:.1f} ms {'ahead' if seconds > 0 else 'behind'}"
    advice = f"let chrony on one machine follow the other: {CLOCK_OFFSET * 1e3:.0f} ms at most"

    return Finding(Code.CLOCK_OFFSET, abs(seconds) <= CLOCK_OFFSET, found, advice)


def bridge_runs(code: Code) -> Finding:
    """Skip a check while our bridge is connected: the robot accepts one client."""
    return Finding(code, None, "franka_bridge runs: see what it says on /diagnostics")


def realtime_kernel(realtime: bool, kernel: str) -> Finding:
    """Judge the running kernel."""
    advice = "boot a PREEMPT_RT kernel: docs/hardware.md, real-time kernel"
    return Finding(Code.REALTIME_KERNEL, realtime, kernel, advice)


def realtime_limits(priority: int, locked_megabytes: float) -> Finding:
    """Judge this user's limits of scheduling and locked memory."""
    good = priority >= RT_PRIORITY and locked_megabytes >= LOCKED_MEMORY
    found = (
        f"rtprio {priority}, memlock "
        f"{'unlimited' if np.isinf(locked_megabytes) else f'{locked_megabytes:.0f} MB'}"
    )
    advice = (
        "in /etc/security/limits.conf give the group realtime rtprio 99 and memlock 102400, join "
        "it, log in anew"
    )

    return Finding(Code.REALTIME_LIMITS, good, found, advice)


def robot_reachable(robot_ip: str, error: str) -> Finding:
    """Judge whether the robot's control box answers."""
    advice = "check cable and address, switch FCI on in Desk: docs/hardware.md, network"
    return Finding(Code.ROBOT_REACHABLE, not error, f"{robot_ip} {error or 'answers'}", advice)


def firmware(server: int | None, wheels: dict[str, str]) -> Finding:
    """Judge whether an installed wheel (name -> version) supports the robot's server version.

    None: the robot did not report it.
    """
    have = (
        ", ".join(f"{name} {version}" for name, version in sorted(wheels.items()))
        or "no robot library"
    )
    if server is None:
        return Finding(
            Code.FIRMWARE,
            False,
            f"the robot tells no server version; {have}",
            "see robot_reachable",
        )

    good = any(SPEAKS.get(name) == server for name in wheels)
    advice = FOR_SERVER.get(server, "no wheel is known for it: docs/hardware.md, firmware")

    return Finding(Code.FIRMWARE, good, f"robot server {server}; {have}", advice)


def camera_rate(stamps: NDArray[np.float64], wanted: float) -> Finding:
    """Judge the rate of images by their stamps (n,) [s]; `wanted` in Hz."""
    if len(stamps) < 2:
        advice = "start the camera first: wayfarer launch robot_pc.launch.xml"
        return Finding(Code.CAMERA_RATE, False, f"{len(stamps)} images heard", advice)

    rate = 1.0 / float(np.median(np.diff(np.sort(stamps))))
    advice = (
        f"{wanted:g} Hz are wanted: USB 3 port? shutter time? control_period of the camera node?"
    )

    return Finding(Code.CAMERA_RATE, rate >= 0.9 * wanted, f"{rate:.2f} Hz", advice)


def camera_exposure(image: NDArray[np.uint8] | None) -> Finding:
    """Judge an image (height, width, 3); None if none came."""
    if image is None:
        return Finding(Code.CAMERA_EXPOSURE, False, "no image", "start the camera first, as above")

    mean, burnt = float(image.mean()), float((image >= WHITE).mean())
    good = DARK <= mean <= BRIGHT and burnt <= BURNT
    advice = (
        "fix exposure and white balance by hand for the light that will be there; take the lens "
        "cap off"
    )

    return Finding(Code.CAMERA_EXPOSURE, good, f"mean {mean:.0f} of 255, {burnt:.0%} white", advice)


def calibration_age(path: str, made: str, today: date) -> Finding:
    """Judge the day (ISO 8601) on which a camera calibration was made.

    "" for a file that is not one, path "" for none given.
    """
    if not path:
        return Finding(Code.CALIBRATION_AGE, None, "none given", "name it with --calibration")

    try:
        days = (today - date.fromisoformat(made[:10])).days
    except ValueError:
        return Finding(
            Code.CALIBRATION_AGE,
            False,
            f"{path} is no calibration",
            "run wayfarer calibrate camera",
        )

    advice = f"older than {CALIBRATION_AGE} days, or from the future: run wayfarer calibrate camera"

    return Finding(Code.CALIBRATION_AGE, 0 <= days <= CALIBRATION_AGE, f"{days} days old", advice)


def exit_code(findings: list[Finding]) -> int:
    """Return the code of the first failed check, 0 if none failed."""
    return next((int(finding.code) for finding in findings if finding.ok is False), 0)
