"""The actor's side: a policy that asks a policy server on this machine for chunks of actions.

One connection serves one episode, so a fault in one episode does not affect the next. Nothing that
is received is evaluated; an invalid chunk of actions is refused before the safety gate sees
it. Needs wayfarer_core.
"""

import socket
import time
from collections import deque
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray
from wayfarer_core import names
from wayfarer_core.errors import ConfigError, PolicyError
from wayfarer_core.options import ANY_POLICY, NO_SERVER, ExternalOptions

from wayfarer_serving import wire

Image = NDArray[np.uint8]  # (84, 84, 3) RGB
Action = NDArray[np.float32]  # (3,) or with a gripper (4,), in [-1, 1]

_SHAPE = (names.OBSERVATION_SIZE, names.OBSERVATION_SIZE, 3)  # of images
_LONGEST = 1000  # actions of a chunk
_SEEDS = 1 << 53  # below it every language's JSON keeps whole numbers exact


class Goal(Protocol):
    """The goal of an episode: wayfarer_policies' PolicyGoal."""

    @property
    def image(self) -> Image:
        """The image to reach."""

    @property
    def ee_position(self) -> NDArray[np.float64]:
        """The end effector's position in it, (3,) [m], base frame; NaN if unknown."""


class Robot(Protocol):
    """Proprioception: wayfarer_policies' RobotState. NaN where unknown."""

    @property
    def ee_position(self) -> NDArray[np.float64]:
        """Position of the end effector, (3,) [m], base frame."""

    @property
    def ee_orientation(self) -> NDArray[np.float64]:
        """Orientation of the end effector, (4,) quaternion xyzw, base frame."""

    @property
    def joint_positions(self) -> NDArray[np.float64]:
        """(7,) [rad]."""

    @property
    def joint_velocities(self) -> NDArray[np.float64]:
        """(7,) [rad/s]."""

    @property
    def gripper_width(self) -> NDArray[np.float64]:
        """Between the fingers, (1,) [m]."""


class Start(Protocol):
    """The start of an episode: wayfarer_policies' Start."""

    @property
    def rng(self) -> np.random.Generator:
        """Source of all randomness of the episode."""

    @property
    def goal(self) -> Goal | None:
        """The goal, if there is one."""

    @property
    def steps(self) -> int:
        """Length of the episode."""


@dataclass(frozen=True)
class _Asking:
    """An episode without steps: it only asks for the server's description."""

    rng: np.random.Generator
    goal: Goal | None = None
    steps: int = 0


@dataclass(frozen=True)
class Welcome:
    """A server's description of itself."""

    policy: str  # name of its policy
    version: int  # of the weights; 0 without weights


class ExternalPolicy:
    """Asks for a chunk of actions, returns one per observation, and asks again."""

    needs_pose = True  # the server gets the pose at the image's time
    needs_joints = True

    def __init__(self, options: ExternalOptions, size: int = 3) -> None:
        """Nobody is asked yet; `size` is how many numbers an action has.

        Raises ConfigError where the address is none of this machine.
        """
        if options.policy_address == NO_SERVER:
            raise ConfigError(
                "method external: policy_address must say where the policy server is, as "
                "127.0.0.1:5555"
            )

        _checked(options.policy_address)
        self._options, self._size = options, size
        self._talk: _Talk | None = None
        self._chunk: deque[Action] = deque()
        self._step = 0
        self._version = 0

    @property
    def version(self) -> int:
        """Version of the weights, as the server gave it when the episode began."""
        return self._version

    def begin_episode(self, start: Start) -> None:
        """Connect, and describe the episode to the server.

        Raises PolicyError for a wrong answer or none.
        """
        self._end()
        self._chunk.clear()
        self._step = 0
        self._talk = _Talk(self._options, self._size)
        self._version = self._talk.begin(start).version

    def act(self, image: Image, robot: Robot) -> Action:
        """Return the next action of the chunk.

        Raises PolicyError if a new chunk is needed and none comes.
        """
        if not self._chunk:
            if self._talk is None:
                raise PolicyError(
                    "the policy server is asked for actions before an episode has begun"
                )

            answered = self._talk.actions(self._step, image, robot)
            self._chunk.extend(answered[: self._options.policy_actions or None])

        self._step += 1

        return self._chunk.popleft()

    def _end(self) -> None:
        if self._talk is not None:
            self._talk.close()
            self._talk = None


def ask(options: ExternalOptions) -> Welcome:
    """Ask a server for the name of its policy.

    Raises PolicyError; ConfigError for an address of another machine.
    """
    _checked(options.policy_address)
    talk = _Talk(options)
    welcome = talk.begin(_Asking(np.random.default_rng(0)))
    talk.close()

    return welcome


