"""Parameters that several nodes must share, although each node has its own. Pure."""

from collections.abc import Mapping
from typing import Any

from wayfarer_core.errors import ConfigError
from wayfarer_core.options import NO_DEVICE
from wayfarer_core.targets import CLOSED

_WIDTH = "gripper_width"
_BOX = ("workspace_min", "workspace_max")


def check_agreement(nodes: Mapping[str, Mapping[str, Any]]) -> None:
    """Compare the parameters of nodes, node -> parameter -> value.

    Raises ConfigError, naming those that must be equal.
    """
    learner = nodes.get("learner", {})
    if learner.get("ee_position") or learner.get("goal_ee_position"):
        must_agree(
            nodes, "learner", _BOX, "positions would be scaled by another box than the arm's"
        )

    actor, control = nodes.get("actor", {}), nodes.get("control", {})
    if actor.get("teleop_device", NO_DEVICE) != NO_DEVICE:
        # if its device is lost, the arm must hold within one and a half periods
        longest = control["control_period"] / 2
        if actor["command_age"] > longest:
            raise ConfigError(
                f"actor.command_age is {actor['command_age']} s, more than half of "
                "control.control_period: a device that is lost would move the arm for too long; "
                f"give {longest:g} s or less, section /**/actor"
            )

    _check_gripper(nodes)
    bridge = nodes.get("franka_bridge", {})
    if set(_BOX) <= bridge.keys():  # our bridge; the node on ros2_control has no box
        keys = (*_BOX, "orientation")
        must_agree(nodes, "franka_bridge", keys, "the bridge would refuse what control commands")


def _check_gripper(nodes: Mapping[str, Mapping[str, Any]]) -> None:
    """Raise ConfigError where a node has the gripper in its actions, and control has not, or the
    other way round; and for a sweep, which would not put down what the gripper holds.
    """
    for name, values in nodes.items():
        if _WIDTH in values:
            must_agree(nodes, name, (_WIDTH,), "an action would not have one size for all")

    if nodes.get("control", {}).get(_WIDTH, CLOSED) == CLOSED:
        return

    if nodes.get("collector", {}).get("scene_reset") == "sweep":
        raise ConfigError(
            "collector.scene_reset is sweep, which does not put down what the gripper holds: give "
            f"none, home or operator where control.{_WIDTH} is not 0"
        )


def must_agree(
    nodes: Mapping[str, Mapping[str, Any]], node: str, keys: tuple[str, ...], otherwise: str
) -> None:
    """Raise ConfigError if a node's parameter differs from control's."""
    for key in keys:
        given, meant = (_plain(nodes[name].get(key)) for name in (node, "control"))
        if given != meant:
            raise ConfigError(
                f"{otherwise}: {node}.{key} is {given}, control.{key} is {meant}; "
                f"give both the same in the parameter file, section /**/{node}"
            )


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple | list) else value
