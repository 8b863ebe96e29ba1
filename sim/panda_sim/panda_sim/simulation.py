"""A Panda in its world, with its servers: one loop, a millisecond per cycle."""

import select
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panda_sim.arm.box import ControlBox
from panda_sim.arm.gripper import Gripper
from panda_sim.arm.limits import Q_MAX, Q_MIN
from panda_sim.arm.model_library import Model, build
from panda_sim.pacing import Pace, take_precedence
from panda_sim.protocol.codes import Fault
from panda_sim.servers.console import Console
from panda_sim.servers.fci_server import FciServer
from panda_sim.servers.gripper_server import GripperServer
from panda_sim.world.picture import STATE, WORLD, StateWriter
from panda_sim.world.scene import F_T_NE, HAND_PAYLOAD, TABLE, compose
from panda_sim.world.world import World

PATIENCE = 1.0  # s for which lock-step waits for an answer
_FIRST_PATIENCE = 0.02  # s before a motion's first command: clients let a state or two pass
_DRAWN_EVERY = 20  # cycles between two states for viewers
HOME = (
    0.0,
    0.27652513678279866,
    0.0,
    -2.4624608341966336,
    0.0,
    2.7389859697547383,
    0.7858533022745215,
)
"""Gripper straight down, fingertips at (0.48, 0, 0.083) m. [rad]"""


@dataclass(frozen=True)
class Options:
    """Options of a simulation.

    Args:
        host: IPv4 address to serve on.
        lockstep: wait for the client's answer, at most PATIENCE.
        home: initial posture of the arm, (7,) [rad].
        finger_width: initial width of the hand [m].
        scene: an MJCF file with the robot's surroundings.
        draw: a folder from which others can draw the world, see picture.py; None: none.
        console: address of the console for faults; None: none.

    """

    host: str = "127.0.0.1"
    lockstep: bool = False
    home: Sequence[float] = HOME
    finger_width: float = 0.0
    scene: Path = TABLE
    draw: Path | None = None
    console: tuple[str, int] | None = None


class Simulation:
    """One simulated Panda.

    Raises:
        PandaSimError: a port is in use, a file cannot be read, or a compiler is missing.

    """

    def __init__(self, options: Options) -> None:
        self._lockstep = options.lockstep
        self.world = World(compose(options.scene, options.home).compile(), options.home)
        self.world.set_finger_width(options.finger_width)
        self.box = ControlBox(self.world, Model(build(self.world.links)), HAND_PAYLOAD, F_T_NE)
        self._fci = FciServer(options.host, self.box)
        self._gripper = GripperServer(options.host, Gripper(options.finger_width))
        self._console = Console(options.console, self._actions()) if options.console else None
        self._frozen_until = 0.0  # s, of the monotonic clock
        self._picture: StateWriter | None = None

        if options.draw is not None:
            options.draw.mkdir(parents=True, exist_ok=True)
            self.world.save(options.draw / WORLD)
            self._picture = StateWriter(options.draw / STATE, self.world.model.nq)

    def run(self, ended: Callable[[], bool]) -> None:
        """Run until `ended` returns true."""
        take_precedence()
        pace = Pace()
        while not ended():
            pace.wait()
            if time.monotonic() < self._frozen_until:
                self._serve_console()
                continue

            self.serve()
            if self._lockstep:
                self._await_command()

            self.cycle()

    def serve(self) -> None:
        """Handle what has come on the sockets."""
        self._fci.serve()
        self._gripper.serve()
        self._serve_console()

    def cycle(self) -> None:
        """Advance by a millisecond."""
        world = self.world
        self.box.finger_force = self._gripper.cycle(world.finger_width, world.finger_speed)
        self._fci.cycle()
        if self._picture is not None and self.box.message_id % _DRAWN_EVERY == 0:
            self._picture.write(world.data.qpos)

    def close(self) -> None:
        """Close every socket."""
        self._fci.close()
        self._gripper.close()
        if self._console is not None:
            self._console.close()

    def _await_command(self) -> None:
        patience = PATIENCE if self.box.motions.link.begun else _FIRST_PATIENCE
        end = time.monotonic() + patience
        while self._fci.awaits_command and (left := end - time.monotonic()) > 0.0:
            select.select(self._fci.sockets, [], [], left)
            self._fci.serve()

    def _serve_console(self) -> None:
        if self._console is not None:
            self._console.serve()

    # --- actions of the console ---

    def _actions(self) -> dict[str, Callable[..., Any]]:
        motions = self.box.motions

        return {
            "state": self._tell,
            "user_stop": lambda word: motions.press_user_stop(_is_on(word)),
            "guide": lambda word: motions.press_guiding(_is_on(word)),
            "push": lambda x, y, z, s: self.world.push(
                [_number(v, 500.0) for v in (x, y, z)], _number(s, 60.0, 0.0)
            ),
            "fault": lambda name: motions.fail([_fault(name)]),
            "deaf": lambda cycles: setattr(self._fci, "deaf", int(_number(cycles, 1e6, 0.0))),
            "mute": lambda cycles: setattr(self._fci, "mute", int(_number(cycles, 1e6, 0.0))),
            "freeze": self._freeze,
            "hang_up": lambda: self._fci.drop(),
            "reset_connection": lambda: self._fci.drop(abruptly=True),
            "place": self._place,
        }

    def _tell(self) -> dict[str, Any]:
        box = self.box

        return {
            "time_ms": box.message_id,
            "mode": box.motions.mode.name,
            "errors": [Fault(i).name.lower() for i, up in enumerate(box.motions.errors) if up],
            "q": box.arm.q.tolist(),
            "position": box.T[:3, 3].tolist(),
            "finger_width": self.world.finger_width,
            "commanded": box.motions.move is not None and box.motions.link.begun,
            "answers_lost": box.motions.link.lost,  # of the motion that runs, or ran last
        }

    def _freeze(self, seconds: str) -> None:
        self._frozen_until = time.monotonic() + _number(seconds, 60.0, 0.0)

    def _place(self, *angles: str) -> None:
        """Place the arm, at rest, as if it had been guided there.

        Angles (7,) [rad], or nothing for home.
        """
        if angles and len(angles) != len(Q_MIN):
            raise ValueError("place takes 7 angles [rad], or none")

        q = [
            _number(a, high, low) for a, low, high in zip(angles, Q_MIN, Q_MAX, strict=bool(angles))
        ]
        self.box.motions.press_guiding(True)
        self.box.motions.press_guiding(False)
        self.world.place(q or None)
        self.box.reference.restart(self.world.q, self.world.dq)


def _is_on(word: str) -> bool:
    if word not in ("on", "off"):
        raise ValueError("say on or off")
    return word == "on"


def _fault(name: str) -> Fault:
    try:
        return Fault[name.upper()]
    except KeyError:
        raise ValueError(
            f"{name}: no fault; one of {', '.join(f.name.lower() for f in Fault)}"
        ) from None


def _number(word: str, highest: float, lowest: float | None = None) -> float:
    """Return a number within a range.

    By default the lowest is the negative of the highest.
    """
    low = -highest if lowest is None else lowest
    value = float(word)
    if not low <= value <= highest:
        raise ValueError(f"{word} is outside {low:g}..{highest:g}")
    return value
