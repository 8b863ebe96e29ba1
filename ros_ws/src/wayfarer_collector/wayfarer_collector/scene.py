"""Resetting the scene before an episode: not at all, by an operator, or by the arm itself.

A simulator's robot/reset also resets its cube; on a real table a person or the arm must do it.
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

# parameters that actor and control must share
_OF_THE_BOX = ("workspace_min", "workspace_max", "action_scale")


class Scene(Protocol):
    """One way to reset the scene."""

    def reset(self) -> bool:
        """Return when the scene is reset.

        False if a fault interrupted it and it must be tried again.

        Raises DeviceError if nobody reset it in time.
        """


class Calls(Protocol):
    """The part of the collector's caller that a scene needs."""

    @property
    def waiter(self) -> Waiter:
        """The waiter of this thread."""

    @property
    def timeout(self) -> float:
        """Longest wait for a service [s]."""

    def service(self, kind: Any, name: str, request: Any) -> Any:
        """Call a service."""

    def action(
        self, name: str, goal: Any, timeout: float, tell: Callable[[Any], None] = ...
    ) -> Any:
        """Run an action to its end."""


@dataclass(frozen=True)
class Surroundings:
    """A scene's connections to the collector."""

    calls: Calls
    tell: Callable[..., None]  # publishes stage and detail on collector/status
    control_fault: Callable[[], FaultKind]  # returns control's present fault
    resumed: threading.Event  # set by collector/resume
    timeout: float  # s for the operator
    step_timeout: float  # s, longest step of an episode


def make_scene(strategy: str, configuration: str, around: Surroundings) -> Scene:
    """Make the scene of a strategy; `configuration` is the YAML of every node's parameters."""
    if strategy == "operator":
        return OperatorScene(around)
    if strategy in SCRIPTS:
        return ScriptedScene(strategy, around, box_of(configuration))
    if strategy == "none":
        return NoScene()

    raise ConfigError(f"scene_reset {strategy!r} is not one of {', '.join(SCENES)}")


def box_of(configuration: str) -> Box:
    """Return the workspace box for a script.

    Raises ConfigError if actor and control have different ones.
    """
    nodes = yaml.safe_load(configuration)
    must_agree(nodes, "actor", _OF_THE_BOX, "a scripted motion would miss")
    control = nodes["control"]

    return Box(
        tuple(control["workspace_min"]), tuple(control["workspace_max"]), control["action_scale"]
    )


class NoScene:
    """Leaves the scene as it is."""

    def reset(self) -> bool:
        """Do nothing."""
        return True


class OperatorScene:
    """Asks an operator.

    The arm goes home and holds there until `wayfarer ack` or collector/resume.

    collector/resume ends only this hold. If an operator has stopped the arm, `wayfarer
    ack` is needed.
    """

    def __init__(self, around: Surroundings) -> None:
        self._around = around

    def reset(self) -> bool:
        """Wait for the operator.

        SilenceError after the timeout; the arm then still holds.
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
            return False  # the arm still holds

        if self._held():
            calls.service(SetBool, names.SCENE, SetBool.Request(data=False))
            around.tell(stage="waiting", detail="say `wayfarer ack` if the arm was stopped")
            calls.waiter.until(
                lambda: not self._held() or calls.waiter.stopped,
                around.timeout,
                lambda: "the arm was stopped, and nobody said `wayfarer ack`",
            )

        # another fault, such as a user stop, does not mean that the scene is reset
        return around.control_fault() is FaultKind.NONE

    def _held(self) -> bool:
        return self._around.control_fault() is FaultKind.OPERATOR


class ScriptedScene:
    """Lets the arm follow a script such as `sweep`.

    It is an episode that is not recorded, through the same gate.
    """

    def __init__(self, script: str, around: Surroundings, box: Box) -> None:
        self._script, self._around, self._steps = script, around, steps_needed(script, box)

    def reset(self) -> bool:
        """Follow the script to its end; False if it was aborted."""
        around, calls = self._around, self._around.calls
        around.tell(stage="resetting", detail=f"scripted motion: {self._script}")
        try:
            goal = RunEpisode.Goal(policy=self._script, steps=self._steps, not_before=home(calls))
            result = calls.action(names.RUN_EPISODE, goal, around.step_timeout * self._steps)
        except (SilenceError, RefusedError):  # a node does not answer, or the arm cannot go home
            return False

        return bool(result.end != Episode.ABORTED)


def home(calls: Calls) -> Time:
    """Send the arm home; return the time from which observations show it there."""
    stamp: Time = calls.service(Reset, names.RESET, Reset.Request(seed=0)).stamp
    return stamp
