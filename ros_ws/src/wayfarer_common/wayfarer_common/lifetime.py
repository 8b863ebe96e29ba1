"""Start and end of our processes.

A process handles signals from its first line on, and ends with the process that started it.

Linux only, without ROS: the entry points call this before they import anything heavy.
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

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)  # signals that ask a process to end

_ORPHANED = signal.SIGRTMIN + 1  # the kernel sends it when the parent dies; nobody else does
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_SHELLS = ("sh", "bash", "dash", "ash", "ksh", "mksh", "zsh", "fish", "csh", "tcsh", "busybox")
_INIT = ("init", "systemd")
_LONGEST_NAME = 100  # bytes; an abstract socket's name may have at most 107

Note = Callable[[int, FrameType | None], object]


def begin_node() -> None:
    """Prepare a node's process, before it imports anything heavy, or ROS.

    Nothing is open yet, so a signal may end it at once.
    """
    catch(lambda *_: os._exit(0))
    end_with_parent()
    use_own_rmw()


def begin_command() -> None:
    """Prepare a command's process, which does not end with its parent.

    After a signal its exit code is the usual one of a shell.
    """
    catch(lambda number, _: os._exit(128 + number))
    use_own_rmw()


def catch(note: Note) -> None:
    """Call `note` for every signal that asks for an end.

    An ignored SIGHUP (nohup) stays ignored.
    """
    for number in ENDING:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, note)


@contextmanager
def caught(note: Note) -> Iterator[None]:
    """Call `note` for these signals inside the context; restore the old handlers afterwards."""
    before = {number: signal.getsignal(number) for number in ENDING}
    catch(note)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_as_python_does() -> None:
    """Restore the default handlers, when an interruption of the present work is safe."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)


def ignore_signals() -> None:
    """Ignore further signals during the end."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def end_with_parent() -> None:
    """Make this process get SIGTERM when its parent dies.

    The parent is a launcher or another program.

    A shell does not count: its jobs may outlive it, for example if a script starts them in the
    background. With a terminal, SIGHUP ends them when it closes.
    """
    parent = os.getppid()
    if _name_of(parent) in _SHELLS:
        return

    def orphaned(*_: object) -> None:
        if os.getppid() != parent:  # else only the parent's thread ended
            _end_as_orphan()

    signal.signal(_ORPHANED, orphaned)
    signal_on_death_of_parent(_ORPHANED)
    if os.getppid() != parent or _adopted(parent):
        _end_as_orphan()


def signal_on_death_of_parent(number: int) -> None:
    """Ask the kernel for a signal when the parent dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, number)


def claim(domain: int, name: str, kind: str = "node") -> socket.socket:
    """Claim a name in a ROS domain on this machine, until the socket is closed or the process
    ends.

    It uses an abstract socket, which has no file and disappears with the process.

    Args:
        domain: the ROS domain.
        name: with its namespace, beginning with "/".
        kind: equal names of different kinds do not conflict.

    Raises:
        ConfigError: another process has the name; the message says which.
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
    with suppress(OSError):  # the reader may be gone
        os.write(2, b"ending: the process that started this one has ended\n")
    os.kill(os.getpid(), signal.SIGTERM)


def _address(name: str) -> str:
    """Return an abstract socket's address; `ss -xl` shows a domain's claims."""
    text = f"wayfarer/{name}"
    return "\0" + (
        text if len(text.encode()) <= _LONGEST_NAME else sha256(text.encode()).hexdigest()
    )


def _holder(address: str) -> str:
    """Return the process that listens at an abstract socket, in words; empty if unknown."""
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
    """Say whether the launcher had died before we asked.

    Then init is our parent, and the other end of our input is closed.
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
    except OSError:  # it is gone, or in another container
        return ""
