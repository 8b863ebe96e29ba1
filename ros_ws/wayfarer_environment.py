"""Lets the environment that `make` builds work in a shell that has sourced another ROS.

Its own packages come first.

0_wayfarer.pth imports it whenever the environment's Python starts, before any other package is
looked for. What the shell brought along stays, but behind the environment's own: shared libraries,
Python packages, ROS packages.
"""

# what `signal` is made of, without the time to import that
import _signal  # type: ignore[import-not-found]
import os
import sys

_INTERRUPT = (_signal.SIGINT,)
_PACKAGES = (
    f"{sys.prefix}/lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
)
# says to ros_wheels_bootstrapper that the libraries are found
_FOUND_BY_THE_WHEELS = "_ROS_WHEELS_BOOTSTRAP_COMPLETE"


def end_quietly() -> None:
    """Let an early Ctrl-C end our programs without a traceback, until they have handlers of their
    own.
    """
    program = os.path.abspath(sys.orig_argv[1]) if len(sys.orig_argv) > 1 else ""
    if program.startswith((f"{sys.prefix}/lib/wayfarer_", f"{sys.prefix}/bin/wayfarer")):
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    _signal.pthread_sigmask(_signal.SIG_UNBLOCK, _INTERRUPT)


def put_libraries_first() -> None:
    """Start this process anew, if need be, with our libraries first.

    The loader reads the variable only once.
    """
    bundled = sorted(
        name for name in os.listdir(_PACKAGES) if name.startswith("ros_") and name.endswith(".libs")
    )
    own = [f"{sys.prefix}/lib", *(f"{_PACKAGES}/{name}" for name in bundled)]
    if _paths("LD_LIBRARY_PATH")[: len(own)] != own:
        os.environ |= {
            "LD_LIBRARY_PATH": _own_first(own, "LD_LIBRARY_PATH"),
            _FOUND_BY_THE_WHEELS: "1",
        }

        # it waits until `end_quietly` is through once more
        _signal.pthread_sigmask(_signal.SIG_BLOCK, _INTERRUPT)
        os.execve(sys.executable, sys.orig_argv, os.environ)


def put_packages_first() -> None:
    """Move what PYTHONPATH and AMENT_PREFIX_PATH brought behind our own packages."""
    brought = {
        os.path.abspath(path)
        for path in _paths("PYTHONPATH")
        if not path.startswith(f"{sys.prefix}/")
    }
    sys.path.sort(key=lambda path: path in brought)  # a sort that keeps the order otherwise
    os.environ["AMENT_PREFIX_PATH"] = _own_first([sys.prefix], "AMENT_PREFIX_PATH")


def _own_first(own: list[str], name: str) -> str:
    """Return the list of paths in an environment variable with our own before all others."""
    return os.pathsep.join([*own, *(path for path in _paths(name) if path not in own)])


def _paths(name: str) -> list[str]:
    return [path for path in os.environ.get(name, "").split(os.pathsep) if path]


end_quietly()
put_libraries_first()
put_packages_first()
