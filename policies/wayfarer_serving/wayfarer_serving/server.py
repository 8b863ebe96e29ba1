"""The server's side: `serve(policy, address)` lets any policy answer the actor's observations.

    class Mine:
        name, version = "mine", 0

        def begin(self, episode: Episode) -> None: ...

        def act(self, observation: Observation) -> ArrayLike:
            return [[0.1, 0.0, 0.0]]  # (n, 3) in [-1, 1]


    serve(Mine(), "127.0.0.1:5555")

It needs only numpy.
"""

import os
import select
import socket
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wayfarer_serving import wire

ACTION, GRIPPER_ACTION = 3, 4  # numbers of an action, without and with a gripper
LISTENING = "listening on "  # a server prints this and its address when it is ready

_PATIENCE = 10.0  # s to receive or send a frame once it has begun


@dataclass(frozen=True)
class Episode:
    """What a policy gets when an episode begins."""

    steps: int  # of the episode, at most
    seed: int  # in [0, 2^53): draw all random numbers of the episode from it
    goal: NDArray[np.uint8] | None  # (H, W, 3) RGB, the goal image, or None
    goal_ee_position: tuple[float, ...] | None  # [m], base frame; None if unknown
    action: int = ACTION  # numbers of an action; the fourth opens (-1) and closes (1) the gripper


@dataclass(frozen=True)
class Observation:
    """The inputs of a policy at one step."""

    step: int  # of the episode, from 0
    image: NDArray[np.uint8]  # (H, W, 3) RGB
    ee_position: tuple[float, ...]  # (3,) [m], base frame
    # (4,) quaternion xyzw; None: unknown, here and below
    ee_orientation: tuple[float, ...] | None
    joint_positions: tuple[float, ...] | None  # (7,) [rad]
    joint_velocities: tuple[float, ...] | None  # (7,) [rad/s]
    gripper_width: tuple[float, ...] | None = None  # (1,) [m] between the fingers


class ServedPolicy(Protocol):
    """What a server needs of a policy."""

    @property
    def name(self) -> str:
        """Its name in logs and in run.yaml."""

    @property
    def version(self) -> int:
        """Version of its weights; 0 without weights."""

    def begin(self, episode: Episode) -> None:
        """Forget the last episode.

        ValueError, in words for the user, if it cannot act in such an episode.
        """

    def act(self, observation: Observation) -> ArrayLike:
        """Return the next actions (n, A), n >= 1, in [-1, 1]; A is the episode's `action`.

        They are executed one per control period.
        """


def serve(
    policy: ServedPolicy,
    address: str,
    say: Callable[[str], None] = lambda line: print(line, flush=True),
    end_with_input: bool = False,
) -> None:
    """Serve one actor at a time, the latest to connect, until a signal ends the process.

    Args:
        policy: the policy to serve.
        address: HOST:PORT on this machine; port 0 takes a free port.
        say: gets the line "listening on HOST:PORT", and a line for each fault.
        end_with_input: return when standard input is closed, because the parent process ended.

    Raises:
        ValueError: the address is invalid, or not of this machine.
        OSError: the port is in use.

    """
    host, port = wire.endpoint(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        say(f"{LISTENING}{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}")
        waiting: list[Any] = [listener, *([sys.stdin] if end_with_input else [])]
        talk: _Talk | None = None

        while True:
            heard, _, _ = select.select([*waiting, *([talk.connection] if talk else [])], [], [])
            if sys.stdin in heard and not os.read(sys.stdin.fileno(), 1):
                return

            if listener in heard:
                if talk is not None:
                    talk.connection.close()
                talk = _Talk(policy, listener.accept()[0], say)
            elif talk is not None and talk.connection in heard and not talk.answer():
                talk = None


class _Talk:
    """One connection: an episode."""

    def __init__(
        self, policy: ServedPolicy, connection: socket.socket, say: Callable[[str], None]
    ) -> None:
        self.connection, self._policy, self._say = connection, policy, say
        self._shape: tuple[int, ...] = ()  # of the images, once the actor has sent it
        self._action = ACTION
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def answer(self) -> bool:
        """Answer one frame; False if the connection is over."""
        deadline = time.monotonic() + _PATIENCE
        try:
            # the actor has closed it: the episode is over
            if not self.connection.recv(1, socket.MSG_PEEK):
                self.connection.close()
                return False

            frame = wire.receive(self.connection, deadline)
            reply = self._act(frame) if self._shape else self._begin(frame)
            wire.send(self.connection, wire.Frame(reply), time.monotonic() + _PATIENCE)
        except (wire.WireError, ValueError, OSError) as error:
            self._say(f"a conversation ended: {error}")
            with suppress(wire.WireError):
                wire.send(
                    self.connection, wire.Frame({"error": str(error)}), time.monotonic() + 1.0
                )

            self.connection.close()

            return False

        return True

    def _begin(self, frame: wire.Frame) -> dict[str, Any]:
        header = frame.header
        spoken = (header.get("protocol"), header.get("version"))
        if spoken != (wire.PROTOCOL, wire.VERSION):
            raise ValueError(
                f"this server speaks {wire.PROTOCOL} version {wire.VERSION}, not "
                f"{wire.shortened(spoken)}"
            )

        shape = wire.numbers(header.get("image"))
        sizes, action = (ACTION, GRIPPER_ACTION), header.get("action")
        if shape is None or len(shape) != 3 or min(shape) < 1 or action not in sizes:
            raise ValueError(
                f"image must be height, width, 3, and action {ACTION} or {GRIPPER_ACTION}: "
                f"{wire.shortened(header)}"
            )

        self._shape, self._action = tuple(map(int, shape)), int(action)
        self._policy.begin(self._episode(header, frame.body))
        told = {
            "protocol": wire.PROTOCOL,
            "version": wire.VERSION,
            "image": [*self._shape],
            "action": self._action,
        }

        return {**told, "policy": self._policy.name, "policy_version": self._policy.version}

    def _episode(self, header: Mapping[str, Any], goal: bytes) -> Episode:
        at = wire.optional_vector(header, "goal_ee_position", 3)
        return Episode(
            _whole(header, "steps"),
            _whole(header, "seed"),
            self._image(goal) if goal else None,
            at,
            self._action,
        )

    def _act(self, frame: wire.Frame) -> dict[str, Any]:
        step = _whole(frame.header, "step")
        seen = Observation(
            step,
            self._image(frame.body),
            wire.vector(frame.header, "ee_position"),
            **{name: wire.optional_vector(frame.header, name, n) for name, n in wire.FELT.items()},
        )
        actions = np.asarray(self._policy.act(seen), np.float64)
        if (
            actions.ndim != 2
            or actions.shape[1] != self._action
            or not len(actions)
            or not np.isfinite(actions).all()
        ):
            raise ValueError(
                f"{self._policy.name} made no actions (n, {self._action}): "
                f"{wire.shortened(actions.tolist())}"
            )

        return {"step": step, "actions": actions.tolist()}

    def _image(self, pixels: bytes) -> NDArray[np.uint8]:
        if len(pixels) != np.prod(self._shape):
            raise ValueError(
                f"an image of {self._shape} has {np.prod(self._shape)} bytes, not {len(pixels)}"
            )

        return np.frombuffer(pixels, np.uint8).reshape(self._shape)


def _whole(header: Mapping[str, Any], key: str) -> int:
    value = header.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{key} must be a whole number from 0, not {wire.shortened(value)}")
    return value
