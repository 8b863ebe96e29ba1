"""How the scene is put back before an episode: by nobody, by an operator, or by the arm itself.

A simulator's robot/reset puts its cube back by itself; on a real table somebody or something must.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import yaml
from builtin_interfaces.msg import Time
from std_srvs.srv import SetBool
from wayfarer_common.agreement import must_agree
from wayfarer_core import names
from wayfarer_core.errors import ConfigError
from wayfarer_core.fault import FaultKind
from wayfarer_msgs.action import RunEpisode
from wayfarer_msgs.msg import Episode
from wayfarer_msgs.srv import Reset
from wayfarer_policies.acting.scripts import SCRIPTS, Box, steps_needed

from wayfarer_collector.params import SCENES
from wayfarer_collector.waiting import RefusedError, SilenceError, Waiter

# parameters the actor must share with control
_OF_THE_BOX = ("workspace_min", "workspace_max", "action_scale")


class Scene(Protocol):
    """One way to put the scene back."""

    def reset(self) -> bool:
        """Return once the scene is as it shall be.

        False where a fault came between and it must be tried again.

        Raises DeviceError where nobody put it right in time.
        """


class Calls(Protocol):
    """What a scene needs of the collector's caller."""

    @property
    def waiter(self) -> Waiter:
        """How it waits."""

    @property
    def timeout(self) -> float:
        """Longest wait for a service [s]."""

    def service(self, kind: Any, name: str, request: Any) -> Any:
        """Call a service."""

    def action(
        self, name: str, goal: Any, timeout: float, tell: Callable[[Any], None] = ...
    ) -> Any:
        """Let an action run to its end."""


@dataclass(frozen=True)
class Surroundings:
    """What a scene hears and says."""

    calls: Calls
    tell: Callable[..., None]  # stage and detail for collector/status
    control_fault: Callable[[], FaultKind]  # what control/fault says now
    resumed: threading.Event  # set by collector/resume
    timeout: float  # s an operator is given
    step_timeout: float  # s, longest step of an episode


def make_scene(strategy: str, configuration: str, around: Surroundings) -> Scene:
    """Return the scene of a strategy; `configuration` is the YAML of every node's parameters."""
    if strategy == "operator":
        return OperatorScene(around)
    if strategy in SCRIPTS:
        return ScriptedScene(strategy, around, box_of(configuration))
    if strategy == "none":
        return NoScene()

    raise ConfigError(f"scene_reset {strategy!r} is not one of {', '.join(SCENES)}")


def box_of(configuration: str) -> Box:
    """Return the box a script keeps to.

    Raises ConfigError where actor and control are not told the same.
    """
    nodes = yaml.safe_load(configuration)
    must_agree(nodes, "actor", _OF_THE_BOX, "a scripted motion would miss")
    control = nodes["control"]

    return Box(
        tuple(control["workspace_min"]), tuple(control["workspace_max"]), control["action_scale"]
    )


class NoScene:
    """The scene stays as it is."""

    def reset(self) -> bool:
        """Do nothing."""
        return True


class OperatorScene:
    """Asks somebody.

    The arm goes home and holds there until `wayfarer ack`, or collector/resume, says it is done.

    collector/resume ends this hold only: where an operator has stopped the arm, it takes `wayfarer
    ack`.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def reset(self) -> bool:
        """Wait for the operator's word.

        SilenceError after the time-out, with the arm still holding.
        """
        around, calls = self._around, self._around.calls
        around.resumed.clear()
        try:
            home(calls)
            calls.service(SetBool, names.SCENE, SetBool.Request(data=True))
        except (SilenceError, RefusedError):
            return False

        calls.waiter.until(
            self._held, calls.timeout, lambda: f"{names.CONTROL_FAULT} does not tell of the hold"
        )
        around.tell(stage="waiting", detail="put the scene back, then say `wayfarer ack`")
        calls.waiter.until(
            lambda: around.resumed.is_set() or not self._held() or calls.waiter.stopped,
            around.timeout,
            lambda: "nobody put the scene back and said `wayfarer ack`; the arm holds",
        )
        if calls.waiter.stopped:
            return False  # the arm goes on holding

        if self._held():
            calls.service(SetBool, names.SCENE, SetBool.Request(data=False))
            around.tell(stage="waiting", detail="say `wayfarer ack` if the arm was stopped")
            calls.waiter.until(
                lambda: not self._held() or calls.waiter.stopped,
                around.timeout,
                lambda: "the arm was stopped, and nobody said `wayfarer ack`",
            )

        # a user stop, say, is no word that the scene is put back
        return around.control_fault() is FaultKind.NONE

    def _held(self) -> bool:
        return self._around.control_fault() is FaultKind.OPERATOR


class ScriptedScene:
    """Lets the arm follow a script, as `sweep`.

    An episode that nobody records, through the same gate.
    """

    def __init__(self, script: str, around: Surroundings, box: Box) -> None:
        self._script, self._around, self._steps = script, around, steps_needed(script, box)

    def reset(self) -> bool:
        """Follow the script to its end; False where it was aborted."""
        around, calls = self._around, self._around.calls
        around.tell(stage="resetting", detail=f"scripted motion: {self._script}")
        try:
            goal = RunEpisode.Goal(policy=self._script, steps=self._steps, not_before=home(calls))
            result = calls.action(names.RUN_EPISODE, goal, around.step_timeout * self._steps)
        except (SilenceError, RefusedError):  # a node does not answer, or the arm could not go home
            return False

        return bool(result.end != Episode.ABORTED)


def home(calls: Calls) -> Time:
    """Send the arm home; return the time from which on observations show it there."""
    stamp: Time = calls.service(Reset, names.RESET, Reset.Request(seed=0)).stamp
    return stamp
