"""The command `panda-sim`."""

import argparse
import ipaddress
import logging
import math
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from panda_sim.arm.gripper import WIDEST
from panda_sim.arm.limits import Q_MAX, Q_MIN
from panda_sim.errors import PandaSimError
from panda_sim.protocol.codes import FCI_PORT, FCI_VERSION, GRIPPER_PORT
from panda_sim.servers.console import ask
from panda_sim.simulation import HOME, Options, Simulation
from panda_sim.world.scene import TABLE

_DESCRIPTION = f"""\
A simulated Franka Panda (FER): the control box at the wire, in a MuJoCo world.
Clients of libfranka 0.9 (FCI server version {FCI_VERSION}) connect to it as to a robot,
on ports {FCI_PORT} and {GRIPPER_PORT}."""

_FAULTS = """\
With --console HOST:PORT, `panda-sim --tell HOST:PORT WORDS`, or a line over TCP, injects
faults. WORDS are one of:
  state                  print the state of the arm
  user_stop on|off       press or release the user stop
  guide on|off           press or release the guiding buttons
  push X Y Z SECONDS     push the hand, in newtons along the base's axes
  fault NAME             abort the running motion by one of the 41 faults
  deaf CYCLES            ignore commands for this many milliseconds
  mute CYCLES            send no state for this many milliseconds
  freeze SECONDS         stop the whole simulation for this time
  hang_up                close the client's connection
  reset_connection       reset the client's connection
  place [Q1 .. Q7]       place the arm, at rest; at home without angles"""


def main() -> None:
    """Run the command."""
    given = _parse(sys.argv[1:])
    try:
        if given.tell:
            print(ask(_address(given.tell[0]), " ".join(given.tell[1:])))
            return

        logging.basicConfig(level=logging.INFO, format="%(name)s: %(message)s", stream=sys.stdout)
        _serve(given)
    except (PandaSimError, OSError) as error:
        sys.exit(f"panda-sim: {error}")


def _parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="panda-sim",
        description=_DESCRIPTION,
        epilog=_FAULTS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="IPv4 address to serve on (default: %(default)s)"
    )
    parser.add_argument(
        "--lockstep", action="store_true", help="let time stand still until the client has answered"
    )
    parser.add_argument(
        "--home", type=float, nargs=7, default=HOME, metavar="Q", help="where the arm starts [rad]"
    )
    parser.add_argument(
        "--fingers", type=float, default=0.0, metavar="M", help="how far the hand is open [m]"
    )
    parser.add_argument(
        "--scene",
        type=Path,
        default=TABLE,
        help="MJCF around the robot (default: a table with a cube)",
    )
    parser.add_argument(
        "--draw", type=Path, metavar="FOLDER", help="write the world there, for others to draw"
    )
    parser.add_argument(
        "--console", metavar="HOST:PORT", help="where to listen for faults; loopback only"
    )
    parser.add_argument(
        "--tell",
        nargs="+",
        metavar=("HOST:PORT", "WORD"),
        help="say something to a console, and end",
    )

    return parser.parse_args(words)


def _serve(given: argparse.Namespace) -> None:
    ended: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda caught, _frame: ended.append(caught))

    simulation = Simulation(_options(given))
    print(f"panda-sim: {given.host}, ports {FCI_PORT} and {GRIPPER_PORT}", flush=True)
    try:
        simulation.run(lambda: bool(ended))
    finally:
        simulation.close()


def _options(given: argparse.Namespace) -> Options:
    """Return the checked options. Raises PandaSimError."""
    try:
        ipaddress.IPv4Address(given.host)
    except ValueError as error:
        raise PandaSimError(f"--host {given.host}: {error}") from error

    for name, q, low, high in zip(range(1, 8), given.home, Q_MIN, Q_MAX, strict=True):
        if not low <= q <= high:
            raise PandaSimError(f"--home: joint {name} at {q} rad is outside {low}..{high}")

    if not (math.isfinite(given.fingers) and 0.0 <= given.fingers <= WIDEST):
        raise PandaSimError(f"--fingers {given.fingers} m is outside 0..{WIDEST}")
    if not given.scene.is_file():
        raise PandaSimError(f"--scene {given.scene}: no such file")

    console = _address(given.console) if given.console else None

    return Options(
        given.host, given.lockstep, given.home, given.fingers, given.scene, given.draw, console
    )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise PandaSimError(f"{text}: an address looks like 127.0.0.1:1339")
    return host, int(port)


if __name__ == "__main__":
    main()
