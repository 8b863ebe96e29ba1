"""Measurements of this machine, its disk and its network for `wayfarer doctor`.

checks.py judges them.
"""

import os
import platform
import resource
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from wayfarer_cli.doctor.checks import MEGABYTE, SPEAKS

FRANKA_PORT = 1337  # TCP, where libfranka connects
# bytes of every message's header, and of a Panda's complete answer to Connect
_HEADER, _PANDA_ANSWER = 12, 15
NTP_PORT = 123
_NTP_EPOCH = 2_208_988_800  # s from 1900 to 1970
_WRITTEN = 64 * 1024 * 1024  # bytes
_DRAW = """
import mujoco
from wayfarer_sim.rendering import Renderer
world = '<mujoco><worldbody><camera name="c"/><geom size="1"/></worldbody></mujoco>'
model = mujoco.MjModel.from_xml_string(world)
data = mujoco.MjData(model)
mujoco.mj_forward(model, data)
Renderer(model).render(data, "c", 16, 16)
import os
print(os.environ["MUJOCO_GL"])
"""


def draw_a_frame(timeout: float = 60.0) -> tuple[str, str]:
    """Return (backend that drew, "") or ("", why none did).

    It runs in another process, because a broken driver may crash it.
    """
    try:
        done = subprocess.run(
            [sys.executable, "-c", _DRAW], capture_output=True, text=True, timeout=timeout
        )
    except subprocess.TimeoutExpired:
        return "", f"no frame within {timeout:g} s"

    lines = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    last = lines[-1] if lines else f"ended with exit code {done.returncode}"

    return (last, "") if done.returncode == 0 else ("", last)


def write_rate(folder: Path) -> float:
    """Return the synced write rate of the folder's disk [MB/s]."""
    block = os.urandom(1024 * 1024)
    with tempfile.TemporaryFile(dir=existing(folder)) as file:
        began = time.monotonic()
        for _ in range(_WRITTEN // len(block)):
            file.write(block)

        file.flush()
        os.fsync(file.fileno())

        return _WRITTEN / MEGABYTE / (time.monotonic() - began)


def free_megabytes(folder: Path) -> float:
    """Return the free MB of the folder's disk."""
    return shutil.disk_usage(existing(folder)).free / MEGABYTE


def existing(folder: Path) -> Path:
    """Return the folder, or its nearest parent that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())


def shared_megabytes(folder: Path = Path("/dev/shm")) -> float | None:
    """Return the free MB of shared memory, None if it cannot be written."""
    if not os.access(folder, os.W_OK):
        return None
    return shutil.disk_usage(folder).free / MEGABYTE


def dds_profile() -> tuple[str, str | None]:
    """Return the path of the active Fast DDS profile ("" for none) and its text, None if it
    cannot be read.
    """
    # Jazzy's variable, and that of later releases
    names = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
    path = next((os.environ[name] for name in names if os.environ.get(name)), "")
    try:
        return path, Path(path).read_text() if path else ""
    except OSError:
        return path, None


def kernel() -> tuple[bool, str]:
    """Return whether the kernel is a real-time one, and its name."""
    name = f"{platform.release()} {platform.version()}"
    flag = Path("/sys/kernel/realtime")
    return (flag.exists() and flag.read_text().strip() == "1") or "PREEMPT_RT" in name, name


def limits() -> tuple[int, float]:
    """Return this user's limits: real-time priority, locked memory [MB]."""
    priority, _ = resource.getrlimit(resource.RLIMIT_RTPRIO)
    locked, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    infinite = resource.RLIM_INFINITY

    return 99 if priority == infinite else priority, float(
        "inf"
    ) if locked == infinite else locked / MEGABYTE


def ntp_offset(peer: str, port: int = NTP_PORT, timeout: float = 2.0) -> float | None:
    """Return how many seconds the peer's clock is ahead of ours, by one SNTP exchange.

    None without an answer.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.settimeout(timeout)
        try:
            sent = time.time()
            channel.sendto(b"\x23" + 47 * b"\0", (peer, port))
            answer, _ = channel.recvfrom(512)
            received = time.time()
        except OSError:
            return None

    if len(answer) < 48:
        return None

    arrived, parted = (
        float(s - _NTP_EPOCH + part / 2**32) for s, part in struct.iter_unpack("!II", answer[32:48])
    )

    return ((arrived - sent) + (parted - received)) / 2


def reach_robot(
    robot_ip: str, port: int = FRANKA_PORT, timeout: float = 2.0
) -> tuple[str, int | None]:
    """Return ("", server version or None) or (why the robot cannot be reached, None).

    It connects like libfranka, but with a version that does not exist: the robot answers with its
    own and refuses. Do not call it while somebody is connected: a robot accepts one client.
    """
    connect, no_version, size = 0, 0, 16
    try:
        with (
            # UDP port to which a robot that accepts would send its states
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as states,
            socket.create_connection((robot_ip, port), timeout=timeout) as channel,
        ):
            states.bind(("", 0))
            channel.settimeout(timeout)
            channel.sendall(
                struct.pack("<IIIHH", connect, 1, size, no_version, states.getsockname()[1])
            )
            answer = b""

            while len(answer) < _HEADER or len(answer) < _size(answer):
                more = channel.recv(64)
                if not more:
                    break
                answer += more
    except TimeoutError:
        return "does not answer", None
    except OSError as error:
        return error.strerror or str(error), None

    return "", _server_version(answer)


def _size(answer: bytes) -> int:
    """Return an answer's length, from its header [bytes]."""
    return int.from_bytes(answer[8:_HEADER], "little")


def _server_version(answer: bytes) -> int | None:
    """Return the server version in an answer to Connect, after the status.

    It has one byte on a Panda, two on an FR3.
    """
    if len(answer) < _HEADER or len(answer) < _size(answer) or _size(answer) < _PANDA_ANSWER:
        return None
    start = _HEADER + (1 if _size(answer) == _PANDA_ANSWER else 2)
    return int.from_bytes(answer[start : start + 2], "little")


def installed_wheels() -> dict[str, str]:
    """Return name -> version of the robot libraries that are installed."""
    found = {}
    for name in SPEAKS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue

    return found
