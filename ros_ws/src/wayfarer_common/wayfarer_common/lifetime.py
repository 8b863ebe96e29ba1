"""How long a process of ours lives.

It heeds signals from its first line on, and ends with the one that started it.

Linux only, and without ROS: the entry points come by here before they import anything heavy.
"""

import ctypes
import os
import select
import signal
import socket
import stat
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from types import FrameType

from wayfarer_core.errors import ConfigError

from wayfarer_common.surroundings import use_own_rmw

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # what asks a process to end

_ORPHANED = signal.SIGRTMIN + 1  # the kernel's word that the parent has died; nobody else sends it
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_SHELLS = ("sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "fish", "csh", "tcsh", "busybox")
_INIT = ("init", "systemd")
_LONGEST_NAME = 100  # bytes; an abstract socket's name may have 107

Note = Callable[[int, FrameType | None], object]


def begin_node() -> None:
    """Do what comes before a node imports anything heavy, or ROS.

    Nothing is open yet that an end must put in order.
    """
    catch(lambda *_: os._exit(0))
    end_with_parent()
    use_own_rmw()


def begin_command() -> None:
    """Do the same for a command, which lives on without its parent.

    Its exit code is what a shell would make of it.
    """
    catch(lambda number, _: os._exit(128 + number))
    use_own_rmw()


def catch(note: Note) -> None:
    """Let `note` hear of every signal that asks for an end.

    Nohup's word that SIGHUP be ignored is kept.
    """
    for number in ENDING:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, note)


@contextmanager
def caught(note: Note) -> Iterator[None]:
    """Let `note` hear of them meanwhile; afterwards whoever heard them before does again."""
    before = {number: signal.getsignal(number) for number in ENDING}
    catch(note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_as_python_does() -> None:
    """Give signals back their usual meaning, once what is under way can be broken off in good
    order.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def ignore_signals() -> None:
    """Let no further signal disturb an end that is under way."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def end_with_parent() -> None:
    """Let this process get SIGTERM when the one that started it dies.

    A launcher, or any other program.

    A shell is no launcher. Its jobs may outlive it, as in a script that starts them in the
    background; where it has a terminal, SIGHUP ends them with that.
    """
    parent = os.getppid()
    if _name_of(parent) in _SHELLS:
        return

    def orphaned(*_: object) -> None:
        if os.getppid() != parent:  # else it was only the thread of it that had started us
            _end_as_orphan()

    signal.signal(_ORPHANED, orphaned)
    signal_on_death_of_parent(_ORPHANED)
    if os.getppid() != parent or _adopted(parent):
        _end_as_orphan()


def signal_on_death_of_parent(number: int) -> None:
    """Ask the kernel for a signal when the parent dies. What it died of before is not told."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def claim(domain: int, name: str, kind: str = "node") -> socket.socket:
    """Be the only one of this machine with a name in a ROS domain, until the socket is closed or
    the process ends.

    An abstract socket: no file, and gone with the process however it ends.

    Args:
        domain: the ROS domain.
        name: with its namespace, from "/" on.
        kind: names of different kinds do not meet.

    Raises:
        ConfigError: another process has the name; it is told which.
    """
    address = _address(f"{kind}/{domain}{name}")
    held = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        held.bind(address)
        held.listen(1)
    except OSError as error:
        held.close()
        raise ConfigError(
            f"{name} is there already in ROS domain {domain} on this machine{_holder(address)}: "
            "wait for it to end, or set ROS_DOMAIN_ID to another number from 0 to 101"
        ) from error

    return held


def _end_as_orphan() -> None:
    with suppress(OSError):  # whoever read it may be gone as well
        os.write(2, b"ending: the process that started this one has ended\n")
    os.kill(os.getpid(), signal.SIGTERM)


def _address(name: str) -> str:
    """Return an abstract socket's address; the domain's claims are seen in `ss -xl`."""
    text = f"wayfarer/{name}"
    return "\0" + (
        text if len(text.encode()) <= _LONGEST_NAME else sha256(text.encode()).hexdigest()
    )


def _holder(address: str) -> str:
    """Say which process listens at an abstract socket; empty where it tells no more."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.setblocking(False)
        try:
            asking.connect(address)
            credentials = asking.getsockopt(
                socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")
            )
        except OSError:
            return ""

    pid, _, _ = struct.unpack("3i", credentials)

    return f" (process {pid})"


def _adopted(parent: int) -> bool:
    """Say whether a launcher had died before we could look.

    Init is our parent, and our input's other end is gone.
    """
    if parent != 1 and _name_of(parent) not in _INIT:
        return False

    try:
        if not stat.S_ISFIFO(os.fstat(0).st_mode):
            return False
    except OSError:  # no standard input at all
        return False

    poll = select.poll()
    poll.register(0, 0)

    return bool(poll.poll(0))


def _name_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/comm").read_text().strip()
    except OSError:  # gone, or of another container
        return ""