def _checked(address: str) -> None:
    try:
        wire.endpoint(address)
    except ValueError as error:
        raise ConfigError(f"policy_address: {error}") from error


class _Talk:
    """One connection. Every error closes it, so a late answer cannot be used for another step."""

    def __init__(self, options: ExternalOptions, size: int = 3) -> None:
        self._options, self._size = options, size
        self._connection: socket.socket | None = None

    def begin(self, start: Start) -> Welcome:
        deadline = self._deadline()
        try:
            self._connection = wire.connect(self._options.policy_address, deadline)
        except wire.WireError as error:
            self._fail(str(error))

        return self._welcome(self._ask(_hello(start, self._size), deadline))

    def actions(self, step: int, image: Image, robot: Robot) -> list[Action]:
        felt = {name: _known(getattr(robot, name)) for name in wire.FELT}
        header = {"step": step, "ee_position": [float(v) for v in robot.ee_position], **felt}
        answer = self._ask(wire.Frame(header, image.tobytes()), self._deadline())

        if answer.get("step") != step:
            self._fail(
                f"it answered step {wire.shortened(answer.get('step'))}, step {step} was asked"
            )

        return self._checked(answer.get("actions"))

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, frame: wire.Frame, deadline: float) -> dict[str, Any]:
        if self._connection is None:
            self._fail("the connection of this episode is closed")

        try:
            wire.send(self._connection, frame, deadline)
            header = wire.receive(self._connection, deadline).header
        except wire.WireError as error:
            self._fail(str(error))

        if "error" in header:
            self._fail(f"it says: {wire.shortened(header['error'])}")

        return header

    def _welcome(self, header: dict[str, Any]) -> Welcome:
        spoken = (header.get("protocol"), header.get("version"))
        if spoken != (wire.PROTOCOL, wire.VERSION):
            self._fail(
                f"it speaks {wire.shortened(spoken)}, must speak {wire.PROTOCOL} version "
                f"{wire.VERSION}"
            )

        for key, meant in (("image", [*_SHAPE]), ("action", self._size)):
            if header.get(key) != meant:
                self._fail(f"its {key} is {wire.shortened(header.get(key))}, ours {meant}")

        policy, version = header.get("policy"), header.get("policy_version")
        if not isinstance(policy, str) or not policy.isprintable() or not 0 < len(policy) <= 200:
            self._fail(
                f"policy must be its name, of 1 to 200 letters, not {wire.shortened(policy)}"
            )

        if not isinstance(version, int) or isinstance(version, bool) or not 0 <= version < 1 << 31:
            self._fail(f"policy_version must be a whole number, not {wire.shortened(version)}")

        if self._options.policy_name not in (ANY_POLICY, policy):
            self._fail(f"it serves {policy!r}, announced was {self._options.policy_name!r}")

        return Welcome(policy, version)

    def _checked(self, chunk: Any) -> list[Action]:
        """Return the actions, (A,) each."""
        if not isinstance(chunk, list) or not 1 <= len(chunk) <= _LONGEST:
            self._fail(f"actions must be a list of 1 to {_LONGEST}, not {wire.shortened(chunk)}")

        rows = [wire.numbers(row) for row in chunk]
        for row, given in zip(rows, chunk, strict=True):
            if row is None or len(row) != self._size:
                self._fail(
                    f"an action must be {self._size} finite numbers, not {wire.shortened(given)}"
                )

            if max(map(abs, row)) > 1.0:
                self._fail(f"an action must lie in [-1, 1], not {wire.shortened(given)}")

        return [np.array(row, np.float32) for row in rows]

    def _deadline(self) -> float:
        return time.monotonic() + self._options.policy_timeout

    def _fail(self, what: str) -> NoReturn:
        self.close()
        raise PolicyError(f"policy server {self._options.policy_address}: {what}")


def _hello(start: Start, size: int) -> wire.Frame:
    header: dict[str, Any] = {
        "protocol": wire.PROTOCOL,
        "version": wire.VERSION,
        "image": [*_SHAPE],
    }
    header |= {"action": size, "steps": start.steps, "seed": int(start.rng.integers(_SEEDS))}
    if start.goal is None:
        return wire.Frame(header)

    goal = {"goal_ee_position": _known(start.goal.ee_position)}

    return wire.Frame({**header, **goal}, start.goal.image.tobytes())


def _known(values: NDArray[np.float64]) -> list[float] | None:
    return [float(v) for v in values] if np.isfinite(values).all() else None
