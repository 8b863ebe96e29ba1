"""run.yaml: the configuration, versions and sessions of a run."""

import platform
import socket
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from wayfarer_core.errors import ConfigError
from wayfarer_core.options import (
    NO_DEVICE,
    ActingOptions,
    ExternalOptions,
    LearnerOptions,
    NoveltyOptions,
    TeleopOptions,
)
from wayfarer_core.provenance import commit
from wayfarer_core.targets import CLOSED

from wayfarer_bags.run_directory import configuration_digest

# Parameters that may differ between the sessions of one run: how much is collected and where. They
# do not change an episode. Over ROS or in one process (transport) the episodes have the same bits;
# each session notes its transport.
_FREE_NODES = ("replay",)
_FREE_KEYS = (
    "episodes",
    "seed",
    "run",
    "device",
    "threads",
    "score_rate",
    "transport",
    "use_sim_time",
    "policy_address",
    "teleop_device",
)
_FREE_ENDING = "_timeout"
_VERSIONS = ("wayfarer-replay", "rclpy", "torch", "numpy", "mujoco", "robosuite", "mcap")

# Values of older runs for parameters that came later, or that no longer exist.
_EARLIER: dict[str, dict[str, Any]] = {
    "learner": asdict(LearnerOptions()),
    "novelty": asdict(NoveltyOptions()),
    "actor": asdict(ActingOptions())
    | asdict(ExternalOptions())
    | asdict(TeleopOptions())
    | {"gripper_width": CLOSED},
    "collector": {"candidates": 0, "wrist": False},
    "camera": {"eye_in_hand": False},
    "sim_bridge": {"wrist": False, "gripper_width": CLOSED},
    **{node: {"gripper_width": CLOSED} for node in ("control", "franka_bridge")},
}
_GONE = {"actor": ("ee_position",)}
# Limits that came later. When an older run is continued it takes their present values.
_LATER = {
    "control": ("max_turn",),
    "franka_bridge": ("top_turn", "workspace_min", "workspace_max", "orientation"),
}

Configuration = Mapping[str, Mapping[str, Any]]  # node -> parameter -> value


def describe(existing: Mapping[str, Any], configuration: Configuration) -> dict[str, Any]:
    """Return run.yaml with this session added.

    Raises ConfigError if the run was recorded with another configuration.
    """
    first = _with_later_ones(existing.get("configuration", configuration), configuration)
    if found := differences(first, configuration):
        raise ConfigError(
            "this run was recorded with another configuration; continue it with the same, or "
            "choose a new directory: " + "; ".join(found)
        )

    session = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "host": socket.gethostname(),
        "commit": commit(),
        "python": platform.python_version(),
        "threads": configuration.get("learner", {}).get("threads", 1),
        "teleop_device": configuration.get("actor", {}).get("teleop_device", NO_DEVICE),
        "versions": {name: _version(name) for name in _VERSIONS},
        "collector": dict(configuration.get("collector", {})),
    }

    return {
        "format": 1,
        "configuration": _meaningful(first),
        "configuration_sha256": configuration_digest(_meaningful(configuration)),
        "sessions": [*existing.get("sessions", []), session],
    }


def _meaningful(configuration: Configuration) -> dict[str, dict[str, Any]]:
    return {
        node: {key: value for key, value in _completed(node, values).items() if not _is_free(key)}
        for node, values in configuration.items()
        if node not in _FREE_NODES
    }


def _is_free(key: str) -> bool:
    return key in _FREE_KEYS or key.endswith(_FREE_ENDING)


def _completed(node: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return an older run's parameters of a node, completed by those that came later."""
    earlier = {k: list(v) if isinstance(v, tuple) else v for k, v in _EARLIER.get(node, {}).items()}
    return {k: v for k, v in {**earlier, **values}.items() if k not in _GONE.get(node, ())}


def _with_later_ones(first: Configuration, now: Configuration) -> dict[str, dict[str, Any]]:
    """Return the first configuration, with the present values of limits that came later."""
    return {
        node: {key: now[node][key] for key in _LATER.get(node, ()) if key in now.get(node, {})}
        | dict(values)
        for node, values in first.items()
    }


def differences(first: Configuration, now: Configuration) -> list[str]:
    """Say which parameters that shape an episode differ."""
    a, b = _meaningful(_with_later_ones(first, now)), _meaningful(now)

    return [
        f"{node}.{key} was {a.get(node, {}).get(key)!r}, is {b.get(node, {}).get(key)!r}"
        for node in sorted(a.keys() | b.keys())
        for key in sorted(a.get(node, {}).keys() | b.get(node, {}).keys())
        if a.get(node, {}).get(key) != b.get(node, {}).get(key)
    ]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # for example, a robot's PC needs no simulator
        return "not installed"
